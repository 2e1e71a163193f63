import { parseIpAddress } from '../../domain/ip-address.ts'
import { parseMultiaddress } from '../../domain/multiaddress.ts'
import { parsePeerId } from '../../domain/peer-id.ts'
import type { Multiaddress, PeerId } from '../../domain/peer.ts'

const tcp = /^\/(?:ip4|ip6|dns|dns4|dns6)\/[^/]+\/tcp\/\d+(?:\/(?:ws|wss|tls\/ws))?(?:\/p2p\/[^/]+)?$/

/** The listen addresses that are served. QUIC, of which the reference's default configuration has one, cannot carry a private network. */
export function servedAddresses (addresses: readonly Multiaddress[]): Multiaddress[] {
  return addresses.filter(address => tcp.test(address))
}

/** An address as libp2p writes it, in our form; undefined when it is of a kind that we do not know. */
export function readAddress (text: string): Multiaddress | undefined {
  try {
    return parseMultiaddress(text)
  } catch {
    return undefined
  }
}

/** The peer that is reached by dialling the address: its last `/p2p/` part, the one behind a relay. */
export function dialledPeer (address: Multiaddress): PeerId | undefined {
  const [, text] = /\/p2p\/([^/]+)$/.exec(address) ?? []
  if (text === undefined) return undefined
  try {
    return parsePeerId(text)
  } catch {
    return undefined
  }
}

/** True for an address of this machine alone. */
export function isLoopback (address: Multiaddress): boolean {
  return /^\/(?:ip4\/127\.|ip6\/(?:0*:)*0*1\/|dns4?6?\/localhost\/)/.test(address)
}

export function usesWebSockets (address: Multiaddress): boolean {
  return /\/wss?(?:\/|$)/.test(address)
}

interface Network { readonly bytes: Uint8Array, readonly bits: number }

/**
 * Tells which addresses others may hear of. An entry of `hidden` is one address, or a network
 * such as `/ip4/10.0.0.0/ipcidr/8` (spec/components.md 9).
 */
export function announceFilter (hidden: readonly Multiaddress[]): (address: string) => boolean {
  const exact = new Set<string>()
  const networks: Network[] = []
  for (const entry of hidden) {
    const network = readNetwork(entry)
    if (network === undefined) exact.add(entry)
    else networks.push(network)
  }
  return address => {
    const plain = readAddress(address.replace(/\/p2p\/[^/]+$/, ''))
    if (plain === undefined) return true
    if (exact.has(plain)) return false
    const [, host = ''] = /^\/ip[46]\/([^/]+)/.exec(plain) ?? []
    const bytes = parseIpAddress(host)
    return bytes === undefined || !networks.some(network => contains(network, bytes))
  }
}

function readNetwork (entry: Multiaddress): Network | undefined {
  const [, version, host = '', bits] = /^\/ip([46])\/([^/]+)\/ipcidr\/(\d+)$/.exec(entry) ?? []
  const bytes = parseIpAddress(host)
  // Version 4 is held as `::ffff:a.b.c.d`.
  return bytes === undefined ? undefined : { bytes, bits: Number(bits) + (version === '4' ? 96 : 0) }
}

function contains ({ bytes, bits }: Network, address: Uint8Array): boolean {
  for (let bit = 0; bit < bits; bit += 8) {
    const mask = 0xff & (0xff00 >> Math.min(8, bits - bit))
    const at = bit / 8
    if (((bytes[at] as number) ^ (address[at] as number)) & mask) return false
  }
  return true
}

/** True for an address that is reached through a relay. */
export function isRelayed (address: string): boolean {
  return address.includes('/p2p-circuit')
}

/** What is not reached from everywhere (RFC 6890, as far as it concerns peers). */
const isOutsideOfReserved = announceFilter([
  '/ip4/0.0.0.0/ipcidr/8', '/ip4/10.0.0.0/ipcidr/8', '/ip4/100.64.0.0/ipcidr/10', '/ip4/127.0.0.0/ipcidr/8', '/ip4/169.254.0.0/ipcidr/16',
  '/ip4/172.16.0.0/ipcidr/12', '/ip4/192.0.0.0/ipcidr/24', '/ip4/192.0.2.0/ipcidr/24', '/ip4/192.88.99.0/ipcidr/24', '/ip4/192.168.0.0/ipcidr/16',
  '/ip4/198.18.0.0/ipcidr/15', '/ip4/198.51.100.0/ipcidr/24', '/ip4/203.0.113.0/ipcidr/24', '/ip4/224.0.0.0/ipcidr/3', '/ip6/2001:db8::/ipcidr/32',
] as Multiaddress[])

/** True for an IP address of the Internet; for one behind a relay, its relay's counts. */
export function isOfInternet (address: string): boolean {
  return /^\/ip4\/|^\/ip6\/[23][0-9a-f]{3}:/.test(address) && isOutsideOfReserved(address.replace(/\/p2p.*$/, ''))
}

/**
 * Sorts addresses in the order in which they are dialled. libp2p takes an address behind a relay for
 * one of the relay's network, and would use the relay between two peers of one local network.
 */
export function byDialOrder (a: string, b: string): -1 | 0 | 1 {
  return Math.sign(dialRank(a) - dialRank(b)) as -1 | 0 | 1
}

function dialRank (address: string): number {
  if (isRelayed(address)) return 3
  if (isLoopback(address as Multiaddress)) return 2
  return isOfInternet(address) ? 0 : 1
}
