import type { PeerDiscovery, PeerInfo } from '@libp2p/interface'
import type { MulticastDNSComponents } from '@libp2p/mdns'

/** Under this name the peers of all clusters of a local network announce themselves; the secret keeps them apart (spec/components.md 1.1). */
const serviceTag = '_ipfs-cluster-discovery._udp.local'

/** Looks for peers on the local network, and answers those who look. */
export async function localPeers (intervalMs: number, onFound: (peer: PeerInfo) => void): Promise<(components: MulticastDNSComponents) => PeerDiscovery> {
  const { mdns } = await import('@libp2p/mdns')
  return components => {
    const discovery = mdns({ serviceTag, interval: intervalMs })(components)
    discovery.addEventListener('peer', ({ detail }) => { onFound(detail) })
    return discovery
  }
}
