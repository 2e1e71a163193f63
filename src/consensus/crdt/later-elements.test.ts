import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryStore } from '../../platform/memory-store.ts'
import type { Store, StoreOperation } from '../../platform/store.ts'
import { virtualClock } from '../../platform/virtual-clock.ts'
import { CrdtPeers, namesOf, pinOf, type CrdtPeer } from './crdt-peers.fixture.ts'
import type { Intent } from './journal.ts'
import { LaterElements } from './later-elements.ts'
import { keyOfPin } from './pin-values.ts'

/** What the last change tells of the pin. */
async function lastTold ({ consensus }: CrdtPeer, peers: CrdtPeers): Promise<string | undefined> {
  const stop = new AbortController()
  const reading = Array.fromAsync(consensus.changes().read({ signal: stop.signal }))
  await peers.clock.advance(100)
  stop.abort()
  return (await peers.done(reading)).flat().findLast(({ cid }) => cid === pinOf(1).cid)?.pin?.name
}

for (const [pace, batching] of [['a burst', undefined], ['batches', { maxSize: 100, maxAgeMs: 10_000 }]] as const) {
  for (const isUnpinned of [false, true]) {
    test(`with ${pace}, who pins anew${isUnpinned ? ' what he has unpinned too' : ''} while an unpin elsewhere waits for its delta is not undone by it`, async () => {
      const peers = new CrdtPeers(virtualClock())
      const [a, b] = [await peers.start(0, { ...(batching && { batching }) }), await peers.start(1)]
      await peers.clock.advance(1_000)
      await peers.done(b.consensus.logPin(pinOf(1)))
      await peers.clock.advance(1_000)
      await peers.done(a.consensus.logPin(pinOf(2)))
      await peers.done(a.consensus.logUnpin(pinOf(1)))
      if (isUnpinned) await peers.done(b.consensus.logUnpin(pinOf(1)))
      await peers.done(b.consensus.logPin(pinOf(1, { name: 'again' })))
      await peers.clock.advance(20)
      assert.ok(!(await namesOf(a)).includes('again'), 'the unpin waits')
      await peers.clock.advance(20_000)
      for (const peer of [a, b]) assert.deepEqual((await namesOf(peer)).toSorted(), ['again', 'pin 2'])
      assert.equal(await lastTold(a, peers), 'again')
      assert.equal(a.consensus.digestReport(), b.consensus.digestReport())
      await peers.done(a.consensus.logUnpin(pinOf(1)))
      await peers.clock.advance(20_000)
      for (const peer of [a, b]) assert.deepEqual(await namesOf(peer), ['pin 2'])
      assert.equal(await lastTold(a, peers), undefined)
      await peers.stop()
    })
  }
}

test('a move of what was unpinned while that waits does not keep it', async () => {
  const peers = new CrdtPeers(virtualClock())
  const [a, b] = [await peers.start(0, { batching: { maxSize: 100, maxAgeMs: 10_000 } }), await peers.start(1)]
  await peers.clock.advance(1_000)
  await peers.done(b.consensus.logPin(pinOf(1)))
  await peers.clock.advance(1_000)
  await peers.done(a.consensus.logUnpin(pinOf(1)))
  const [found] = (await Array.fromAsync(b.consensus.pinset().list({}))).flat()
  await peers.done(b.consensus.logMove(found as NonNullable<typeof found>, pinOf(1, { name: 'moved' })))
  await peers.clock.advance(11_000)
  for (const peer of [a, b]) assert.deepEqual(await namesOf(peer), [])
  await peers.stop()
})

/** What a process that is killed now leaves on disk. */
async function leftOf (store: Store): Promise<Store> {
  const copy = memoryStore()
  for await (const entries of store.iterate({})) await copy.batch(entries.map(({ key, value }) => ({ type: 'put', key, value })), { sync: true })
  return copy
}

test('who pins anew elsewhere is not undone by an unpin that is made from the journal after a crash', async () => {
  const peers = new CrdtPeers(virtualClock())
  const [a, b] = [await peers.start(0, { batching: { maxSize: 100, maxAgeMs: 10_000 } }), await peers.start(1)]
  await peers.clock.advance(1_000)
  await peers.done(b.consensus.logPin(pinOf(1)))
  await peers.done(b.consensus.logPin(pinOf(2)))
  await peers.clock.advance(1_000)
  await peers.done(a.consensus.logUnpin(pinOf(1)))
  await peers.done(a.consensus.logUnpin(pinOf(2)))
  await peers.done(b.consensus.logPin(pinOf(1, { name: 'again' })))
  await peers.done(b.consensus.logPin(pinOf(2, { name: 'again 2' })))
  await peers.clock.advance(1_000)
  // This user unpins once more, and could know of the pin.
  await peers.done(a.consensus.logUnpin(pinOf(2)))
  const left = await leftOf(a.store)
  await peers.stop()

  const later = new CrdtPeers(virtualClock())
  const again = await later.start(0, { store: left })
  await later.clock.advance(20_000)
  assert.deepEqual(await namesOf(again), ['again'])
  assert.deepEqual(await Array.fromAsync(left.iterate({ gte: '/flotilla/later', lt: '/flotilla/later0' })), [], 'the notes are gone with the unpins')
  await later.stop()
})

test('who unpins once more, after somebody has pinned anew behind an unpin that waits, unpins that too', async () => {
  const peers = new CrdtPeers(virtualClock())
  const [a, b] = [await peers.start(0, { batching: { maxSize: 100, maxAgeMs: 10_000 } }), await peers.start(1)]
  await peers.clock.advance(1_000)
  await peers.done(b.consensus.logPin(pinOf(1)))
  await peers.clock.advance(1_000)
  await peers.done(a.consensus.logUnpin(pinOf(1)))
  await peers.done(b.consensus.logPin(pinOf(1, { name: 'again' })))
  await peers.clock.advance(1_000)
  await peers.done(a.consensus.logUnpin(pinOf(1)))
  await peers.clock.advance(20_000)
  for (const peer of [a, b]) assert.deepEqual(await namesOf(peer), [])
  await peers.stop()
})

/** A store that writes no delta of its peer while it must not. */
function storeWithoutDeltas (): { readonly store: Store, mayWrite: (deltas: number) => void } {
  const memory = memoryStore()
  let left = Infinity
  const isDelta = (operations: readonly StoreOperation[]): boolean => operations.some(({ type, key }) => type === 'del' && key.startsWith('/flotilla/journal/'))
  const batch: Store['batch'] = async (operations, options) => {
    if (isDelta(operations) && left-- <= 0) throw new Error('no delta now')
    await memory.batch(operations, options)
  }
  return { store: { ...memory, batch }, mayWrite: deltas => { left = deltas } }
}

test('who pins anew is not undone by the first of two unpins that wait, nor by the second in a delta of its own', async () => {
  const peers = new CrdtPeers(virtualClock())
  const { store, mayWrite } = storeWithoutDeltas()
  const [a, b] = [await peers.start(0, { store, batching: { maxSize: 1, maxAgeMs: 10_000 } }), await peers.start(1)]
  await peers.clock.advance(1_000)
  for (const n of [1, 2]) await peers.done(b.consensus.logPin(pinOf(n)))
  await peers.clock.advance(1_000)
  mayWrite(0)
  for (const n of [1, 1, 2]) await peers.done(a.consensus.logUnpin(pinOf(n)))
  for (const n of [1, 2]) await peers.done(b.consensus.logPin(pinOf(n, { name: `again ${n}` })))
  await peers.clock.advance(1_000)
  assert.deepEqual(await namesOf(a), [])
  // A crash after the first delta: what came behind the other unpins is still known.
  mayWrite(1)
  await peers.clock.advance(30_000)
  assert.equal(a.consensus.inspect().unpublishedChanges, 2)
  const left = await leftOf(store)
  mayWrite(Infinity)
  await peers.clock.advance(30_000)
  for (const peer of [a, b]) assert.deepEqual((await namesOf(peer)).toSorted(), ['again 1', 'again 2'])
  await peers.stop()

  const later = new CrdtPeers(virtualClock())
  const again = await later.start(0, { store: left })
  await later.clock.advance(20_000)
  assert.deepEqual((await namesOf(again)).toSorted(), ['again 1', 'again 2'])
  await later.stop()
})

test('nor is who pins anew while the unpin is on its way into the journal', async () => {
  const peers = new CrdtPeers(virtualClock())
  const memory = memoryStore()
  let journalled: Promise<unknown> = Promise.resolve()
  let last = journalled
  // One batch after the other, as LevelDB does.
  const store: Store = {
    ...memory,
    batch: (operations, options) => {
      const before = operations.some(({ key }) => key.startsWith('/flotilla/journal/')) ? journalled : undefined
      const done = last.then(() => before).then(() => memory.batch(operations, options))
      last = done
      return done
    },
  }
  const [a, b] = [await peers.start(0, { store, batching: { maxSize: 100, maxAgeMs: 10_000 } }), await peers.start(1)]
  await peers.clock.advance(1_000)
  await peers.done(b.consensus.logPin(pinOf(1)))
  await peers.clock.advance(1_000)
  const { promise, resolve } = Promise.withResolvers<void>()
  journalled = promise
  const unpinned = a.consensus.logUnpin(pinOf(1))
  await peers.clock.advance(10)
  await peers.done(b.consensus.logPin(pinOf(1, { name: 'again' })))
  await peers.clock.advance(100)
  resolve()
  await peers.done(unpinned)
  await peers.clock.advance(100)
  const left = await leftOf(store)
  await peers.stop()

  const later = new CrdtPeers(virtualClock())
  const again = await later.start(0, { store: left })
  await later.clock.advance(20_000)
  assert.deepEqual(await namesOf(again), ['again'])
  await later.stop()
})

for (const lost of ['value', 'block'] as const) {
  test(`a repair that merges a node once more, because its ${lost} is gone, does not bring back what is unpinned`, async () => {
    const peers = new CrdtPeers(virtualClock())
    const [a, b] = [await peers.start(0, { batching: { maxSize: 100, maxAgeMs: 600_000 } }), await peers.start(1)]
    await peers.clock.advance(1_000)
    await peers.done(Promise.all([1, 2].map(n => b.consensus.logPin(pinOf(n)))))
    await peers.clock.advance(1_000)
    await peers.done(a.consensus.logUnpin(pinOf(1)))
    const key = keyOfPin(pinOf(2))
    const [[block] = []] = await Array.fromAsync(a.store.keys({ gte: '/c/b/blocks/', lt: '/c/b/blocks0' }))
    const gone = lost === 'value' ? [`/c/s/k${key}/v`, `/c/s/k${key}/p`] : [block as string]
    await a.store.batch(gone.map(key => ({ type: 'del', key })), { sync: true })
    a.consensus.repairSoon()
    await peers.clock.advance(5_000)
    assert.ok(a.store.getSync(gone[0] as string) !== undefined, 'it is repaired')
    await peers.done(a.consensus.settled())
    await peers.clock.advance(1_000)
    for (const peer of [a, b]) assert.deepEqual(await namesOf(peer), ['pin 2'])
    await peers.stop()
  })
}

test('what comes once more, because a failing disk has lost it, is noted once more', async () => {
  const later = new LaterElements()
  const unpin: Intent = { cid: pinOf(1).cid, pin: undefined, bytes: new Uint8Array(0), entry: 5, place: 0 }
  const key = keyOfPin(unpin)
  const parts = new Map([[key, { elements: [{ blockId: '/CIQ', origin: '', priority: 1, value: new Uint8Array(0) }], tombstones: new Set<string>() }]])
  const entryOf = (): number => 5
  const noted = later.operations(parts, entryOf)
  later.note(parts, () => true)
  assert.deepEqual(noted.map(({ key }) => key), [`/flotilla/later${key}/CIQ`])
  await later.load(memoryStore(), [unpin])
  assert.deepEqual(later.operations(parts, entryOf), noted)
})
