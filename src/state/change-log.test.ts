import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cidFromBytes, type Cid } from '../domain/cid.ts'
import { memoryStore } from '../platform/memory-store.ts'
import type { Store } from '../platform/store.ts'
import { virtualClock } from '../platform/virtual-clock.ts'
import { StoredChangeLog } from './change-log.ts'

const cid = (n: number): Cid => cidFromBytes(Buffer.concat([Buffer.from([1, 0x55, 0x12, 0x20]), Buffer.alloc(32, n)]))

/** A log over `store`, whose entries of stored changes are read when `gate` lets them. */
async function opened (store: Store, gate: () => Promise<void> = async () => {}): Promise<StoredChangeLog> {
  const log = new StoredChangeLog(store, virtualClock(), async cids => {
    await gate()
    return cids.map(() => undefined)
  })
  await log.load()
  return log
}

async function change (log: StoredChangeLog, store: Store, ...numbers: number[]): Promise<void> {
  const { operations, numbered } = log.append(numbers.map(n => ({ cid: cid(n), pin: undefined })))
  await store.batch(operations, { sync: false })
  log.committed(numbered)
}

async function readUpTo (log: StoredChangeLog, last: number, onChange: (sequence: number) => void = () => {}): Promise<Cid[]> {
  const stop = new AbortController()
  const seen: Cid[] = []
  for await (const changes of log.read({ signal: stop.signal })) {
    for (const { sequence, cid } of changes) {
      seen.push(cid)
      onChange(sequence)
      if (sequence === last) stop.abort()
    }
  }
  return seen
}

test('changes that come while the stored ones are being read are not passed over', async () => {
  const store = memoryStore()
  await change(await opened(store), store, 1, 2)
  const log = await opened(store, async () => {
    if (log.append([{ cid: cid(3), pin: undefined }]).numbered[0]?.sequence === 3) await change(log, store, 3, 4)
  })
  assert.deepEqual(await readUpTo(log, 4), [cid(1), cid(2), cid(3), cid(4)])
})

test('an entry behind the cursor is kept when the log does not know of it yet', async () => {
  const store = memoryStore()
  const log = await opened(store)
  await change(log, store, 1)
  log.acknowledge(1)
  const { operations } = log.append([{ cid: cid(2), pin: undefined }])
  await store.batch(operations, { sync: false })
  await log.flush()
  assert.deepEqual(await readUpTo(await opened(store), 2), [cid(2)])
})

test('a log that is loaded again tells what the store has by then', async () => {
  const store = memoryStore()
  const log = await opened(store)
  await change(log, store, 1)
  const { operations } = log.append([{ cid: cid(2), pin: undefined }])
  const seen = readUpTo(log, 2)
  // Written, but nobody was told that it succeeded.
  await store.batch(operations, { sync: false })
  await log.load()
  assert.deepEqual(await seen, [cid(1), cid(2)])
})

/** What a new reader is told before it has to wait. */
async function readWaiting (log: StoredChangeLog): Promise<Cid[]> {
  const stop = new AbortController()
  const read = Array.fromAsync(log.read({ signal: stop.signal }))
  await new Promise(setImmediate)
  stop.abort()
  return (await read).flat().map(({ cid }) => cid)
}

test('one node may change more keys than a function takes arguments', async () => {
  const store = memoryStore()
  const log = await opened(store)
  const changes = Array.from({ length: 200_000 }, (_, n) => ({ cid: cid(n % 256), pin: undefined }))
  const { operations, numbered } = log.append(changes)
  await store.batch(operations, { sync: false })
  log.committed(numbered)
  await change(log, store, 7)
  const all = [...changes.map(({ cid }) => cid), cid(7)]
  for (const reader of [log, await opened(store)]) assert.deepEqual(await readUpTo(reader, all.length), all)
})

/** A change that was told to readers, and that the store has lost by the time it is opened anew. */
async function changeAndTakeBack (log: StoredChangeLog, store: Store, number: number): Promise<void> {
  const { operations, numbered } = log.append([{ cid: cid(number), pin: undefined }])
  const before = await store.getMany(operations.map(({ key }) => key))
  await store.batch(operations, { sync: false })
  log.committed(numbered)
  await store.batch(operations.map(({ key }, i) => {
    const value = before[i]
    return value === undefined ? { type: 'del', key } : { type: 'put', key, value }
  }), { sync: false })
}

test('what is acknowledged of a change that the disk took back does not count for the next one', async () => {
  const store = memoryStore()
  const log = await opened(store)
  await change(log, store, 1)
  await changeAndTakeBack(log, store, 2)
  await log.load()
  await change(log, store, 3)
  // The reader had seen the change that is no more.
  log.acknowledge(2)
  await log.flush()
  assert.deepEqual(await readWaiting(await opened(store)), [cid(3)])
})

test('a reader whose cursor is ahead of what the disk has kept is told of what comes next', async () => {
  const store = memoryStore()
  const before = await opened(store)
  await change(before, store, 1)
  await changeAndTakeBack(before, store, 2)
  before.acknowledge(2)
  await before.flush()
  const log = await opened(store)
  await change(log, store, 3)
  assert.deepEqual(await readWaiting(log), [cid(3)])
  log.acknowledge(2)
  await log.flush()
  assert.deepEqual(await readWaiting(await opened(store)), [cid(3)])
})

test('entries that are done with go also when the disk took the cursor only later', async () => {
  const store = memoryStore()
  const clock = virtualClock()
  let isFull = true
  const log = new StoredChangeLog({
    ...store,
    batch: async (...batch) => {
      if (isFull) throw new Error('no space left on device')
      await store.batch(...batch)
    },
  }, clock, async cids => cids.map(() => undefined))
  await log.load()
  await change(log, store, 1)
  log.acknowledge(1)
  await clock.advance(10_000)
  assert.deepEqual(await readWaiting(await opened(store)), [cid(1)])
  isFull = false
  await clock.advance(10_000)
  assert.deepEqual(await readWaiting(await opened(store)), [])
})

test('entries that are done with go also when the disk has lost the cursor again', async () => {
  const store = memoryStore()
  const clock = virtualClock()
  const log = new StoredChangeLog(store, clock, async cids => cids.map(() => undefined))
  await log.load()
  await change(log, store, 1)
  const before = (await Array.fromAsync(store.iterate({}))).flat()
  log.acknowledge(1)
  await clock.advance(10_000)
  await store.batch([{ type: 'del', key: '/flotilla/cursor' }, ...before.map(({ key, value }) => ({ type: 'put', key, value }) as const)], { sync: false })
  await log.load()
  await clock.advance(10_000)
  assert.deepEqual(await readWaiting(await opened(store)), [])
  await log.stop()
})

test('a log that was stopped on a full disk does not try again', async () => {
  const store = memoryStore()
  const clock = virtualClock()
  let tries = 0
  const log = new StoredChangeLog({ ...store, batch: async () => { tries++; throw new Error('no space left on device') } }, clock, async cids => cids.map(() => undefined))
  await log.load()
  await change(log, store, 1)
  log.acknowledge(1)
  await log.stop()
  await clock.advance(60_000)
  assert.equal(tries, 1)
})

test('entries before the cursor go, those behind it stay', async () => {
  const store = memoryStore()
  const log = await opened(store)
  for (const numbers of [[1], [2, 3], [4], [5]]) await change(log, store, ...numbers)
  const left = async (): Promise<number[]> => (await Array.fromAsync(store.keys({ gte: '/flotilla/changes/', lt: '/flotilla/changes0' }))).flat().map(key => Number(key.split('/').at(-1)))
  for (const [acknowledged, expected] of [[1, [2, 4, 5]], [2, [2, 4, 5]], [4, [5]], [5, []]] as const) {
    log.acknowledge(acknowledged)
    await log.flush()
    assert.deepEqual(await left(), expected)
    assert.deepEqual(await readWaiting(await opened(store)), [1, 2, 3, 4, 5].slice(acknowledged).map(cid))
  }
})

test('a stop waits for the cursor to be written', async () => {
  const store = memoryStore()
  const written = Promise.withResolvers<void>()
  const log = await opened({ ...store, batch: async (operations, options) => {
    if (operations.some(({ key }) => key === '/flotilla/cursor')) await written.promise
    await store.batch(operations, options)
  } })
  await change(log, store, 1)
  log.acknowledge(1)
  let isStopped = false
  const stopped = log.stop().then(() => { isStopped = true })
  await new Promise(setImmediate)
  assert.equal(isStopped, false)
  written.resolve()
  await stopped
  assert.deepEqual(await readWaiting(await opened(store)), [])
})
