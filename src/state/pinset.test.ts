import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { PinMessage } from '../codec/messages.ts'
import { cidFromBytes, cidKey, compareCids, type Cid } from '../domain/cid.ts'
import { peerIdFromBytes } from '../domain/peer-id.ts'
import { defaultPinOptions, pinWithOptions, type Pin } from '../domain/pin.ts'
import { systemClock } from '../platform/clock.ts'
import { memoryStore } from '../platform/memory-store.ts'
import type { Store } from '../platform/store.ts'
import { Pinset } from './pinset.ts'

const peers = [1, 2, 3].map(n => peerIdFromBytes(Buffer.concat([Buffer.from([0, 36, 8, 1, 0x12, 32]), Buffer.alloc(32, n)])))
const cids: Cid[] = [1, 2, 3, 4].map(n => cidFromBytes(Buffer.concat([Buffer.from(n % 2 === 0 ? [0x12, 0x20] : [1, 0x55, 0x12, 0x20]), Buffer.alloc(32, n)])))
const changes = fc.array(fc.record({
  cid: fc.constantFrom(...cids),
  type: fc.constantFrom('pin' as const, 'clusterdag-pin' as const),
  holders: fc.option(fc.uniqueArray(fc.constantFrom(...peers))),
  expireAt: fc.constantFrom(0, 1_500, 2_000, 250_000_000_000_000),
}), { maxLength: 20 })

/** Makes it what is stored of the CID; undefined: nothing. */
async function write (pinset: Pinset, store: Store, cid: Cid, pin: Pin | undefined): Promise<void> {
  const key = pinset.valueKey(cid)
  const value = pin && PinMessage.encodeProtobuf(pin)
  const { operations, figures } = pinset.operations([{ cid, pin, value, previous: await pinset.get(cid), previousValue: await store.get(key) }])
  await store.batch([...operations, value === undefined ? { type: 'del', key } : { type: 'put', key, value }], { sync: false })
  pinset.applied(figures)
}

test('holders, expired pins, cluster DAGs, count and digest are those that a look at all pins would find', async () => {
  await fc.assert(fc.asyncProperty(changes, async changes => {
    const store = memoryStore()
    const options = { store, clock: systemClock, codec: PinMessage, valuePrefix: '/c/s/k/' }
    const pinset = new Pinset(options)
    await pinset.load()
    const pins = new Map<Cid, Pin>()
    for (const { cid, type, holders, expireAt } of changes) {
      const pin = holders === null ? undefined : { ...pinWithOptions(cid, { ...defaultPinOptions, expireAt }, 0), type, allocations: holders }
      await write(pinset, store, cid, pin)
      if (pin === undefined) pins.delete(cid)
      else pins.set(cid, pin)
    }
    const check = async (one: Pinset): Promise<void> => {
      assert.equal(one.count(), pins.size)
      for (const peer of peers) {
        const expected = [...pins.values()].filter(pin => pin.allocations?.includes(peer)).map(pin => pin.cid).toSorted(compareCids)
        assert.deepEqual((await Array.fromAsync(one.allocatedTo(peer, {}))).flat(), expected)
      }
      const clusterDags = [...pins.values()].filter(({ type }) => type === 'clusterdag-pin').map(({ cid }) => cid).toSorted(compareCids)
      assert.deepEqual((await Array.fromAsync(one.clusterDags({}))).flat(), clusterDags)
      const holding = peers.filter(peer => [...pins.values()].some(pin => pin.allocations?.includes(peer)))
      assert.deepEqual((await one.holders(10)).toSorted(), holding.toSorted())
      assert.equal((await one.holders(1)).length, Math.min(1, holding.length))
      for (const now of [1_000, 1_001, 2_000, 2_001, 5_000]) {
        // Stored are whole seconds.
        const expired = [...pins.values()].filter(({ expireAt }) => expireAt !== 0 && Math.floor(expireAt / 1_000) * 1_000 < now).map(pin => pin.cid)
        assert.deepEqual((await Array.fromAsync(one.expired(now, {}))).flat().toSorted(), expired.toSorted())
      }
    }
    // What follows the changes, before all is made anew in the same store.
    await check(pinset)
    // And what another start finds, which looks at no pin unless nothing was kept.
    const kept = new Pinset(options)
    await kept.load({ onScan: () => { assert.fail('a look at all pins') } })
    await check(kept)
    assert.equal(kept.digest(), pinset.digest())
    await store.batch([{ type: 'put', key: '/flotilla/format', value: Buffer.from('1') }], { sync: false })
    const anew = new Pinset(options)
    const scans: number[] = []
    await anew.load({ onScan: pins => { scans.push(pins) } })
    assert.deepEqual(scans, pins.size === 0 ? [0] : [0, pins.size])
    assert.equal(anew.digest(), pinset.digest())
    await check(anew)
  }), { numRuns: 60 })
})

test('readers see what is stored with the changes over it that are not stored yet, whichever way they ask', async () => {
  const cids = Array.from({ length: 9 }, (_, n) => cidFromBytes(Buffer.concat([Buffer.from(n % 2 === 0 ? [0x12, 0x20] : [1, 0x55, 0x12, 0x20]), Buffer.alloc(32, 37 * n)])))
  const change = fc.record({ cid: fc.constantFrom(...cids), type: fc.constantFrom('pin' as const, 'clusterdag-pin' as const), holders: fc.option(fc.uniqueArray(fc.constantFrom(...peers))) })
  const list = fc.array(change, { maxLength: 15 })
  await fc.assert(fc.asyncProperty(list, list, fc.option(fc.constantFrom(...cids), { nil: undefined }), fc.integer({ min: 1, max: 10 }), async (stored, waiting, after, limit) => {
    const store = memoryStore()
    const pinset = new Pinset({ store, clock: systemClock, codec: PinMessage, valuePrefix: '/c/s/k/' })
    await pinset.load()
    const pins = new Map<Cid, Pin>()
    const pinOf = ({ cid, type, holders }: (typeof stored)[number]): Pin | undefined => {
      const pin = holders === null ? undefined : { ...pinWithOptions(cid, defaultPinOptions, 0), type, allocations: holders }
      if (pin === undefined) pins.delete(cid)
      else pins.set(cid, pin)
      return pin
    }
    for (const step of stored) await write(pinset, store, step.cid, pinOf(step))
    for (const step of waiting) pinset.showPending({ cid: step.cid, pin: pinOf(step) })
    const asked = [...pins.values()].toSorted((a, b) => compareCids(a.cid, b.cid))
    const behind = asked.filter(({ cid }) => after === undefined || compareCids(cid, after) > 0)
    const query = after === undefined ? {} : { after }
    const said = (found: readonly Pin[]): unknown => found.map(({ cid, type, allocations }) => [cid, type, allocations ?? []])
    const all = async <T> (batches: AsyncIterable<T[]>): Promise<T[]> => (await Array.fromAsync(batches)).flat()

    assert.deepEqual(said((await Promise.all(cids.map(cid => pinset.get(cid)))).flatMap(pin => pin ?? [])), said(cids.flatMap(cid => pins.get(cid) ?? [])))
    assert.deepEqual(said((await pinset.getMany(cids)).flatMap(pin => pin ?? [])), said(cids.flatMap(cid => pins.get(cid) ?? [])))
    assert.deepEqual(await Promise.all(cids.map(cid => pinset.has(cid))), cids.map(cid => pins.has(cid)))
    assert.deepEqual(said(await all(pinset.list(query))), said(behind))
    assert.deepEqual(said(await all(pinset.list({ ...query, limit }))), said(behind.slice(0, limit)))
    const types = new Set(['clusterdag-pin'] as const)
    const dags = behind.filter(({ type }) => type === 'clusterdag-pin')
    assert.deepEqual(said(await all(pinset.list({ ...query, types, limit }))), said(dags.slice(0, limit)))
    assert.deepEqual(said((await all(pinset.listStored(query))).map(entry => 'pin' in entry ? entry.pin : PinMessage.decodeProtobuf(entry.value))), said(behind))
    assert.deepEqual(said((await all(pinset.listBoth({ ...query, limit }))).map(({ pin }) => pin)), said(behind.slice(0, limit)))
    assert.deepEqual(await all(pinset.clusterDags({})), asked.filter(({ type }) => type === 'clusterdag-pin').map(({ cid }) => cid))
    for (const peer of peers) {
      const held = behind.filter(({ allocations }) => allocations?.includes(peer)).map(({ cid }) => cid)
      assert.deepEqual(await all(pinset.allocatedTo(peer, query)), held)
      assert.deepEqual(await all(pinset.allocatedTo(peer, { ...query, limit })), held.slice(0, limit))
    }
    const holders = await pinset.holders(10)
    for (const { allocations } of asked) for (const peer of allocations ?? []) assert.ok(holders.includes(peer))
    assert.equal(pinset.pendingCount(), new Set(waiting.map(({ cid }) => cid)).size)
  }), { numRuns: 200 })
})

test('no more is read than is listed', async () => {
  const stored = memoryStore(Array.from({ length: 3_000 }, (_, n) => cidFromBytes(Buffer.concat([Buffer.from([1, 0x55, 0x12, 0x20]), Buffer.alloc(28), Buffer.from([0, 0, n >> 8, n])])))
    .map(cid => ({ key: `/c/s/k/${cidKey(cid)}/v`, value: PinMessage.encodeProtobuf(pinWithOptions(cid, defaultPinOptions, 0)) })))
  let read = 0
  const store: Store = {
    ...stored,
    async * iterate (range) {
      for await (const entries of stored.iterate(range)) {
        read += entries.length
        yield entries
      }
    },
  }
  const pinset = new Pinset({ store, clock: systemClock, codec: PinMessage, valuePrefix: '/c/s/k/' })
  await pinset.load()
  for (const list of [pinset.list({ limit: 10 }), pinset.listBoth({ limit: 10 })]) {
    read = 0
    assert.equal((await Array.fromAsync<readonly unknown[]>(list)).flat().length, 10)
    assert.ok(read < 2_000, `${read} of 3,000`)
  }
})

test('who gives up while pins are being listed gets no more of them', async () => {
  const pinset = new Pinset({ store: memoryStore(cids.map(cid => ({ key: `/c/s/k/${cidKey(cid)}/v`, value: PinMessage.encodeProtobuf(pinWithOptions(cid, defaultPinOptions, 0)) }))), clock: systemClock, codec: PinMessage, valuePrefix: '/c/s/k/' })
  await pinset.load()
  const signal = AbortSignal.abort(new Error('enough'))
  await assert.rejects(Array.fromAsync(pinset.list({ signal })), /enough/)
})

test('what is no pin of its key, in a folder of the Go program, does not stand in the way of the pins', async () => {
  const store = memoryStore()
  const [good, other, bad] = cids.map(cid => pinWithOptions(cid, defaultPinOptions, 0)) as [Pin, Pin, Pin]
  const prefix = '/c/s/k/'
  const value = PinMessage.encodeProtobuf(good)
  for (const [key, bytes] of [[cidKey(good.cid), value], [cidKey(other.cid), value], [cidKey(bad.cid), Uint8Array.of(0xff)], ['no/cid', value]] as const) {
    await store.batch([{ type: 'put', key: `${prefix}${key}/v`, value: bytes }, { type: 'put', key: `${prefix}${key}/p`, value: Uint8Array.of(2) }], { sync: true })
  }
  const pinset = new Pinset({ store, clock: systemClock, codec: PinMessage, valuePrefix: prefix })
  await pinset.load()
  assert.equal(pinset.count(), 1)
  assert.deepEqual((await Array.fromAsync(pinset.list({}))).flat().map(({ cid }) => cid), [good.cid])
  assert.deepEqual((await Array.fromAsync(store.keys({ gte: prefix, lt: '/c/s/k0' }))).flat(), ['p', 'v'].map(end => `${prefix}${cidKey(good.cid)}/${end}`))
})

test('expired pins come in steps, between which nothing is being read from the store', async () => {
  const stored = memoryStore()
  let reading = 0
  const store: Store = {
    ...stored,
    async * keys (range) {
      reading++
      try {
        yield * stored.keys(range)
      } finally {
        reading--
      }
    },
  }
  const pinset = new Pinset({ store, clock: systemClock, codec: PinMessage, valuePrefix: '/c/s/k/' })
  await pinset.load()
  const pins = Array.from({ length: 1_200 }, (_, n) => pinWithOptions(cidFromBytes(Buffer.concat([Buffer.from([1, 0x55, 0x12, 0x20]), Buffer.alloc(28), Buffer.from([0, 0, n >> 8, n])])), { ...defaultPinOptions, expireAt: 1_000 * n }, 0))
  const { operations } = pinset.operations(pins.map(pin => ({ cid: pin.cid, pin, value: PinMessage.encodeProtobuf(pin), previous: undefined, previousValue: undefined })))
  await store.batch(operations, { sync: false })
  const found: Cid[] = []
  for await (const some of pinset.expired(1_150_000, {})) {
    assert.equal(reading, 0)
    assert.ok(some.length <= 500)
    found.push(...some)
  }
  assert.deepEqual(found, pins.slice(1, 1_150).map(({ cid }) => cid))
})
