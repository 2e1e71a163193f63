import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { PinInfoMessage, PinMessage } from '../../codec/messages.ts'
import { cidFromBytes, cidKey, compareCids, type Cid } from '../../domain/cid.ts'
import { ClusterError, errorText } from '../../domain/errors.ts'
import type { Multiaddress, PeerId } from '../../domain/peer.ts'
import { defaultPinOptions, pinWithOptions } from '../../domain/pin.ts'
import { TrackerStatus, type GlobalPinInfo, type PinInfo } from '../../domain/status.ts'
import { memoryStore } from '../../platform/memory-store.ts'
import type { Store } from '../../platform/store.ts'
import { AgreedRange, ExpectedRange, inFull, type ExpectedStatus } from './expected-range.ts'
import { mergeStatuses, type NothingUpTo, type StatusSource } from './merge-statuses.ts'
import { toldByOthers } from './status-lines.ts'
import { StatusSorter } from './status-sorter.ts'

const peers = ['12D3KooWGRUVh6gLyjqFQgVNVFNP2xhYDxtTGGaDH2tW6cAkYvNp', '12D3KooWQE3CWA3MJ1YhrYNP8EE3JErGbrCtpKRkFrWgi45nYAMn', '12D3KooWPv2ZUaFZkmVqnXhpjNcz4LBQwoyKL3mBV3BDQGKBMKoJ'] as PeerId[]
const [a, b, c] = peers as [PeerId, PeerId, PeerId]
const lastKnown = () => ({ peername: 'known', ipfsPeerId: undefined, ipfsPeerAddresses: null })

/** Versions 0 and 1 in turn: their order as text is not that of their keys. */
function cidOf (n: number): Cid {
  const digest = Buffer.alloc(32)
  digest.writeUInt32BE(n * 2654435761 >>> 0)
  digest.writeUInt32BE(n, 28)
  return cidFromBytes(Buffer.concat([Buffer.from(n % 2 === 0 ? [0x12, 0x20] : [1, 0x55, 0x12, 0x20]), digest]))
}

function info (peer: PeerId, cid: Cid, changes: Partial<PinInfo> = {}): PinInfo {
  return { cid, name: 'pin', peer, allocations: [], origins: null, created: 1_700_000_000_000, metadata: null, peername: '', ipfsPeerId: undefined, ipfsPeerAddresses: null, status: TrackerStatus.pinned, timestamp: 1_700_000_000_000, error: '', attemptCount: 0, priorityPin: false, ...changes }
}

const sortedInfos = (peer: PeerId, numbers: readonly number[]): PinInfo[] => numbers.map(cidOf).toSorted(compareCids).map(cid => info(peer, cid))

async function * inBatches (infos: readonly PinInfo[], size: number, error?: Error): AsyncGenerator<PinInfo[]> {
  for (let at = 0; at < infos.length; at += size) yield infos.slice(at, at + size)
  if (error !== undefined) throw error
}

async function merged (sources: readonly StatusSource[]): Promise<{ infos: GlobalPinInfo[], failures: string[] }> {
  const failures: string[] = []
  const batches = inFull(mergeStatuses(sources, {
    failed: (peer, error) => { failures.push(`${peers.indexOf(peer)} ${errorText(error)}`) },
    standIn: peer => toldByOthers(lastKnown, peer, TrackerStatus.clusterError, 0, 'gone'),
  }))
  return { infos: (await Array.fromAsync(batches)).flat(), failures }
}

test('whatever the peers list and however it comes, each CID comes once, in order, with all that was said of it', async () => {
  const list = fc.uniqueArray(fc.nat(60))
  await fc.assert(fc.asyncProperty(fc.tuple(list, list, list), fc.integer({ min: 1, max: 7 }), async (lists, size) => {
    const sources = lists.map((numbers, i) => ({ peer: peers[i] as PeerId, infos: inBatches(sortedInfos(peers[i] as PeerId, numbers), size) }))
    const { infos, failures } = await merged(sources)
    assert.deepEqual(failures, [])
    const all = [...new Set(lists.flat())].map(cidOf).toSorted(compareCids)
    assert.deepEqual(infos.map(({ cid }) => cid), all)
    for (const { cid, peerMap } of infos) {
      const listing = peers.filter((_, i) => lists[i]?.some(n => cidOf(n) === cid))
      assert.deepEqual(Object.keys(peerMap), listing)
    }
  }), { numRuns: 50 })
})

function expected (cid: Cid): ExpectedStatus {
  const pin = pinWithOptions(cid, defaultPinOptions, 1_700_000_000_000)
  return { cid, info: info(a, cid), pin, value: PinMessage.encodeProtobuf(pin), isExpected: true, identity: lastKnown() }
}

test('ranges go together only where they are the same', async () => {
  const all = Array.from({ length: 12 }, (_, i) => cidOf(i)).toSorted(compareCids).map(expected)
  const ranges = [all.slice(0, 4), all.slice(4, 8), all.slice(8)]
  async function * having (peer: PeerId, ...numbers: number[]): AsyncGenerator<ExpectedRange> {
    for (const number of numbers) yield new ExpectedRange(ranges[number] as ExpectedStatus[], { peer, ...lastKnown() })
  }
  const sources = (): StatusSource[] => [{ peer: a, infos: having(a, 0, 2) }, { peer: b, infos: having(b, 1, 2) }]
  const steps = await Array.fromAsync(mergeStatuses(sources(), { failed: () => {}, standIn: () => undefined }))
  assert.deepEqual(steps.map(step => step instanceof AgreedRange), [false, true])
  const { infos } = await merged(sources())
  assert.deepEqual(infos.map(({ cid, peerMap }) => [cid, Object.keys(peerMap)]), all.map(({ cid }, i) => [cid, i < 4 ? [a] : i < 8 ? [b] : [a, b]]))
})

test('a peer that is left out does not keep the others from going by ranges, one that failed does', async () => {
  const all = Array.from({ length: 4 }, (_, i) => cidOf(i)).toSorted(compareCids).map(expected)
  async function * saying (peer: PeerId): AsyncGenerator<ExpectedRange> { yield new ExpectedRange(all, { peer, ...lastKnown() }) }
  const sources = (): StatusSource[] => [{ peer: a, infos: saying(a) }, { peer: b, infos: inBatches([], 1, new Error('no')) }, { peer: c, infos: saying(c) }]
  const steps = await Array.fromAsync(mergeStatuses(sources(), { failed: () => {}, standIn: () => undefined }))
  assert.deepEqual(steps.map(step => step instanceof AgreedRange), [true])
  const { infos } = await merged(sources())
  assert.deepEqual(infos.map(({ peerMap }) => Object.keys(peerMap).toSorted()), all.map(() => [a, b, c].toSorted()))
})

test('a range is looked into where another peer tells of some of its pins only, whoever comes first', async () => {
  const all = Array.from({ length: 6 }, (_, i) => cidOf(i)).toSorted(compareCids).map(expected)
  async function * range (): AsyncGenerator<ExpectedRange> { yield new ExpectedRange(all, { peer: a, ...lastKnown() }) }
  const some = [1, 2, 4].map(n => info(b, (all[n] as ExpectedStatus).cid))
  for (const inTurn of [(sources: StatusSource[]) => sources, (sources: StatusSource[]) => sources.toReversed()]) {
    const { infos, failures } = await merged(inTurn([{ peer: a, infos: range() }, { peer: b, infos: inBatches(some, 2) }]))
    assert.deepEqual(failures, [])
    assert.deepEqual(infos.map(({ cid, peerMap }) => [cid, Object.keys(peerMap).toSorted()]), all.map(({ cid }, n) => [cid, [1, 2, 4].includes(n) ? [a, b].toSorted() : [a]]))
  }
})

test('what one has need not wait for another that has nothing up to there and says no more', async () => {
  const infos = sortedInfos(a, Array.from({ length: 256 }, (_, n) => n))
  async function * hanging (): AsyncGenerator<NothingUpTo> {
    yield { nothingUpTo: cidKey((infos.at(-1) as PinInfo).cid) }
    await new Promise(() => {})
  }
  const sources: StatusSource[] = [{ peer: a, infos: inBatches(infos, 100) }, { peer: b, infos: hanging() }]
  for (const inTurn of [sources, [{ peer: b, infos: hanging() }, { peer: a, infos: inBatches(infos, 100) }]]) {
    const { value } = await mergeStatuses(inTurn, { failed: () => {}, standIn: () => undefined }).next()
    assert.deepEqual((value as GlobalPinInfo[]).map(({ cid }) => cid), infos.map(({ cid }) => cid))
  }
})

test('nor may what a peer says overlap with a range', async () => {
  const all = Array.from({ length: 8 }, (_, i) => cidOf(i)).toSorted(compareCids).map(expected)
  const ranges = [all.slice(0, 4), all.slice(4)].map(listed => new ExpectedRange(listed, { peer: a, ...lastKnown() })) as [ExpectedRange, ExpectedRange]
  const infoAt = (at: number): PinInfo[] => [info(b, (all[at] as ExpectedStatus).cid)]
  const [first, second] = ranges.map(({ listed }) => new ExpectedRange(listed, { peer: b, ...lastKnown() })) as [ExpectedRange, ExpectedRange]
  async function * saying (...said: Array<ExpectedRange | PinInfo[]>): AsyncGenerator<ExpectedRange | PinInfo[]> { yield * said }
  for (const said of [[first, infoAt(2), second], [first, infoAt(6), second], [first, first]]) {
    const { infos, failures } = await merged([{ peer: a, infos: saying(...ranges) }, { peer: b, infos: saying(...said) }])
    assert.match(failures.join(), /^1 its list is out of order at /)
    assert.deepEqual(infos.map(({ cid }) => cid), all.map(({ cid }) => cid))
    assert.deepEqual([infos[0]?.peerMap[b]?.status, infos[7]?.peerMap[b]?.status], [TrackerStatus.pinned, TrackerStatus.clusterError])
  }
})

test('a peer that fails half-way is in error from there on', async () => {
  const numbers = Array.from({ length: 10 }, (_, i) => i)
  const { infos, failures } = await merged([
    { peer: a, infos: inBatches(sortedInfos(a, numbers), 3) },
    { peer: b, infos: inBatches(sortedInfos(b, numbers).slice(0, 4), 3, new ClusterError('PEER_UNREACHABLE', 'connection lost')) },
  ])
  assert.deepEqual(failures, ['1 connection lost'])
  assert.deepEqual(infos.map(({ peerMap }) => peerMap[b]?.status), [...Array(4).fill(TrackerStatus.pinned), ...Array(6).fill(TrackerStatus.clusterError)])
  assert.ok(infos.every(({ peerMap }) => peerMap[a]?.status === TrackerStatus.pinned))
  assert.equal(infos[9]?.peerMap[b]?.peername, 'known')
})

test('a peer that breaks its promise of order is in error from there on', async () => {
  const good = sortedInfos(b, [1, 2, 3, 4])
  const { infos, failures } = await merged([
    { peer: a, infos: inBatches(sortedInfos(a, [1, 2, 3, 4]), 9) },
    { peer: b, infos: inBatches([good[0], good[2], good[1], good[3]] as PinInfo[], 9) },
  ])
  assert.equal(failures.length, 1)
  assert.equal(infos.length, 4)
  assert.equal(infos[3]?.peerMap[b]?.status, TrackerStatus.clusterError)
})

test('what a pin is comes from a peer that is not in error, whom a status is of from the stream it came by', async () => {
  const cid = cidOf(1)
  const { infos } = await merged([
    { peer: a, infos: inBatches([info(a, cid, { name: '', status: TrackerStatus.clusterError })], 1) },
    { peer: b, infos: inBatches([info(c, cid, { name: 'right' })], 1) },
  ])
  assert.equal(infos[0]?.name, 'right')
  assert.deepEqual(Object.keys(infos[0]?.peerMap ?? {}), [a, b])
})

test('nothing is read that nobody wants', async () => {
  let read = 0
  async function * endless (peer: PeerId): AsyncGenerator<PinInfo[]> {
    for (const entry of sortedInfos(peer, Array.from({ length: 5_000 }, (_, i) => i))) {
      read++
      yield [entry]
    }
  }
  const batches = inFull(mergeStatuses([{ peer: a, infos: endless(a) }], { failed: () => {}, standIn: () => undefined }))
  await batches.next()
  assert.ok(read < 300, `${read} read for the first batch`)
  await batches.return(undefined)
})

test('long statuses go on before many of them are held, and no error without end is told on', async () => {
  let read = 0
  const long = 'x'.repeat(1024 * 1024)
  async function * endless (): AsyncGenerator<PinInfo[]> {
    for (const entry of sortedInfos(a, Array.from({ length: 100 }, (_, i) => i))) {
      read++
      yield [{ ...entry, error: long, metadata: { long } }]
    }
  }
  const batches = inFull(mergeStatuses([{ peer: a, infos: endless() }], { failed: () => {}, standIn: () => undefined }))
  const { value } = await batches.next() as { value: GlobalPinInfo[] }
  assert.ok(read <= 8, `${read} MiB were read for the first batch`)
  assert.equal(value[0]?.metadata?.long, long)
  assert.equal(value[0]?.peerMap[a]?.error, `${long.slice(0, 8_192)}…`)
  await batches.return(undefined)
})

test('nor many in which the peers have much to say of themselves', async () => {
  const long = 'x'.repeat(512 * 1024)
  const address = `/dns4/${long}` as Multiaddress
  for (const changes of [{ peername: long }, { ipfsPeerAddresses: [address] }] satisfies Array<Partial<PinInfo>>) {
    let read = 0
    async function * endless (peer: PeerId): AsyncGenerator<PinInfo[]> {
      for (const entry of sortedInfos(peer, Array.from({ length: 100 }, (_, i) => i))) {
        read++
        yield [{ ...entry, ...changes }]
      }
    }
    const batches = inFull(mergeStatuses([a, b].map(peer => ({ peer, infos: endless(peer) })), { failed: () => {}, standIn: () => undefined }))
    await batches.next()
    assert.ok(read <= 16, `${read} times half a MiB were read for the first batch`)
    await batches.return(undefined)
  }
})

test('a list without order is sorted, in memory or through the store, and leaves nothing there', async () => {
  for (const mostInMemory of [1_000, 10]) {
    const store = memoryStore()
    const sorter = new StatusSorter({ store, codec: PinInfoMessage, mostInMemory })
    const numbers = Array.from({ length: 300 }, (_, i) => (i * 7919) % 300)
    const given = [...numbers.map(n => info(b, cidOf(n))), info(b, cidOf(5), { name: 'later' })]
    const result = (await Array.fromAsync(sorter.sorted(inBatches(given, 40)))).flat()
    assert.deepEqual(result.map(({ cid }) => cid), numbers.map(cidOf).toSorted(compareCids))
    assert.deepEqual(result.find(({ cid }) => cid === cidOf(5)), info(b, cidOf(5), { name: 'later' }))
    assert.deepEqual(await Array.fromAsync(store.keys({})), [])
  }
})

const long = 'x'.repeat(1024 * 1024)
const addresses = Array.from({ length: 4_200 }, () => `/dns4/${'x'.repeat(240)}/tcp/1` as Multiaddress)
for (const [what, changes] of Object.entries<Partial<PinInfo>>({
  errors: { error: long },
  names: { name: long },
  'names of peers': { peername: long },
  metadata: { metadata: { key: long } },
  'keys of metadata': { metadata: { [long]: '' } },
  origins: { origins: addresses },
  'addresses of a node': { ipfsPeerAddresses: addresses },
  holders: { allocations: Array.from({ length: 16_384 }, () => a) },
})) test(`a list of statuses with long ${what} goes through the store before it fills the memory, and has a limit`, async () => {
  let written = 0
  const store = memoryStore()
  const counting: Store = { ...store, batch: async (operations, options) => {
    written += operations.length
    await store.batch(operations, options)
  } }
  const sorter = new StatusSorter({ store: counting, codec: PinInfoMessage })
  let mostInMemory = 0
  async function * listing (count: number): AsyncGenerator<PinInfo[]> {
    for (let n = 0; n < count; n++) {
      mostInMemory = Math.max(mostInMemory, n - written)
      yield [info(b, cidOf(n), changes)]
    }
  }
  const result = (await Array.fromAsync(sorter.sorted(listing(40)))).flat()
  assert.equal(result.length, 40)
  assert.deepEqual(result[0], info(b, (result[0] as PinInfo).cid, changes))
  assert.ok(mostInMemory <= 16, `${mostInMemory} MiB of statuses in memory`)
  const read: PinInfo[] = []
  await assert.rejects(async () => {
    for await (const batch of sorter.sorted(listing(1_000), 8 * 1024 * 1024)) read.push(...batch)
  }, { code: 'TOO_LARGE' })
  assert.ok(read.length > 0 && read.length < 10)
})

test('an error of a list without order comes after what was read', async () => {
  const sorter = new StatusSorter({ store: memoryStore(), codec: PinInfoMessage, mostInMemory: 2 })
  const read: PinInfo[] = []
  await assert.rejects(async () => {
    for await (const batch of sorter.sorted(inBatches([4, 2, 3, 1].map(n => info(b, cidOf(n))), 1, new Error('cut off')))) read.push(...batch)
  }, /cut off/)
  assert.equal(read.length, 4)
})

test('what a crash has left of a sort is cleared at the start', async () => {
  const store = memoryStore([{ key: '/flotilla/sort/0/AB', value: Uint8Array.of(1) }, { key: '/flotilla/journal/1', value: Uint8Array.of(2) }])
  await new StatusSorter({ store, codec: PinInfoMessage }).start()
  assert.deepEqual((await Array.fromAsync(store.keys({}))).flat(), ['/flotilla/journal/1'])
})
