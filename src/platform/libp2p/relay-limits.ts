import type { Connection, PeerId, Stream } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { OutsideComponents } from './outside-components.ts'

/** As the reference: slots, and how long one is kept. Each relayed connection ends after 2 minutes or 128 KiB. */
export const relayLimits = { maxReservations: 128, reservationTtl: 60 * 60_000 }
/** As the reference: slots of peers behind one address, and relayed connections from or to one peer at a time. */
const maxReservationsPerHost = 8
const maxCircuitsPerPeer = 16

interface Reservation { readonly addr: Multiaddr, readonly signal: { clear (): void } }
interface Answer { readonly status: string, readonly expire?: number }

/** What libp2p's relay keeps slots in. */
export interface Slots {
  readonly reservations: { get (peer: PeerId): Reservation | undefined, entries (): Iterable<[PeerId, Reservation]> }
  reserve (peer: PeerId, address: Multiaddr): Answer
  removeReservation (peer: PeerId): void
}

/** How it opens the second half of a relayed connection; undefined when the peer behind the relay does not take it. */
export interface CircuitOpener {
  stopHop (circuit: { readonly connection: Connection, readonly request: { readonly peer?: { readonly id: Uint8Array } } }, options: object): Promise<Stream | undefined>
}

/** Limits of the reference that libp2p's relay does not have: of one address it has so many peers, of one peer so many connections. And a slot ends with the connection of its peer. */
export function limitRelay (server: CircuitOpener & { readonly reservationStore: Slots }, events: OutsideComponents['events']): void {
  limitSlots(server.reservationStore, events)
  limitCircuits(server)
}

function limitSlots (slots: Slots, events: OutsideComponents['events']): void {
  const reserve = slots.reserve.bind(slots)
  slots.reserve = (peer, address) => {
    const host = hostOf(address)
    const others = [...slots.reservations.entries()].filter(([other, { addr }]) => !other.equals(peer) && hostOf(addr) === host)
    return others.length >= maxReservationsPerHost ? { status: 'RESERVATION_REFUSED' } : reserve(peer, address)
  }
  events.addEventListener('peer:disconnect', ({ detail: peer }: CustomEvent<PeerId>) => {
    // Its end would also take a slot that the peer gets when it comes back.
    slots.reservations.get(peer)?.signal.clear()
    slots.removeReservation(peer)
  })
}

function limitCircuits (server: CircuitOpener): void {
  const open = server.stopHop.bind(server)
  const counts = new Map<string, number>()
  const count = (peers: readonly string[], change: 1 | -1): void => {
    for (const peer of peers) {
      const left = (counts.get(peer) ?? 0) + change
      if (left > 0) counts.set(peer, left)
      else counts.delete(peer)
    }
  }
  server.stopHop = async (circuit, options) => {
    const peers = [Buffer.from(circuit.request.peer?.id ?? []).toString('latin1'), Buffer.from(circuit.connection.remotePeer.toMultihash().bytes).toString('latin1')]
    if (peers.some(peer => (counts.get(peer) ?? 0) >= maxCircuitsPerPeer)) return undefined
    count(peers, 1)
    let stream: Stream | undefined
    try {
      stream = await open(circuit, options)
      return stream
    } finally {
      if (stream?.status === 'open') stream.addEventListener('close', () => { count(peers, -1) })
      else count(peers, -1)
    }
  }
}

/** Where the peer is, whatever its port. */
function hostOf (address: Multiaddr): string { return address.toString().split('/').slice(0, 3).join('/') }
