import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { PinMessage } from '../../codec/messages.ts'
import { cidFromBytes, type Cid } from '../../domain/cid.ts'
import { ClusterError } from '../../domain/errors.ts'
import type { PeerId } from '../../domain/peer.ts'
import { defaultPinOptions, pinWithOptions, type Pin } from '../../domain/pin.ts'
import { systemClock } from '../../platform/clock.ts'
import { openLevelDbStore } from '../../platform/leveldb-store.ts'
import type { Platform } from '../../platform/lifecycle.ts'
import { silentLoggers } from '../../platform/logger.ts'
import { memoryStore } from '../../platform/memory-store.ts'
import { noMetrics } from '../../platform/metrics.ts'
import { systemRandom } from '../../platform/random.ts'
import type { Store, StoreOperation } from '../../platform/store.ts'
import { CrdtConsensus } from './crdt-consensus.ts'

const platform: Platform = { clock: systemClock, random: systemRandom, loggers: silentLoggers, metrics: noMetrics }
const self = '12D3KooWGRUVh6gLyjqFQgVNVFNP2xhYDxtTGGaDH2tW6cAkYvNp' as PeerId
const other = '12D3KooWQE3CWA3MJ1YhrYNP8EE3JErGbrCtpKRkFrWgi45nYAMn' as PeerId

function cid (n: number): Cid {
  const digest = Buffer.alloc(32)
  digest.writeUInt32BE(n * 2654435761 >>> 0)
  digest.writeUInt32BE(n, 28)
  return cidFromBytes(Buffer.concat([Buffer.from([1, 0x55, 0x12, 0x20]), digest]))
}

const pin = (n: number, changes: Partial<Pin> = {}): Pin => ({ ...pinWithOptions(cid(n), { ...defaultPinOptions, name: `pin ${n}`, replicationFactorMin: -1, replicationFactorMax: -1 }, 1_700_000_000_000), allocations: [], ...changes })

async function started (store: Store, maxQueueSize = Infinity, codec = PinMessage, batching = { maxSize: 0, maxAgeMs: 0 }): Promise<CrdtConsensus> {
  const consensus = new CrdtConsensus({ self, store, codec, datastoreNamespace: '/c', trustedPeers: ['*'], batching: { ...batching, maxQueueSize }, members: () => [], platform })
  await consensus.start()
  return consensus
}

const listed = async (consensus: CrdtConsensus): Promise<string[]> => (await Array.fromAsync(consensus.pinset().list({}))).flat().map(found => found.name)

async function keysOf (store: Store, prefix: string): Promise<string[]> {
  return (await Array.fromAsync(store.keys({ gte: prefix }))).flat().filter(key => key.startsWith(prefix))
}

test('a pin can be read as soon as it is acknowledged, and is gone as soon as its removal is', async () => {
  const consensus = await started(memoryStore())
  await consensus.logPin(pin(1))
  assert.equal((await consensus.pinset().get(cid(1)))?.name, 'pin 1')
  assert.deepEqual(await listed(consensus), ['pin 1'])
  await consensus.logUnpin(pin(1))
  assert.equal(await consensus.pinset().get(cid(1)), undefined)
  assert.deepEqual(await listed(consensus), [])
  await consensus.settled()
  assert.equal(consensus.pinset().count(), 0)
  assert.deepEqual(await listed(consensus), [])
  await consensus.stop()
})

test('a removal that yields takes no pin that is on its way to the disk, nor one that its caller has not seen', async () => {
  const consensus = await started(memoryStore())
  const removal = (seen: Pin | undefined): Promise<void> => consensus.logUnpin(seen as Pin, { yieldsToOthers: true })
  await consensus.logPin(pin(1))
  await consensus.settled()
  const seen = await consensus.pinset().get(cid(1))
  const again = consensus.logPin(pin(1, { name: 'again' }))
  await assert.rejects(removal(seen), { code: 'NOT_FOUND' })
  await again
  await assert.rejects(removal(seen), { code: 'NOT_FOUND' })
  await consensus.settled()
  assert.deepEqual(await listed(consensus), ['again'])
  for (const isSettled of [false, true]) {
    await consensus.logPin(pin(2))
    if (isSettled) await consensus.settled()
    await removal(await consensus.pinset().get(cid(2)))
    assert.deepEqual(await listed(consensus), ['again'])
  }
  await consensus.stop()
})

test('a change that need not wait asks for no signal', async () => {
  const consensus = await started(memoryStore())
  const options = { get signal (): AbortSignal { throw new Error('a signal was asked for') } }
  await consensus.logPin(pin(1), options)
  await consensus.logUnpin(pin(1), options)
  await consensus.stop()
})

test('the store has the keys of the Go program', async () => {
  const store = memoryStore()
  const consensus = await started(store)
  await consensus.logPin(pin(1))
  await consensus.settled()
  const keys = (await keysOf(store, '/c')).map(key => key.replaceAll(/[A-Z2-7]{50,}/g, match => match.startsWith('CIQ') ? 'BLOCK' : 'CID'))
  assert.deepEqual(keys, ['/c/b/BLOCK', '/c/b/blocks/BLOCK', '/c/crdt_version', '/c/h/BLOCK', '/c/s/k/CID/p', '/c/s/k/CID/v', '/c/s/s/CID/BLOCK'])
  assert.deepEqual(await store.get('/c/crdt_version'), Uint8Array.of(2))
  await consensus.logUnpin(pin(1))
  await consensus.settled()
  assert.equal((await keysOf(store, '/c/s/k')).length, 0)
  assert.equal((await keysOf(store, '/c/s/t')).length, 1)
  assert.equal((await keysOf(store, '/c/h')).length, 1)
  await consensus.stop()
})

test('a burst of 5,000 pins makes tens of deltas', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'crdt-'))
  try {
    const consensus = await started(await openLevelDbStore(folder))
    let next = 0
    await Promise.all(Array.from({ length: 32 }, async () => {
      while (next < 5_000) await consensus.logPin(pin(next++))
    }))
    await consensus.stop()
    const store = await openLevelDbStore(folder)
    const deltas = (await keysOf(store, '/c/b/blocks/')).length
    assert.ok(deltas < 100, `${deltas} deltas`)
    assert.equal((await keysOf(store, '/flotilla/journal/')).length, 0)
    const again = await started(store)
    assert.equal(again.pinset().count(), 5_000)
    assert.equal((await listed(again)).length, 5_000)
    await again.stop()
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

test('changes that come faster than deltas can be written wait; they are refused only while none can', async () => {
  const store = memoryStore()
  const { promise: gate, resolve: openGate } = Promise.withResolvers<void>()
  let isFull = false
  const slow: Store = {
    ...store,
    batch: async (operations, options) => {
      if (operations.some(({ key }) => key.startsWith('/c/h/'))) {
        await gate
        if (isFull) throw new Error('no space')
      }
      await store.batch(operations, options)
    },
  }
  const consensus = await started(slow, 6)
  for (let n = 0; n < 6; n++) await consensus.logPin(pin(n))
  let done = 0
  const giving = new AbortController()
  const givenUp = assert.rejects(consensus.logUnpin(pin(5), { signal: giving.signal }), /the client has gone/)
  giving.abort(new Error('the client has gone'))
  await givenUp
  const more = Promise.all(Array.from({ length: 4 }, (_, n) => consensus.logUnpin(pin(n)).then(() => { done++ })))
  for (let turn = 0; turn < 100; turn++) await new Promise(setImmediate)
  assert.equal(done, 0)
  openGate()
  await more
  await consensus.settled()
  assert.deepEqual((await listed(consensus)).toSorted(), ['pin 4', 'pin 5'])

  isFull = true
  for (let n = 10; n < 16; n++) await consensus.logPin(pin(n))
  await assert.rejects(consensus.logPin(pin(16)), /max_queue_size/)
  isFull = false
  await consensus.stop()
})

test('with batches as many changes wait as the operator has said, also those of one pin', async () => {
  const consensus = await started(memoryStore(), 6, PinMessage, { maxSize: 100, maxAgeMs: 60_000 })
  for (let n = 0; n < 6; n++) await consensus.logPin(pin(1, { name: `version ${n}` }))
  await assert.rejects(consensus.logPin(pin(1)), /max_queue_size/)
  await consensus.settled()
  await consensus.logUnpin(pin(1))
  await consensus.stop()
})

test('what was acknowledged but stands in no delta yet is replayed', async () => {
  const store = memoryStore()
  const before = await started({ ...store, close: async () => {} })
  await before.logPin(pin(1))
  await before.settled()
  // A crash here: the journal has both, no delta does, nothing is stopped.
  const crashing: Store = { ...store, batch: (operations, options) => operations.some(operation => operation.key.startsWith('/c/h/')) ? new Promise(() => {}) : store.batch(operations, options) }
  const crashed = await started(crashing)
  await crashed.logPin(pin(2))
  await crashed.logUnpin(pin(1))
  const after = await started(store)
  assert.deepEqual(await listed(after), ['pin 2'])
  await after.settled()
  assert.deepEqual(await listed(after), ['pin 2'])
  assert.equal(after.pinset().count(), 1)
  await after.stop()
})

test('of changes that were journalled together those that stand in deltas are not made again after a crash', async () => {
  const batching = { maxSize: 2, maxAgeMs: 1 }
  for (const deltasOfEachRun of [[0], [1], [2], [1, 1], [2, 1], [0, 2, 0]]) {
    const store = memoryStore()
    for (const [run, deltas] of deltasOfEachRun.entries()) {
      let left = deltas
      const { promise: hasCrashed, resolve: crash } = Promise.withResolvers<void>()
      const isDelta = ({ key }: StoreOperation): boolean => key.startsWith('/c/h/')
      const crashing: Store = { ...store, batch: (operations, options) => operations.some(isDelta) && left-- === 0 ? new Promise(() => { crash() }) : store.batch(operations, options) }
      const crashed = await started(crashing, Infinity, PinMessage, batching)
      if (run === 0) await Promise.all([1, 2, 3, 4, 5, 6, 7].map(n => crashed.logPin(pin(n))))
      await hasCrashed
    }
    const after = await started(store, Infinity, PinMessage, batching)
    await after.settled()
    const elements = await keysOf(store, '/c/s/s/')
    assert.equal(new Set(elements.map(key => key.slice(0, key.lastIndexOf('/')))).size, 7)
    assert.equal(elements.length, 7, `a pin is there twice after ${deltasOfEachRun} deltas`)
    await after.stop()
    assert.deepEqual((await keysOf(store, '/flotilla/journal')).filter(key => !/journal-(last|seen)$/.test(key)), [])
    assert.deepEqual((await listed(after)).toSorted(), [1, 2, 3, 4, 5, 6, 7].map(n => `pin ${n}`))
  }
})

test('a peer starts, however many changes wait for their delta', async () => {
  const store = memoryStore()
  const crashing: Store = { ...store, batch: (operations, options) => operations.some(operation => operation.key.startsWith('/c/h/')) ? new Promise(() => {}) : store.batch(operations, options) }
  const crashed = await started(crashing)
  const pins = [pin(1), pin(2)] as const
  await Promise.all(Array.from({ length: 140_000 }, (_, n) => crashed.logPin(n % 2 === 0 ? pins[0] : pins[1])))
  const after = await started(store)
  assert.deepEqual((await listed(after)).toSorted(), ['pin 1', 'pin 2'])
  await after.stop()
})

test('what is on its way to the disk when the peer stops is there, and nothing is taken any more', async () => {
  const store = memoryStore()
  const consensus = await started(store)
  const logged = [consensus.logPin(pin(1)), consensus.logPin(pin(2))]
  const stopped = consensus.stop()
  await assert.rejects(consensus.logPin(pin(3)), { code: 'CANCELLED' })
  await assert.rejects(consensus.logUnpin(pin(1)), { code: 'CANCELLED' })
  await Promise.all([...logged, stopped, consensus.stop()])
  assert.equal((await keysOf(store, '/flotilla/journal/')).length, 0)
  const again = await started(store)
  assert.deepEqual((await listed(again)).toSorted(), ['pin 1', 'pin 2'])
  await again.stop()
})

test('a failed journal write is told to the caller and changes nothing', async () => {
  const store = memoryStore()
  let isFull = false
  const consensus = await started({ ...store, batch: (operations, options) => isFull ? Promise.reject(new Error('no space')) : store.batch(operations, options) })
  await consensus.logPin(pin(1))
  await consensus.settled()
  isFull = true
  await assert.rejects(consensus.logPin(pin(2)), /no space/)
  assert.deepEqual(await listed(consensus), ['pin 1'])
  isFull = false
  await consensus.logPin(pin(3))
  assert.deepEqual((await listed(consensus)).toSorted(), ['pin 1', 'pin 3'])
  await consensus.stop()
})

test('a pin that could not be read again is refused, and the next start knows nothing of it', async () => {
  const unreadable = pin(1, { name: 'unreadable' })
  const codec: typeof PinMessage = {
    ...PinMessage,
    decodeProtobuf (bytes) {
      const read = PinMessage.decodeProtobuf(bytes)
      if (read.name === unreadable.name) throw new ClusterError('INVALID_WIRE_DATA', 'it cannot be read')
      return read
    },
  }
  const store = memoryStore()
  const start = (): Promise<CrdtConsensus> => started(store, Infinity, codec)
  const consensus = await start()
  const [first, second] = await Promise.allSettled([consensus.logPin(unreadable), consensus.logPin(pin(2))])
  assert.equal(first.status, 'rejected')
  assert.equal(second.status, 'fulfilled')
  const again = await start()
  assert.deepEqual(await listed(again), ['pin 2'])
  await again.stop()
  await consensus.stop()
})

test('the index by allocation follows every change', async () => {
  const consensus = await started(memoryStore())
  const held = async (peer: PeerId): Promise<Cid[]> => (await Array.fromAsync(consensus.pinset().allocatedTo(peer, {}))).flat()
  await consensus.logPin(pin(1, { replicationFactorMin: 1, replicationFactorMax: 2, allocations: [self, other] }))
  assert.deepEqual(await held(other), [cid(1)], 'before the delta')
  await consensus.settled()
  assert.deepEqual(await held(other), [cid(1)], 'after the delta')
  await consensus.logPin(pin(1, { replicationFactorMin: 1, replicationFactorMax: 2, allocations: [self] }))
  assert.deepEqual(await held(other), [])
  await consensus.settled()
  assert.deepEqual(await held(other), [])
  assert.deepEqual(await held(self), [cid(1)])
  await consensus.logUnpin(pin(1))
  await consensus.settled()
  assert.deepEqual(await held(self), [])
  await consensus.stop()
})

test('changes come in order, and a reader goes on where it had acknowledged', async () => {
  const store = memoryStore()
  const first = await started({ ...store, close: async () => {} })
  for (let n = 1; n <= 4; n++) {
    await first.logPin(pin(n))
    await first.settled()
  }
  const read = async (consensus: CrdtConsensus, count: number): Promise<Array<[number, string | undefined]>> => {
    const stop = new AbortController()
    const seen: Array<[number, string | undefined]> = []
    for await (const batch of consensus.changes().read({ signal: stop.signal })) {
      seen.push(...batch.map(change => [change.sequence, change.pin?.name] as [number, string | undefined]))
      if (seen.length >= count) stop.abort()
    }
    return seen
  }
  assert.deepEqual(await read(first, 4), [[1, 'pin 1'], [2, 'pin 2'], [3, 'pin 3'], [4, 'pin 4']])
  first.changes().acknowledge(2)
  await first.stop()
  const second = await started(store)
  await second.logUnpin(pin(3))
  await second.settled()
  assert.deepEqual(await read(second, 3), [[3, undefined], [4, 'pin 4'], [5, undefined]], 'a stored change shows the pin as it now stands')
  await second.stop()
})

test('pinning again replaces the value, and one removal removes it for good', async () => {
  const store = memoryStore()
  const consensus = await started(store)
  for (const name of ['a', 'b', 'c']) {
    await consensus.logPin(pin(1, { name }))
    await consensus.settled()
  }
  assert.deepEqual(await listed(consensus), ['c'])
  assert.equal(consensus.pinset().count(), 1)
  await consensus.logUnpin(pin(1))
  await consensus.settled()
  assert.equal((await keysOf(store, '/c/s/t')).length, 3)
  await consensus.logPin(pin(1, { name: 'd' }))
  await consensus.logUnpin(pin(1))
  await consensus.logPin(pin(1, { name: 'e' }))
  await consensus.settled()
  assert.deepEqual(await listed(consensus), ['e'])
  await consensus.stop()
})
