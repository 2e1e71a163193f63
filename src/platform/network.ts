import type { Multiaddress, PeerId } from '../domain/peer.ts'
import type { CallOptions, Startable } from './lifecycle.ts'

/** A message that came by gossip; `from` is the peer that signed it. */
export interface GossipMessage { readonly from: PeerId, readonly data: Uint8Array }

/** The cluster's own network between peers. One peer alone has {@link loneNetwork}. */
export interface Network extends Startable {
  readonly self: PeerId
  /** Addresses under which this peer can be dialled, each with its `/p2p/` part. */
  addresses (): readonly Multiaddress[]
  /** Peers with an open connection. */
  peers (): readonly PeerId[]
  knownAddresses (peer: PeerId): readonly Multiaddress[]
  connect (address: Multiaddress, options: CallOptions): Promise<PeerId>
  /** Sends to all subscribers, this peer included. */
  publish (topic: string, data: Uint8Array): Promise<void>
  /** `accept` false drops the message and does not forward it. Returns the end of the subscription. */
  subscribe (topic: string, handler: (message: GossipMessage) => void, accept?: (from: PeerId) => boolean): () => void
}
