import { isIP } from 'node:net'
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr'
import type { IsOfInternet } from './outside-components.ts'

type Protocol = 'tcp' | 'udp'
interface Outside { readonly ip: string, readonly port: number }

/** What libp2p's part for port mapping tells what a router has mapped. */
export interface Mappings {
  addPublicAddressMapping (internalIp: string, internalPort: number, externalIp: string, externalPort?: number, protocol?: Protocol): void
  removePublicAddressMapping (internalIp: string, internalPort: number, externalIp: string, externalPort?: number, protocol?: Protocol): void
  confirmObservedAddr (address: Multiaddr, options: { readonly ttl: number }): void
}

/** A mapping stands until the router says something else. */
const hundredYearsMs = 100 * 365 * 24 * 3_600_000

/**
 * Announces what a router has mapped also when its public address changes, as lines at home do each
 * day. libp2p then forgets the first address and announces no other. A router without a line says
 * that its address is 0.0.0.0 or the like: that is not announced.
 */
export function followMappings<Manager extends Mappings> (manager: Manager, isOfInternet: IsOfInternet): Manager {
  const mapped = new Map<string, Outside>()
  const following: Mappings = Object.create(manager) as Manager
  following.addPublicAddressMapping = (internalIp, internalPort, externalIp, externalPort = internalPort, protocol = 'tcp') => {
    const version = isIP(externalIp)
    // Anybody in the local network can pass for a router. An address that cannot be written would be the end of all others.
    if (version === 0 || !Number.isInteger(externalPort) || externalPort < 1 || externalPort > 65_535) return
    const key = `${internalIp} ${internalPort} ${protocol}`
    const before = mapped.get(key)
    // libp2p takes away the first one each time.
    if (before !== undefined) manager.removePublicAddressMapping(internalIp, internalPort, before.ip, before.port, protocol)
    mapped.set(key, { ip: externalIp, port: externalPort })
    manager.addPublicAddressMapping(internalIp, internalPort, externalIp, externalPort, protocol)
    const address = `/ip${version}/${externalIp}/${protocol}/${externalPort}`
    if (isOfInternet(address)) manager.confirmObservedAddr(multiaddr(address), { ttl: hundredYearsMs })
  }
  return following as Manager
}
