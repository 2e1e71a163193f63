import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryStore } from '../../platform/memory-store.ts'
import type { Store, StoreOperation } from '../../platform/store.ts'
import { virtualClock } from '../../platform/virtual-clock.ts'
import { BarePeer } from './bare-peer.fixture.ts'
import { CrdtPeers, namesOf, pinOf, type CrdtPeer } from './crdt-peers.fixture.ts'
import { historyProtocol } from './history.ts'
import { keyOfPin } from './pin-values.ts'
import { markReplicaDirty } from './replica-state.ts'

const minute = 60_000
const hour = 60 * minute

test('a peer that has stopped leaves no timer behind, whatever it was waiting for', async () => {
  const peers = new CrdtPeers(virtualClock())
  const store = memoryStore()
  const options = { store, exchange: { repairIntervalMs: hour }, batching: { maxSize: 100, maxAgeMs: hour } }
  const [a, b] = [await peers.start(0, options), await peers.start(1)]
  const other = await BarePeer.start(peers, 2)
  const below = other.node(1, [], [pinOf(1)])
  other.blocks.delete(below.cid.toString())
  await other.tell([other.node(2, [below], [pinOf(2)]).cid, other.node(1, [], [pinOf(3)]).cid])
  // It has looked over its set, is asked to once more, follows changes, and is asked for history.
  for (let times = 0; times < 2; times++) {
    a.consensus.repairSoon()
    await peers.clock.advance(minute)
  }
  a.consensus.changes().acknowledge(1)
  await b.network.open(a.id, historyProtocol, {})
  await peers.done(a.consensus.logPin(pinOf(4)))
  await peers.done(b.consensus.logPin(pinOf(5)))
  await BarePeer.start(peers, 3)
  await peers.clock.advance(1)
  await peers.stop()
  assert.equal(peers.clock.nextAt(), undefined)
  const again = await peers.start(0, { store })
  await peers.clock.advance(1)
  assert.deepEqual((await namesOf(again)).toSorted(), ['pin 3', 'pin 4', 'pin 5'])
  await peers.stop()
  assert.equal(peers.clock.nextAt(), undefined)
})

test('what waits for its delta is told to the others before a stop', async () => {
  const peers = new CrdtPeers(virtualClock())
  const [a, b] = [await peers.start(0, { batching: { maxSize: 100, maxAgeMs: hour } }), await peers.start(1)]
  await peers.clock.advance(minute)
  await peers.done(a.consensus.logPin(pinOf(1)))
  await peers.clock.advance(minute)
  assert.deepEqual(await namesOf(b), [])
  await peers.done(a.stop())
  await peers.clock.advance(1_000)
  assert.deepEqual(await namesOf(b), ['pin 1'])
  await peers.stop()
})

test('what is on its way into the journal is told to the others before a stop too', async () => {
  const peers = new CrdtPeers(virtualClock())
  const memory = memoryStore()
  const { promise: gate, resolve: open } = Promise.withResolvers<void>()
  const store: Store = {
    ...memory,
    batch: async (operations, options) => {
      if (operations.some(({ type, key }) => type === 'put' && key.startsWith('/flotilla/journal/'))) await gate
      await memory.batch(operations, options)
    },
  }
  const [a, b] = [await peers.start(0, { store }), await peers.start(1)]
  await peers.clock.advance(minute)
  const logged = a.consensus.logPin(pinOf(1))
  await peers.clock.advance(10)
  const stopped = a.stop()
  await peers.clock.advance(10)
  open()
  await peers.done(Promise.all([logged, stopped]))
  await peers.clock.advance(1_000)
  assert.deepEqual(await namesOf(b), ['pin 1'])
  await peers.stop()
})

interface Work {
  readonly what: string
  /** Of its last batch. */
  readonly is: (operation: StoreOperation) => boolean
  /** Before the start. */
  readonly prepare?: (store: Store) => Promise<void>
  readonly begin?: (peer: CrdtPeer, other: BarePeer) => void
  /** The first attempt does. */
  readonly fails?: boolean
}

const isDelta = ({ type, key }: StoreOperation): boolean => type === 'del' && key.startsWith('/flotilla/journal/')
const pins = (peer: CrdtPeer): void => { void peer.consensus.logPin(pinOf(1)) }

const works: readonly Work[] = [
  { what: 'a delta', is: isDelta, begin: pins },
  { what: 'a second attempt of a delta', is: isDelta, begin: pins, fails: true },
  { what: 'a merge', is: ({ key }) => key.startsWith('/flotilla/walk/'), begin: (_, other) => { void other.tell([other.node(1, [], [pinOf(1)]).cid]) } },
  { what: 'a look at strays', is: ({ key }) => key.startsWith('/flotilla/suspects/'), prepare: store => store.batch([{ type: 'put', key: `/flotilla/suspects${keyOfPin(pinOf(1))}`, value: new Uint8Array(0) }], { sync: true }) },
  { what: 'a repair', is: ({ type, key }) => type === 'del' && key === '/c/d', prepare: store => markReplicaDirty(store, '/c') },
]

for (const { what, is, prepare, begin, fails = false } of works) {
  test(`a stop waits for ${what} that is being written, and then nobody uses the store any more`, async () => {
    const peers = new CrdtPeers(virtualClock())
    const memory = memoryStore()
    await prepare?.(memory)
    const events: string[] = []
    let mayFail = fails
    const { promise: written, resolve: write } = Promise.withResolvers<void>()
    const store: Store = {
      ...memory,
      batch: async (operations, options) => {
        if (operations.some(is)) {
          if (mayFail) {
            mayFail = false
            throw new Error('the disk failed')
          }
          events.push('begun')
          await written
          events.push('written')
        }
        assert.ok(!events.includes('closed'))
        await memory.batch(operations, options)
      },
      close: async () => { events.push('closed') },
    }
    const other = await BarePeer.start(peers, 1)
    const peer = await peers.start(0, { store })
    begin?.(peer, other)
    for (let waited = 0; waited < 20_000 && events.length === 0; waited += 10) await peers.clock.advance(10)
    assert.deepEqual(events, ['begun'])
    const stopped = peer.consensus.stop()
    await peers.clock.advance(minute)
    assert.deepEqual(events, ['begun'])
    write()
    await peers.done(stopped)
    assert.deepEqual(events, ['begun', 'written', 'closed'])
    await BarePeer.start(peers, 2)
    await peers.clock.settle()
    assert.equal(peers.clock.nextAt(), undefined, 'nor does it follow who comes')
    await peers.stop()
  })
}
