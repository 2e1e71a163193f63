import { PinMessage } from '../codec/messages.ts'
import { encodeBroadcast } from '../consensus/crdt/broadcast-message.ts'
import { encodeDeltaNode, type DeltaNode } from '../consensus/crdt/delta.ts'
import { crdtTopic } from '../consensus/crdt/head-broadcast.ts'
import { historyProtocol } from '../consensus/crdt/history.ts'
import { cidFromBytes, cidKey } from '../domain/cid.ts'
import type { PeerId } from '../domain/peer.ts'
import { defaultPinOptions, pinWithOptions } from '../domain/pin.ts'
import { rpcProtocol } from '../domain/version.ts'
import { metricsTopic } from '../monitor/gossip-monitor.ts'
import type { Network, PeerStream } from '../platform/network.ts'
import { callsProtocol } from '../rpc/channel-frames.ts'
import { PeerClock } from './peer-clock.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { World } from './world.ts'

const topics = [metricsTopic, crdtTopic('ipfs-cluster')]
const protocols = [rpcProtocol, callsProtocol, historyProtocol]
/** Things done in one burst. */
const burst = 40
/** Real messages that are kept to be sent again, changed or not. */
const maxOverheard = 64

/**
 * Somebody who has the cluster's secret and means no good: sends what is no message, what others
 * have said, and changes of the pinset in the right form; opens streams and says nonsense or
 * nothing; gives wrong blocks. Nobody lists it as trusted.
 */
export class Stranger {
  readonly #world: World
  readonly #random: SeededRandom
  readonly #network: Network
  readonly #overheard: Array<{ readonly topic: string, readonly data: Uint8Array }> = []
  readonly #streams: PeerStream[] = []
  readonly #nodes = new Map<string, DeltaNode>()

  constructor (world: World, self: PeerId) {
    this.#world = world
    this.#random = world.random.fork('stranger')
    this.#network = world.networks.join(self, 999, new PeerClock(world.clock))
    for (const topic of topics) this.#network.subscribe(topic, ({ data }) => { this.#overhear(topic, data) })
    this.#network.serveBlocks(async cid => this.#nodes.get(cid.toString())?.bytes ?? this.#random.bytes(100))
    for (const protocol of protocols) this.#network.handle(protocol, stream => { void this.#babble(stream) })
  }

  async start (): Promise<void> { await this.#network.start(new AbortController().signal) }

  /** Does many bad things at once. */
  strike (): void {
    for (let n = 0; n < burst; n++) this.#random.pick([() => this.#sayNonsense(), () => this.#repeat(), () => this.#repeat(), () => this.#forge(), () => this.#call(), () => this.#leave()])()
  }

  #overhear (topic: string, data: Uint8Array): void {
    this.#overheard.push({ topic, data })
    if (this.#overheard.length > maxOverheard) this.#overheard.splice(this.#random.integer(maxOverheard), 1)
  }

  #sayNonsense (): void {
    void this.#network.publish(this.#random.pick(topics), this.#random.bytes(this.#random.integer(400)))
  }

  /** What another one has said, as it was or with some bytes changed. */
  #repeat (): void {
    if (this.#overheard.length === 0) return
    const { topic, data } = this.#random.pick(this.#overheard)
    const changed = new Uint8Array(data)
    for (let n = this.#random.integer(4); n > 0 && changed.length > 0; n--) changed[this.#random.integer(changed.length)] = this.#random.integer(256)
    void this.#network.publish(topic, this.#random.chance(0.2) ? changed.slice(0, this.#random.integer(changed.length)) : changed)
  }

  /** A pin that nobody has asked for, in a node of the right form; where everybody is trusted this would be no forgery. */
  #forge (): void {
    if (this.#world.settings.trustsAll) return
    const cid = cidFromBytes(Uint8Array.from([1, 0x55, 0x12, 0x20, ...this.#random.bytes(32)]))
    const pin = { ...pinWithOptions(cid, { ...defaultPinOptions, replicationFactorMin: -1, replicationFactorMax: -1, name: 'forged' }, this.#world.clock.now()), allocations: [] }
    const node = encodeDeltaNode({ elements: [{ key: `/${cidKey(cid)}`, id: '', value: PinMessage.encodeProtobuf(pin) }], tombstones: [], priority: 1 + this.#random.integer(1_000_000) }, [])
    this.#nodes.set(node.cid.toString(), node)
    void this.#network.publish(topics[1] ?? '', encodeBroadcast([{ cid: node.cid, block: this.#random.chance(0.5) ? node.bytes : undefined }]))
  }

  #call (): void {
    this.#network.open(this.#random.pick(this.#world.peers).self, this.#random.pick(protocols), {}).then(stream => this.#babble(stream), () => {})
  }

  async #babble (stream: PeerStream): Promise<void> {
    this.#streams.push(stream)
    try {
      for (let n = this.#random.integer(5); n > 0; n--) await stream.write(this.#random.bytes(this.#random.integer(2_000)))
      if (this.#random.chance(0.3)) await stream.closeWrite()
    } catch {
      // Whoever is refused has nothing more to say here.
    }
  }

  #leave (): void {
    const at = this.#random.integer(Math.max(1, this.#streams.length))
    this.#streams.splice(at, 1)[0]?.reset()
  }
}
