import type { Libp2pEvents, PeerId, PeerInfo, PeerRouting } from '@libp2p/interface'
import type { KadDHT } from '@libp2p/kad-dht'
import type { Clock } from '../clock.ts'
import { isOfInternet, isRelayed } from './addresses.ts'
import type { Host } from './host.ts'

const wanProtocol = '/ipfs/kad/1.0.0'
const lanProtocol = '/ipfs/lan/kad/1.0.0'
/** Questions on their way at a time, as the reference. */
const concurrency = 10

/** What each of the two tables can do and libp2p's interface does not tell. */
interface Table extends KadDHT {
  start (): Promise<void>
  stop (): Promise<void>
  setMode (mode: 'client' | 'server'): Promise<void>
  /** To be told of peers that connected before the table was there. */
  onPeerConnect (peer: PeerInfo): Promise<void>
}

/**
 * The two Kademlia tables of a cluster peer (spec/wire.md 2): one for addresses of the Internet,
 * one for those of a local network. They find the addresses of peers that only others know. They
 * are loaded when the host already runs: nothing at the start depends on them, and they take as
 * long as all the rest of the protocols together.
 */
export class Dht implements PeerRouting {
  #tables: Table[] = []
  #isStopped = false

  async attach (host: Host, clock: Clock): Promise<void> {
    const { kadDHT, passthroughMapper, removePrivateAddressesMapper } = await import('@libp2p/kad-dht')
    const { selectIpnsRecord, validateIpnsRecord } = await import('./ipns-record.ts')
    const { DhtRecords } = await import('./dht-records.ts')
    const { components } = host as unknown as { components: Parameters<ReturnType<typeof kadDHT>>[0] }
    const records = {
      // libp2p itself has those of public keys (`pk`).
      validators: { ipns: (key: Uint8Array, record: Uint8Array) => validateIpnsRecord(key, record, clock.now()) },
      selectors: { ipns: (_key: Uint8Array, records: Uint8Array[]) => selectIpnsRecord(records) },
    }
    const table = (name: string, init: Parameters<typeof kadDHT>[0]): Table =>
      kadDHT({ alpha: concurrency, allowQueryWithZeroPeers: true, datastorePrefix: `/dht-${name}`, metricsPrefix: `dht_${name}`, logPrefix: `dht:${name}`, ...records, ...init })(Object.create(components, { datastore: { value: new DhtRecords() } }) as typeof components) as Table
    const tables = [
      table('wan', { protocol: wanProtocol, peerInfoMapper: removePrivateAddressesMapper }),
      // All are members of one private network: the addresses behind their router are no secret among them.
      table('lan', { protocol: lanProtocol, clientMode: false, peerInfoMapper: passthroughMapper }),
    ]
    for (const one of tables) {
      if (this.#isStopped) return
      await one.start()
      this.#tables.push(one)
    }
    // A peer that listens on nothing has no address before it has a relay, and the tables look once.
    host.addEventListener('peer:update', ({ detail: { peer, previous } }: Libp2pEvents['peer:update']) => {
      if (previous !== undefined && previous.addresses.length === 0 && peer.addresses.length > 0 && host.getConnections(peer.id).length > 0) this.#tell(host, peer.id).catch(() => {})
    })
    // From now on libp2p follows the addresses itself; what they became before, it has not seen.
    if (host.getMultiaddrs().some(address => isOfInternet(address.toString()) && !isRelayed(address.toString()))) await tables[0]?.setMode('server')
    for (const { remotePeer } of host.getConnections()) await this.#tell(host, remotePeer)
  }

  async detach (): Promise<void> {
    this.#isStopped = true
    await Promise.all(this.#tables.splice(0).map(table => table.stop()))
  }

  /** The peer's addresses as others know them, from whichever table has them first. What is known here has not helped. */
  async findPeer (peer: PeerId, options?: { signal?: AbortSignal }): Promise<PeerInfo> {
    return Promise.any(this.#tables.map(async table => {
      for await (const event of table.findPeer(peer, { ...options, useCache: false })) {
        if (event.name === 'FINAL_PEER' && event.peer.multiaddrs.length > 0) return event.peer
      }
      throw new Error('no peer knows its addresses')
    }))
  }

  async * getClosestPeers (key: Uint8Array, options?: { signal?: AbortSignal }): AsyncGenerator<PeerInfo> {
    for (const table of this.#tables) {
      for await (const event of table.getClosestPeers(key, options)) {
        if (event.name === 'FINAL_PEER') yield event.peer
      }
    }
  }

  async #tell (host: Host, remotePeer: PeerId): Promise<void> {
    const peer = await host.peerStore.get(remotePeer).catch(() => undefined)
    if (peer === undefined) return
    const info = { id: remotePeer, multiaddrs: peer.addresses.map(({ multiaddr }) => multiaddr) }
    const [wan, lan] = this.#tables
    if (peer.protocols.includes(wanProtocol)) await wan?.onPeerConnect(info)
    if (peer.protocols.includes(lanProtocol)) await lan?.onPeerConnect(info)
  }
}
