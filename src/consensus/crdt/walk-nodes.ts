import type { PeerId } from '../../domain/peer.ts'

/** A node that somebody told of, with its block if that came along. */
export interface Announcement { readonly node: string, readonly from: PeerId | undefined, readonly block: Uint8Array | undefined }
/** A block that was fetched. */
export interface Arrival { readonly node: string, readonly from: PeerId | undefined, readonly block: Uint8Array }
/** A node that is not searched for any more; `isLinked` as for {@link Wanted}, as far as it was known. */
export interface Lost { readonly node: string, readonly isLinked: boolean }
/** A node that is missing below the heads. */
export interface Needed { readonly node: string, readonly isLost: boolean }
/** A node to fetch; `isLinked` when a node that is here follows it, so that others behind it are missing too. */
export interface Wanted { readonly node: string, readonly from: PeerId | undefined, readonly isLinked: boolean }
