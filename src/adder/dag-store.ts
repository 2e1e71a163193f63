import type { Cid } from '../domain/cid.ts'
import type { AddedOutput, PeerId } from '../domain/peer.ts'
import type { Pin, PinOptions } from '../domain/pin.ts'
import type { CallOptions, Platform } from '../platform/lifecycle.ts'
import type { AddOptions, BlockDestinations } from './adder.ts'
import type { BlockDestination } from './block-lane.ts'
import { blockStream, type BlockSink, type BlockStream } from './block-sink.ts'
import type { Hashing } from './hash-threads.ts'

/** Takes the blocks of one add to the peers that shall have them and pins what came of it. */
export interface DagStore extends BlockSink {
  /** The holders, as events of the add show them; empty before the first block and when every peer is one. */
  allocations (): readonly PeerId[]
  /** Entries of its own that came up since the last call. */
  takeOutputs (): AddedOutput[]
  /** All blocks were put: resolves when they are stored and the roots are pinned. */
  finish (roots: readonly Cid[]): Promise<void>
  /** Gives up what is under way; nothing is pinned. Safe after {@link finish}. */
  abort (reason: unknown): void
  /** After {@link abort}, when {@link finish} has not resolved: takes back what was pinned on the way. Never rejects. */
  takeBack? (): Promise<void>
}

/** A pin that was submitted; `isNew` when the CID had none before. */
export interface MadePin { readonly pin: Pin, readonly isNew: boolean }

/** What the adder needs of its peer. */
export interface DagAdderParts {
  readonly self: PeerId
  readonly destinations: BlockDestinations
  /** The way to a peer's IPFS node; also that of this peer. */
  readonly destinationFor: (peer: PeerId) => BlockDestination
  /** Pins a root on these peers, or by the options alone when there are none; resolves when that is durable. */
  readonly pinRoot: (cid: Cid, options: PinOptions, allocations: readonly PeerId[], callOptions: CallOptions) => Promise<void>
  /** Submits a pin as it is: the kinds that a sharded add makes. Without it such an add is refused. */
  readonly pinItem?: ((pin: Pin, callOptions: CallOptions) => Promise<MadePin>) | undefined
  /** Takes a pin back, if it still is the one that was made. */
  readonly unpinItem?: ((made: Pin) => Promise<void>) | undefined
  readonly platform: Platform
  /** Hashes the leaves of large files; without it that is done in line. */
  readonly hashing?: Hashing | undefined
  /** Bounds of each way to a destination; see `BlockStreamOptions`. */
  readonly windowBytes?: number | undefined
  readonly stallTimeoutMs?: number | undefined
}

/** Opens the way to these peers; `minHolders` of them must take everything. */
export function openStream (parts: DagAdderParts, peers: readonly PeerId[], minHolders: number, { signal }: CallOptions): BlockStream {
  return blockStream(peers.map(parts.destinationFor), {
    clock: parts.platform.clock,
    logger: parts.platform.loggers.component('adder'),
    signal,
    minHolders,
    ...parts.windowBytes === undefined ? {} : { windowBytes: parts.windowBytes },
    ...parts.stallTimeoutMs === undefined ? {} : { stallTimeoutMs: parts.stallTimeoutMs },
  })
}

/**
 * How many of the chosen peers must have every block before the add may say that it succeeded. The
 * reference is content with one. Here a pin with a least number of replicas is not reported while
 * fewer hold it; the others of its allocations fetch what they miss when they pin. One is enough
 * where all peers fetch anyway (pinned everywhere, `local`) and where nothing is pinned.
 */
export function minHoldersOf (parts: DagAdderParts, { pin, local, noPin }: AddOptions): number {
  return local || noPin ? 1 : Math.max(1, parts.destinations.minHolders?.(pin) ?? pin.replicationFactorMin)
}
