import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PinInfoMessage } from '../../codec/messages.ts'
import type { Consensus } from '../../consensus/consensus.ts'
import { compareCids, type Cid } from '../../domain/cid.ts'
import { ClusterError } from '../../domain/errors.ts'
import type { PeerId } from '../../domain/peer.ts'
import { statusName, TrackerStatus, type GlobalPinInfo, type PinInfo } from '../../domain/status.ts'
import { silentLogger } from '../../platform/logger.ts'
import { memoryStore } from '../../platform/memory-store.ts'
import { noMetrics } from '../../platform/metrics.ts'
import { virtualClock } from '../../platform/virtual-clock.ts'
import type { PeerStatuses } from '../../rpc/peer-calls.ts'
import { cidOf, otherPeer, seededRandom, self } from '../../tracker/tracker.fixture.ts'
import { inFull } from './expected-range.ts'
import { statusesOfAllPeers, type AllStatusParts } from './status-all.ts'
import { StatusSorter } from './status-sorter.ts'

const cids = [1, 2, 3, 4, 5].map(cidOf).toSorted(compareCids)

function info (peer: PeerId, cid: Cid): PinInfo {
  return { cid, name: '', peer, allocations: [], origins: null, created: 0, metadata: null, peername: '', ipfsPeerId: undefined, ipfsPeerAddresses: null, status: TrackerStatus.pinned, timestamp: 0, error: '', attemptCount: 0, priorityPin: false }
}

/** One other peer that answers as `remote` says; the signal that it was given is noted. */
function world (remote: (signal: AbortSignal) => AsyncGenerator<PinInfo[]>, options: { isOrdered?: boolean, isAlive?: () => boolean, pins?: number, signal?: AbortSignal } = {}) {
  const clock = virtualClock()
  const given: { signal?: AbortSignal | undefined } = {}
  const warnings: string[] = []
  const parts: AllStatusParts = {
    self,
    consensus: { peers: async () => [self, otherPeer], pinset: () => ({ count: () => options.pins ?? cids.length }) } as unknown as Consensus,
    followerMode: false,
    lastKnown: () => ({ peername: 'other', ipfsPeerId: undefined, ipfsPeerAddresses: null }),
    isAlive: options.isAlive ?? (() => true),
    sorter: new StatusSorter({ store: memoryStore(), codec: PinInfoMessage }),
    platform: { clock, random: seededRandom(1), loggers: { component: () => ({ ...silentLogger, warn: (...told: unknown[]) => { warnings.push(String(told.at(-1))) } }) }, metrics: noMetrics },
  }
  const seen: GlobalPinInfo[] = []
  const reading = (async () => {
    const all = inFull(statusesOfAllPeers(parts, {
      local: async function * () { yield cids.map(cid => info(self, cid)) },
      remote: (_peer, { signal }): PeerStatuses => {
        given.signal = signal
        return Object.assign(remote(signal as AbortSignal), options.isOrdered === true ? { isOrdered: () => true } : {})
      },
    }, { ...(options.signal && { signal: options.signal }) }))
    for await (const infos of all) seen.push(...infos)
  })()
  reading.catch(() => {})
  return { clock, given, warnings, seen, reading, others: () => seen.map(({ peerMap }) => statusName(peerMap[otherPeer]?.status ?? 0)) }
}

test('a peer that promises no order is waited for and sorted', async () => {
  const { reading, others, seen } = world(async function * () {
    for (const cid of cids.toReversed()) yield [info(otherPeer, cid)]
  })
  await reading
  assert.deepEqual(seen.map(({ cid }) => cid), cids)
  assert.deepEqual(others(), cids.map(() => 'pinned'))
})

test('a peer that does not keep the order that it has promised is in error from there on', async () => {
  const { reading, others } = world(async function * () {
    for (const i of [0, 2, 1, 3, 4]) yield [info(otherPeer, cids[i] as Cid)]
  }, { isOrdered: true })
  await assert.rejects(reading, new RegExp(`^ClusterError: ${otherPeer}: its list is out of order`))
  assert.deepEqual(others(), ['pinned', 'undefined', 'pinned', 'cluster_error', 'cluster_error'])
})

test('a peer that falls silent and is not heard any more is given up, and told', async () => {
  let isAlive = true
  const { clock, reading, others, given } = world(async function * (signal) {
    yield cids.slice(0, 2).map(cid => info(otherPeer, cid))
    await new Promise((_resolve, reject) => { signal.addEventListener('abort', () => { reject(signal.reason as Error) }) })
  }, { isOrdered: true, isAlive: () => isAlive })
  await clock.advance(120_000)
  assert.equal(given.signal?.aborted, false)
  isAlive = false
  await clock.advance(30_000)
  await assert.rejects(reading, /the peer has stopped answering/)
  assert.deepEqual(others(), ['pinned', 'pinned', 'cluster_error', 'cluster_error', 'cluster_error'])
  assert.equal(given.signal?.aborted, true)
})

test('who goes away leaves no warnings of the peers that were asked', async () => {
  const silent = async function * (signal: AbortSignal): AsyncGenerator<PinInfo[]> {
    yield cids.slice(0, 2).map(cid => info(otherPeer, cid))
    await new Promise((_resolve, reject) => { signal.addEventListener('abort', () => { reject(signal.reason as Error) }) })
  }
  const leaving = new AbortController()
  const left = world(silent, { isOrdered: true, signal: leaving.signal })
  await left.clock.advance(1_000)
  leaving.abort(new ClusterError('CANCELLED', 'the client went away'))
  await assert.rejects(left.reading, /the client went away/)
  assert.deepEqual(left.warnings, [])
  const stayed = world(silent, { isOrdered: true, isAlive: () => false })
  await stayed.clock.advance(30_000)
  await assert.rejects(stayed.reading)
  assert.deepEqual(stayed.warnings, ['statuses of a peer are missing: the peer has stopped answering'])
})

test('a peer that pings but never answers is given up in the end', async () => {
  const { clock, reading } = world(async function * () {
    await new Promise(() => {})
  })
  await clock.advance(11 * 60_000)
  await assert.rejects(reading, (error: unknown) => error instanceof ClusterError && error.code === 'TIMED_OUT')
})

test('a peer that looks through very many pins may be silent for as long as that takes', async () => {
  const { promise: looked, resolve: found } = Promise.withResolvers<void>()
  const { clock, reading, others } = world(async function * () {
    await looked
    yield cids.map(cid => info(otherPeer, cid))
  }, { isOrdered: true, pins: 80_000_000 })
  await clock.advance(45 * 60_000)
  found()
  await reading
  assert.deepEqual(others(), cids.map(() => 'pinned'))
})

test('a peer that lists without end is given up', async () => {
  const { reading } = world(async function * () {
    for (;;) yield Array.from({ length: 10_000 }, () => info(otherPeer, cids[0] as Cid))
  })
  await assert.rejects(reading, (error: unknown) => error instanceof ClusterError && error.code === 'TOO_LARGE')
})
