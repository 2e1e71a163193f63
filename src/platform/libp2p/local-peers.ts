import type { EventEmitter } from 'node:events'
import type { PeerDiscovery, PeerInfo, Startable } from '@libp2p/interface'
import type { MulticastDNSComponents } from '@libp2p/mdns'
import type { Random } from '../random.ts'

/** Under this name the peers of all clusters of a local network announce themselves; the secret keeps them apart (spec/components.md 1.1). */
const serviceName = '_ipfs-cluster-discovery._udp.local'
/** The reference's peers take what they found for as long. */
const lifeSeconds = 120
/** The record needs a port; nobody reads it. */
const unusedPort = 4001
/** A string of a TXT record holds no more (RFC 1035). */
const maxTextBytes = 255
const nameBytes = 16
/** Peers that are told of at a time: anybody can make them up, and who is left out announces itself again. */
const maxFoundAtOnce = 16

type Record =
  | { readonly name: string, readonly type: 'PTR' | 'A' | 'AAAA', readonly ttl: number, readonly data: string }
  | { readonly name: string, readonly type: 'TXT', readonly ttl: number, readonly data: readonly string[] }
  | { readonly name: string, readonly type: 'SRV', readonly ttl: number, readonly data: { readonly port: number, readonly target: string } }

/** What says on the local network where a peer is. */
export interface Announcement { readonly answers: readonly Record[], readonly additionals: readonly Record[] }

interface Socket extends EventEmitter { readonly respond: (packet: Announcement) => void }
type Discovery = PeerDiscovery & Startable & { readonly mdns?: Socket }

/**
 * Looks for peers on the local network, and answers those who look. libp2p's part does the
 * looking; its answers are not understood by the reference's peers, which want an address record.
 */
export async function localPeers (intervalMs: number, random: Random, onFound: (peer: PeerInfo) => Promise<void> | void): Promise<(components: MulticastDNSComponents) => PeerDiscovery> {
  const { mdns } = await import('@libp2p/mdns')
  const name = Buffer.from(random.bytes(nameBytes)).toString('hex')
  return components => {
    const discovery = mdns({ serviceTag: serviceName, interval: intervalMs, broadcast: false, peerName: name })(components) as Discovery
    let found = 0
    discovery.addEventListener('peer', ({ detail }) => {
      if (found >= maxFoundAtOnce) return
      found++
      void Promise.resolve(onFound(detail)).finally(() => { found-- })
    })
    // libp2p itself would note each peer that anybody in the local network makes up, and for good.
    discovery.addEventListener = () => {}
    const start = discovery.start.bind(discovery)
    discovery.start = async () => {
      await start()
      discovery.mdns?.on('query', ({ questions }: { questions: ReadonlyArray<{ readonly name: string }> }) => {
        if (!questions.some(question => question.name === serviceName)) return
        const packet = announcement(name, components.addressManager.getAddresses().map(address => address.toString()))
        if (packet !== undefined) discovery.mdns?.respond(packet)
      })
    }
    return discovery
  }
}

/** The answer to a question for peers (libp2p specs, discovery/mdns.md); undefined when none of the addresses is reached from the local network. */
export function announcement (name: string, addresses: readonly string[]): Announcement | undefined {
  const texts = addresses.filter(address => /^\/ip[46]\/[^/]+\/tcp\/\d+\/p2p\/[^/]+$/.test(address)).map(address => `dnsaddr=${address}`).filter(text => text.length <= maxTextBytes)
  const [first] = texts
  if (first === undefined) return undefined
  const [, version, ip = ''] = /\/ip([46])\/([^/]+)/.exec(first) ?? []
  const instance = `${name}.${serviceName}`
  const host = `${name}.local`
  return {
    answers: [{ name: serviceName, type: 'PTR', ttl: lifeSeconds, data: instance }],
    additionals: [
      { name: instance, type: 'TXT', ttl: lifeSeconds, data: texts },
      { name: instance, type: 'SRV', ttl: lifeSeconds, data: { port: unusedPort, target: host } },
      { name: host, type: version === '4' ? 'A' : 'AAAA', ttl: lifeSeconds, data: ip },
    ],
  }
}
