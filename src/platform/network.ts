import type { CID } from 'multiformats/cid'
import type { Bandwidth, Multiaddress, PeerId } from '../domain/peer.ts'
import type { CallOptions, Startable } from './lifecycle.ts'

/** A message that came by gossip; `from` is the peer that signed it. */
export interface GossipMessage {
  readonly from: PeerId
  readonly data: Uint8Array
  /** Signed too: what the same process says later has a greater one, whatever its clock says. */
  readonly sequence?: bigint
}

/** A stream of bytes between two peers, both ways. */
export interface PeerStream {
  readonly peer: PeerId
  /**
   * What the other side sends, with back-pressure; for one reader. Ends with the half-close of the
   * other side, also when that came before anybody read.
   * @throws ClusterError `CANCELLED` when either side has reset the stream, `PEER_UNREACHABLE` when the connection is lost
   */
  readonly incoming: AsyncIterable<Uint8Array>
  /** Sends; resolves when there is room for more. Throws as {@link incoming}. */
  write (bytes: Uint8Array): Promise<void>
  /** Half-close: nothing more is written, reading goes on. */
  closeWrite (): Promise<void>
  /** Ends both directions at once; the other side sees a reset. Does nothing on a stream that has ended. */
  reset (): void
  /** Aborted when the stream was reset by either side or its connection is lost; not by an orderly end. */
  readonly signal: AbortSignal
}

/** Where the blocks come from that others ask this peer for. Undefined: not here. */
export type BlockSource = (cid: CID) => Promise<Uint8Array | undefined>

/** The cluster's own network between peers. One peer alone has `loneNetwork`, tests have `memoryNetwork`. */
export interface Network extends Startable {
  readonly self: PeerId
  /**
   * Takes the ports before a start that takes long: who dials meanwhile waits. Given back by `stop`.
   * @throws ClusterError `ADDRESS_IN_USE`
   */
  listenEarly? (): Promise<void>
  /** Addresses under which this peer can be dialled, each with its `/p2p/` part. */
  addresses (): readonly Multiaddress[]
  /** Peers with an open connection. */
  peers (): readonly PeerId[]
  /** The one that was told last is the last. */
  knownAddresses (peer: PeerId): readonly Multiaddress[]
  /** Peers of which addresses are known, this one left out. */
  knownPeers (): readonly PeerId[]
  /** Keeps addresses, each with its `/p2p/` part, to dial their peers when needed. Unusable ones are left out. */
  remember (addresses: readonly Multiaddress[]): Promise<void>
  /** @throws ClusterError `PEER_UNREACHABLE`, `TIMED_OUT`, `CANCELLED` */
  connect (address: Multiaddress, options: CallOptions): Promise<PeerId>
  /** Calls the listener when the first connection to a peer opens and when the last one is gone. Returns the end of it. */
  onPeer (listener: (peer: PeerId, isConnected: boolean) => void): () => void
  /** Calls the handler with each stream that another peer opens for the protocol. Returns the end of it. */
  handle (protocol: string, handler: (stream: PeerStream) => void): () => void
  /** True when the connected peer has told that it answers the protocol; false also when nothing is known yet. */
  speaks (peer: PeerId, protocol: string): boolean
  /**
   * Opens a stream, over a connection that is there or by dialling the known addresses.
   * @throws ClusterError `PEER_UNREACHABLE` (also when the peer does not speak the protocol), `TIMED_OUT`, `CANCELLED`
   */
  open (peer: PeerId, protocol: string, options: CallOptions): Promise<PeerStream>
  /** Sends to all subscribers, this peer included. */
  publish (topic: string, data: Uint8Array): Promise<void>
  /** `accept` false drops the message and does not forward it. Returns the end of the subscription. */
  subscribe (topic: string, handler: (message: GossipMessage) => void, accept?: (from: PeerId) => boolean): () => void
  /** Gives the blocks of `source` to peers that ask (spec/wire.md 8). Once per network, before it starts. */
  serveBlocks (source: BlockSource): void
  /**
   * Asks the connected peers for a block until one sends it, `from` first when given. What comes
   * back has the CID that was asked for. There is no time limit but the signal.
   * @throws ClusterError `CANCELLED`, `TIMED_OUT` (the signal's reason)
   */
  fetchBlock (cid: CID, options: CallOptions & { readonly from?: PeerId | undefined }): Promise<Uint8Array>
  /** Tells peers that wait for it that the block is here. */
  announceBlock (cid: CID): void
  /** Traffic by protocol since the start. */
  bandwidth (): Record<string, Bandwidth>
}
