import assert from 'node:assert/strict'
import { test } from 'node:test'
import { circuitRelayServer } from '@libp2p/circuit-relay-v2'
import type { PeerId, Stream } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr'
import { testIdentity } from './network.fixture.ts'
import { limitRelay, relayLimits, type CircuitOpener, type Slots } from './relay-limits.ts'
import { silentLibp2pLogger } from './silent-libp2p-logger.ts'

const somePeer = async (): Promise<PeerId> => peerIdFromString((await testIdentity()).id)
const at = (host: string, port: number): Multiaddr => multiaddr(`/ip4/${host}/tcp/${port}`)

/** libp2p's relay with the limits. */
function relay (): { readonly slots: Slots, readonly disconnect: (peer: PeerId) => void } {
  const server = circuitRelayServer({ reservations: relayLimits })({ logger: silentLibp2pLogger } as never) as unknown as CircuitOpener & { readonly reservationStore: Slots }
  const events = new EventTarget()
  limitRelay(server, events as never)
  return { slots: server.reservationStore, disconnect: peer => { events.dispatchEvent(new CustomEvent('peer:disconnect', { detail: peer })) } }
}

test('a relay has eight slots for the peers behind one address, and renews those that are taken', async () => {
  const { slots } = relay()
  const peers = await Promise.all(Array.from({ length: 9 }, somePeer))
  const taken = (): string[] => peers.map((peer, port) => slots.reserve(peer, at('10.0.0.1', port)).status)
  const expected = [...Array.from({ length: 8 }, () => 'OK'), 'RESERVATION_REFUSED']
  assert.deepEqual(taken(), expected)
  assert.deepEqual(taken(), expected)
  assert.equal(slots.reserve(peers[8] as PeerId, at('10.0.0.2', 1)).status, 'OK')
})

test('a slot ends with the connection of its peer, and makes room', async () => {
  const { slots, disconnect } = relay()
  const [first, ...others] = await Promise.all(Array.from({ length: 129 }, somePeer)) as [PeerId, ...PeerId[]]
  const reserve = (peer: PeerId, i: number): string => slots.reserve(peer, at(`10.0.0.${i}`, 1)).status
  assert.ok(others.every((peer, i) => reserve(peer, i) === 'OK'))
  assert.equal(reserve(first, 200), 'RESERVATION_REFUSED')
  disconnect(others[5] as PeerId)
  disconnect(first)
  assert.equal(reserve(first, 200), 'OK')
  assert.equal(reserve(others[5] as PeerId, 5), 'RESERVATION_REFUSED')
})

test('a relay connects sixteen times from or to one peer, and again when one has ended', async () => {
  const streams: EventTarget[] = []
  let isTaken = true
  const server: CircuitOpener = {
    async stopHop () {
      const stream = Object.assign(new EventTarget(), { status: 'open' })
      streams.push(stream)
      return isTaken ? stream as unknown as Stream : undefined
    },
  }
  limitRelay(Object.assign(server, { reservationStore: relay().slots }), new EventTarget() as never)
  const connect = async (from: PeerId, to: PeerId): Promise<boolean> => await server.stopHop({ connection: { remotePeer: to } as never, request: { peer: { id: from.toMultihash().bytes } } }, {}) !== undefined
  const [busy, ...peers] = await Promise.all(Array.from({ length: 18 }, somePeer)) as [PeerId, ...PeerId[]]
  isTaken = false
  for (let i = 0; i < 20; i++) assert.equal(await connect(busy, peers[0] as PeerId), false)
  isTaken = true
  for (let i = 0; i < 16; i++) assert.equal(i % 2 === 0 ? await connect(busy, peers[i] as PeerId) : await connect(peers[i] as PeerId, busy), true)
  const opened = streams.length
  assert.deepEqual([await connect(busy, peers[16] as PeerId), await connect(peers[16] as PeerId, busy)], [false, false])
  assert.equal(streams.length, opened)
  assert.equal(await connect(peers[15] as PeerId, peers[16] as PeerId), true)
  streams[20]?.dispatchEvent(new Event('close'))
  assert.deepEqual([await connect(busy, peers[16] as PeerId), await connect(busy, peers[16] as PeerId)], [true, false])
})
