import type { CID } from 'multiformats/cid'
import { PinMessage } from '../../codec/messages.ts'
import type { Pin } from '../../domain/pin.ts'
import type { Network } from '../../platform/network.ts'
import { encodeBroadcast } from './broadcast-message.ts'
import { encodeDeltaNode, type DeltaElement, type DeltaNode } from './delta.ts'
import { peerOf, type CrdtPeers } from './crdt-peers.fixture.ts'
import { crdtTopic } from './head-broadcast.ts'
import { keyOfPin } from './pin-values.ts'

const nothing = new Uint8Array(0)

/** A member that says and serves what it is told to, whatever that is. */
export class BarePeer {
  readonly network: Network
  /** What it serves, by the text of the CID. */
  readonly blocks = new Map<string, Uint8Array>()

  private constructor (network: Network) {
    this.network = network
    network.serveBlocks(async cid => this.blocks.get(cid.toString()))
  }

  static async start (peers: CrdtPeers, n: number): Promise<BarePeer> {
    const peer = new BarePeer(peers.networks.join(peerOf(n)))
    await peer.network.start(new AbortController().signal)
    return peer
  }

  /** Makes a node and serves it. */
  node (priority: number, parents: readonly DeltaNode[], pins: readonly Pin[], more: { readonly elements?: readonly DeltaElement[], readonly tombstones?: readonly DeltaElement[] } = {}): DeltaNode {
    const elements = [...pins.map(pin => ({ key: keyOfPin(pin), id: '', value: PinMessage.encodeProtobuf(pin) })), ...more.elements ?? []]
    const node = encodeDeltaNode({ elements, tombstones: more.tombstones ?? [], priority }, parents.map(({ cid }) => cid))
    this.blocks.set(node.cid.toString(), node.bytes)
    return node
  }

  async tell (cids: readonly CID[]): Promise<void> { await this.say(encodeBroadcast(cids.map(cid => ({ cid, block: undefined })))) }

  async say (message: Uint8Array): Promise<void> { await this.network.publish(crdtTopic('test'), message) }
}

/** A tombstone for what a node says of a pin. */
export function tombstone (pin: Pin, node: DeltaNode): DeltaElement { return { key: keyOfPin(pin), id: node.blockId, value: nothing } }
