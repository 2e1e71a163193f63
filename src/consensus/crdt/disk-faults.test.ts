import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { PinMessage } from '../../codec/messages.ts'
import { cidFromBytes, type Cid } from '../../domain/cid.ts'
import type { PeerId } from '../../domain/peer.ts'
import { defaultPinOptions, pinWithOptions, type Pin } from '../../domain/pin.ts'
import type { Platform } from '../../platform/lifecycle.ts'
import { silentLoggers } from '../../platform/logger.ts'
import { memoryStore } from '../../platform/memory-store.ts'
import { noMetrics } from '../../platform/metrics.ts'
import { systemRandom } from '../../platform/random.ts'
import type { Store, StoreOperation } from '../../platform/store.ts'
import { virtualClock, type VirtualClock } from '../../platform/virtual-clock.ts'
import { CrdtConsensus } from './crdt-consensus.ts'
import { FaultyStore, type Fate } from './faulty-store.fixture.ts'

const self = '12D3KooWGRUVh6gLyjqFQgVNVFNP2xhYDxtTGGaDH2tW6cAkYvNp' as PeerId
const cids = Array.from({ length: 4 }, (_, n) => cidFromBytes(Buffer.concat([Buffer.from([1, 0x55, 0x12, 0x20]), Buffer.alloc(32, n)])))

async function started (store: Store, clock: VirtualClock): Promise<CrdtConsensus> {
  const platform: Platform = { clock, random: systemRandom, loggers: silentLoggers, metrics: noMetrics }
  const consensus = new CrdtConsensus({ self, store, codec: PinMessage, datastoreNamespace: '/c', trustedPeers: ['*'], batching: { maxSize: 0, maxAgeMs: 0 }, members: () => [], platform })
  await consensus.start()
  return consensus
}

function pinOf (n: number, name: string, isAllocated: boolean): Pin {
  const factor = isAllocated ? 1 : -1
  return { ...pinWithOptions(cids[n] as Cid, { ...defaultPinOptions, name, replicationFactorMin: factor, replicationFactorMax: factor }, 1_700_000_000_000), allocations: isAllocated ? [self] : [] }
}

/** Names by CID: what is in the pinset, and what a reader of the changes believes. */
type Names = Map<Cid, string>

async function listed (consensus: CrdtConsensus): Promise<Names> {
  return new Map((await Array.fromAsync(consensus.pinset().list({}))).flat().map(pin => [pin.cid, pin.name]))
}

async function follow (consensus: CrdtConsensus, names: Names, signal: AbortSignal): Promise<void> {
  for await (const changes of consensus.changes().read({ signal })) {
    for (const { cid, pin } of changes) {
      if (pin === undefined) names.delete(cid)
      else names.set(cid, pin.name)
    }
    consensus.changes().acknowledge(changes.at(-1)?.sequence ?? 0)
  }
}

const sorted = (names: Names): Array<[Cid, string]> => [...names].toSorted()

const step = fc.record({
  cid: fc.nat(cids.length - 1),
  action: fc.constantFrom<'pin' | 'pin here' | 'unpin'>('pin', 'pin here', 'unpin'),
  faults: fc.array(fc.option(fc.constantFrom<Fate>('nothing', 'all', 'nothing since the last sync'), { freq: 2, nil: undefined }), { maxLength: 3 }),
  isFull: fc.boolean(),
  thenMs: fc.constantFrom(0, 0, 60, 400),
})

test('whatever a failing disk keeps of the last batch, nothing acknowledged is lost or comes back', () => fc.assert(fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async steps => {
  const clock = virtualClock()
  const store = new FaultyStore()
  const consensus = await started(store, clock)
  const followed: Names = new Map()
  const stop = new AbortController()
  const following = follow(consensus, followed, stop.signal)
  const known = new Map(cids.map(cid => [cid, [undefined] as Array<string | undefined>]))
  for (const [i, { cid: n, action, faults, isFull, thenMs }] of steps.entries()) {
    const cid = cids[n] as Cid
    const name = action === 'unpin' ? undefined : `pin ${i}`
    store.faults = [...faults]
    store.isFull = isFull
    const pin = pinOf(n, name ?? '', action === 'pin here')
    const answer = (name === undefined ? consensus.logUnpin(pin) : consensus.logPin(pin)).then(() => true, () => false)
    await clock.settle()
    if (await answer) known.set(cid, [name])
    else known.get(cid)?.push(name)
    await clock.advance(thenMs)
  }
  store.faults = []
  store.isFull = false
  await clock.advance(60_000)

  const check = async (when: string, consensus: CrdtConsensus): Promise<void> => {
    const names = await listed(consensus)
    for (const [cid, possible] of known) assert.ok(possible.includes(names.get(cid)), `${when}: ${cid} is ${names.get(cid)}, not ${possible.join(' or ')}`)
    assert.equal(consensus.pinset().count(), names.size, `${when}: the count`)
    const pins = (await Array.fromAsync(consensus.pinset().list({}))).flat()
    assert.deepEqual((await Array.fromAsync(consensus.pinset().allocatedTo(self, {}))).flat(), pins.filter(pin => pin.allocations?.includes(self)).map(pin => pin.cid), `${when}: the index`)
  }
  assert.equal(consensus.pinset().pendingCount(), 0)
  await check('when the disk has recovered', consensus)
  assert.deepEqual(sorted(followed), sorted(await listed(consensus)), 'who follows the changes knows what is pinned')

  const again = await started(store, clock)
  await clock.advance(60_000)
  await check('after a restart', again)
  stop.abort()
  await following
}), { numRuns: 300 }))

test('a stop does not wait for a disk that has become full', async () => {
  const clock = virtualClock()
  const store = new FaultyStore()
  const consensus = await started(store, clock)
  const logged = consensus.logPin(pinOf(0, 'kept', false))
  store.faults = [undefined, 'nothing']
  await clock.settle()
  await logged
  store.isFull = true
  const stopped = consensus.stop()
  await clock.advance(0)
  await stopped
  store.isFull = false
  const again = await started(store, clock)
  assert.deepEqual([...(await listed(again)).values()], ['kept'])
})

test('an entry of an earlier run that comes back when a delta is undone is older than all of this run', async () => {
  const clock = virtualClock()
  const store = new FaultyStore()
  const log = async (consensus: CrdtConsensus, name: string): Promise<boolean> => {
    const logged = consensus.logPin(pinOf(0, name, false)).then(() => true, () => false)
    await clock.advance(200)
    return logged
  }
  const restart = async (consensus: CrdtConsensus): Promise<CrdtConsensus> => {
    const stopped = consensus.stop()
    await clock.advance(0)
    await stopped
    return started(store, clock)
  }
  const first = await started(store, clock)
  await log(first, 'one')
  await log(first, 'two')
  const second = await restart(first)
  store.faults = ['nothing since the last sync']
  assert.equal(await log(second, 'refused'), false)
  assert.equal(await log(second, 'three'), true)
  await clock.advance(60_000)
  const third = await restart(second)
  await clock.advance(60_000)
  assert.deepEqual([...(await listed(third)).values()], ['three'])
  await third.stop()
})

/** The same store for a process that is killed before any of its deltas is written; what is `answered` is that a batch is. */
function beforeDeltas (store: FaultyStore, answered: (operations: readonly StoreOperation[], written: Promise<void>) => Promise<void> = (_, written) => written): Store {
  return store.withBatch((operations, options) => operations.some(({ key }) => key.startsWith('/c/h/')) ? new Promise(() => {}) : answered(operations, store.batch(operations, options)))
}

test('what a killed process wrote and did not sync is on disk before anybody acts on it', async () => {
  const clock = virtualClock()
  const store = new FaultyStore()
  const killed = await started(beforeDeltas(store), clock)
  const logged = killed.logPin(pinOf(0, 'one', false))
  await clock.settle()
  await logged
  store.loseSyncs()
  const again = await started(store, clock)
  // Its delta.
  store.faults = ['nothing since the last sync']
  await clock.advance(60_000)
  assert.deepEqual([store.faults, again.pinset().pendingCount(), [...(await listed(again)).values()]], [[], 0, ['one']])
  await again.stop()
})

test('a change that was refused is not made by a later start, though the disk kept it', async () => {
  for (const action of ['pin', 'unpin'] as const) {
    const clock = virtualClock()
    const store = new FaultyStore()
    const consensus = await started(store, clock)
    const logged = consensus.logPin(pinOf(0, 'one', false))
    await clock.advance(1_000)
    await logged
    store.faults = ['all']
    const refused = action === 'pin' ? consensus.logPin(pinOf(1, 'refused', false)) : consensus.logUnpin(pinOf(0, 'one', false))
    await Promise.all([assert.rejects(refused), clock.settle()])
    // Whoever writes next makes the store open itself anew.
    await store.batch([], { sync: false })
    await clock.advance(60_000)
    const again = await started(store, clock)
    await clock.advance(60_000)
    assert.deepEqual([...(await listed(again)).values()], ['one'], action)
    await again.stop()
  }
})

test('a change that was refused is not made by a later start, though another one was being refused when it was to be taken off the disk', async () => {
  const clock = virtualClock()
  const store = new FaultyStore()
  const { promise: gate, resolve: open } = Promise.withResolvers<void>()
  let isSlow = false
  const slow = beforeDeltas(store, async (operations, written) => {
    if (isSlow && operations.some(({ type, key }) => type === 'put' && key.startsWith('/flotilla/journal/'))) await written.catch(() => gate)
    return written
  })
  const consensus = await started(slow, clock)
  store.faults = ['all']
  await Promise.all([assert.rejects(consensus.logPin(pinOf(0, 'refused', false))), clock.settle()])
  isSlow = true
  // The store is opened anew for it, and so it is refused.
  const second = assert.rejects(consensus.logUnpin(pinOf(1, '', false)))
  await clock.advance(1_000)
  open()
  await Promise.all([second, clock.advance(1_000)])
  const again = await started(store, clock)
  await clock.advance(1_000)
  assert.deepEqual([...(await listed(again)).values()], [])
  await Promise.all([again.stop(), clock.advance(1_000)])
})

test('a change that was refused is not made by the start after a stop', async () => {
  const clock = virtualClock()
  const memory = memoryStore()
  let mayFail = true
  // What a failed fsync leaves: it was written, nobody knows how long it stays.
  const store: Store = {
    ...memory,
    batch: async (operations, options) => {
      await memory.batch(operations, options)
      if (!mayFail || !operations.some(({ key }) => key.startsWith('/flotilla/journal/'))) return
      mayFail = false
      throw new Error('fsync failed')
    },
  }
  const consensus = await started(store, clock)
  await Promise.all([assert.rejects(consensus.logPin(pinOf(0, 'refused', false))), clock.settle()])
  await Promise.all([consensus.stop(), clock.advance(1_000)])
  const again = await started(memory, clock)
  await clock.advance(1_000)
  assert.deepEqual([...(await listed(again)).values()], [])
  await Promise.all([again.stop(), clock.advance(1_000)])
})

test('a change takes the place of none that an earlier process has left, of whatever number', async () => {
  const clock = virtualClock()
  const store = new FaultyStore()
  for (const numbers of [[0, 1, 2], [3]]) {
    const killed = await started(beforeDeltas(store), clock)
    for (const n of numbers) await Promise.all([killed.logPin(pinOf(n, `pin ${n}`, false)), clock.settle()])
  }
  const again = await started(store, clock)
  await clock.advance(1_000)
  assert.deepEqual([...(await listed(again)).values()].toSorted(), ['pin 0', 'pin 1', 'pin 2', 'pin 3'])
  await Promise.all([again.stop(), clock.advance(1_000)])
})

test('what is being written while a refused change is taken off the disk stays there', async () => {
  const clock = virtualClock()
  const store = new FaultyStore()
  const { promise: gate, resolve: open } = Promise.withResolvers<void>()
  let isSlow = false
  const slow = beforeDeltas(store, async (operations, written) => {
    await written
    if (isSlow && operations.some(({ type, key }) => type === 'put' && key.startsWith('/flotilla/journal/'))) await gate
  })
  const consensus = await started(slow, clock)
  store.faults = ['all']
  await Promise.all([assert.rejects(consensus.logPin(pinOf(0, 'refused', false))), clock.settle()])
  isSlow = true
  const logged = consensus.logPin(pinOf(1, 'one', false))
  // The store is opened anew for it.
  await clock.advance(1_000)
  open()
  await Promise.all([logged, clock.settle()])
  const again = await started(store, clock)
  assert.deepEqual([...(await listed(again)).values()], ['one'])
  await Promise.all([again.stop(), clock.advance(1_000)])
})
