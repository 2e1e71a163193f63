import type { Metric } from '../domain/metric.ts'
import type { IpfsId, Multiaddress, PeerId, PeerInformation } from '../domain/peer.ts'
import type { PeerPinStatus } from '../domain/status.ts'
import { parseMultiaddress } from '../domain/multiaddress.ts'
import { parsePeerId } from '../domain/peer-id.ts'
import type { PeerMonitor } from '../monitor/monitor.ts'

/** Addresses taken from one ping: more would be an attack on the memory of every status. */
const maxAddresses = 64
/** A peer that answers is taken for alive for so long at least, in milliseconds, however short the pings of this one live: others may ping less often. */
const leastPresenceMs = 30_000
/** Characters of a name that are kept: another peer may have chosen it. */
const maxNameLength = 1_024

/** Longest time for which a peer may let the others wait for its moves, in milliseconds. */
const longestRepinDelayMs = 24 * 3_600_000

/**
 * The value of the `ping` metric (spec/components.md 1.2): only public IPFS addresses are told. A peer that
 * repins later than is usual says when: the Go program skips that.
 */
export function pingMetric (self: PeerId, peername: string, ipfs: IpfsId, now: number, pingIntervalMs: number, repinDelayMs = 0): Metric {
  const addresses = (ipfs.addresses ?? []).filter(isPublic).slice(0, maxAddresses)
  const value = JSON.stringify({
    peer_name: peername.slice(0, maxNameLength),
    ...(ipfs.id !== undefined && { ipfs_id: ipfs.id }),
    ...(addresses.length > 0 && { ipfs_addresses: addresses }),
    ...(repinDelayMs > 0 && { flotilla_repin_delay_ms: repinDelayMs }),
  })
  return { name: 'ping', peer: self, value, expire: now + 2 * pingIntervalMs, valid: true, weight: 0, partitionable: false, receivedAt: 0 }
}

/** What a ping says of its sender; empty where it cannot be read. */
export function readPing (metric: Metric | undefined): Pick<PeerPinStatus, 'peername' | 'ipfsPeerId' | 'ipfsPeerAddresses'> {
  const unknown = { peername: '', ipfsPeerId: undefined, ipfsPeerAddresses: null }
  if (metric === undefined || metric.value === '') return unknown
  try {
    const value = JSON.parse(metric.value) as { peer_name?: unknown, ipfs_id?: unknown, ipfs_addresses?: unknown }
    const addresses = Array.isArray(value.ipfs_addresses) ? value.ipfs_addresses.slice(0, maxAddresses) : []
    return {
      peername: typeof value.peer_name === 'string' ? value.peer_name.slice(0, maxNameLength) : '',
      ipfsPeerId: typeof value.ipfs_id === 'string' ? parsePeerId(value.ipfs_id) : undefined,
      ipfsPeerAddresses: addresses.length === 0 ? null : addresses.map(address => parseMultiaddress(String(address))),
    }
  } catch {
    return unknown
  }
}

/** How long another peer must be silent until all are to see what the sender has moved, in milliseconds; 0 where it tells nothing. */
export function readRepinDelay (metric: Metric | undefined): number {
  try {
    const { flotilla_repin_delay_ms: delayMs } = JSON.parse(metric?.value ?? '') as { flotilla_repin_delay_ms?: unknown }
    return typeof delayMs === 'number' && delayMs > 0 ? Math.min(delayMs, longestRepinDelayMs) : 0
  } catch {
    return 0
  }
}

/** False for addresses that mean something on their own machine or site only. */
export function isPublic (address: Multiaddress): boolean {
  const [, family, host = ''] = address.split('/')
  if (family === 'ip4') {
    const [a = 0, b = 0] = host.split('.').map(Number)
    return !(a === 127 || a === 10 || a === 0 || (a === 172 && b >= 16 && b < 32) || (a === 192 && b === 168) || (a === 169 && b === 254) || (a === 100 && b >= 64 && b < 128) || a >= 224)
  }
  if (family === 'ip6') return !/^(::1?$|f[cd]|fe[89ab]|ff)/i.test(host)
  return family !== undefined && family.startsWith('dns') && !/(^|\.)(localhost|local)$/i.test(host)
}

/** Takes a peer for there that has not told anything of itself yet; one of which more is known stays known. */
export function recordPresence (monitor: Pick<PeerMonitor, 'latest' | 'record'>, peer: PeerId, now: number, pingIntervalMs: number): void {
  if (monitor.latest('ping').some(ping => ping.peer === peer)) return
  monitor.record({ name: 'ping', peer, value: '', expire: now + presenceMs(pingIntervalMs), valid: true, weight: 0, partitionable: false, receivedAt: 0 })
}

/** Takes a peer for there that has just said who it is, unless a ping of its own counts. */
export function recordAnswer (monitor: Pick<PeerMonitor, 'hears' | 'hasTold' | 'record'>, { id, peername, ipfs }: Pick<PeerInformation, 'id' | 'peername' | 'ipfs'>, now: number, pingIntervalMs: number): void {
  if (monitor.hears('ping', id) && monitor.hasTold('ping', id)) return
  monitor.record({ ...pingMetric(id, peername, ipfs, now, pingIntervalMs), expire: now + presenceMs(pingIntervalMs) })
}

function presenceMs (pingIntervalMs: number): number { return Math.max(leastPresenceMs, 2 * pingIntervalMs) }
