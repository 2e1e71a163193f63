import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { cid, multiaddress, peerId, peerPinStatus, storedPin, text } from '../../../test/arbitraries.ts'
import { encodeLines } from '../../codec/encode-lines.ts'
import { GlobalPinInfoMessage, PinInfoMessage, PinMessage } from '../../codec/messages.ts'
import type { MsgpackValue } from '../../codec/message.ts'
import { MsgpackReader } from '../../codec/msgpack-reader.ts'
import { MsgpackWriter } from '../../codec/msgpack.ts'
import { isRangeStart, RangeReplyValue, StatusRangeValue, type RangeReply, type StatusRange } from '../../codec/status-ranges.ts'
import type { Consensus } from '../../consensus/consensus.ts'
import { compareCids } from '../../domain/cid.ts'
import { ClusterError, errorText } from '../../domain/errors.ts'
import type { PeerId } from '../../domain/peer.ts'
import type { Pin } from '../../domain/pin.ts'
import { expectedStatus, TrackerStatus, type PeerPinStatus } from '../../domain/status.ts'
import { sleep } from '../../platform/clock.ts'
import { silentLoggers } from '../../platform/logger.ts'
import { memoryStore } from '../../platform/memory-store.ts'
import { noMetrics } from '../../platform/metrics.ts'
import { virtualClock } from '../../platform/virtual-clock.ts'
import { infoOfPin } from '../../tracker/pin-info.ts'
import type { ListedStatus } from '../../tracker/tracker.ts'
import { cidOf, seededRandom } from '../../tracker/tracker.fixture.ts'
import { answerRanges } from './answer-ranges.ts'
import { encodedStatuses } from './encoded-statuses.ts'
import { inFull } from './expected-range.ts'
import { statusesOfAllPeers, type AllStatusParts, type AskAll } from './status-all.ts'
import { globalOf } from './status-lines.ts'
import { StatusSorter } from './status-sorter.ts'

const peers = ['12D3KooWQE3CWA3MJ1YhrYNP8EE3JErGbrCtpKRkFrWgi45nYAMn', '12D3KooWN4XQAV3ndYpY7kxq77CNjRVCVJh9mk2WH9CgaY4xVQun', '12D3KooWBhMbLvQWgcYs7rZ8bBhZGmVyBpRjFBcJ8hkDqvQeVNZ1'] as PeerId[]

/** What a peer lists, in steps; after so many of them it fails. */
interface Lister { readonly peer: PeerId, readonly steps: readonly (readonly ListedStatus[])[], readonly failsAfter?: number | undefined }

async function * listed ({ steps, failsAfter = Infinity }: Lister): AsyncGenerator<ListedStatus[]> {
  for (const [at, step] of steps.entries()) {
    if (at >= failsAfter) break
    yield [...step]
  }
  if (failsAfter < Infinity) throw new ClusterError('IPFS_UNREACHABLE', 'no node')
}

/** As it is when it has gone over a wire. */
async function * sent<T> (codec: MsgpackValue<T>, values: AsyncIterable<T[]>): AsyncGenerator<T[]> {
  const writer = new MsgpackWriter()
  for await (const batch of values) {
    yield batch.map(value => {
      codec.write(writer, value)
      return codec.read(new MsgpackReader(writer.finish()))
    })
  }
}

async function * single<T> (values: AsyncIterable<T>): AsyncGenerator<T[]> { for await (const value of values) yield [value] }
async function * flat<T> (values: AsyncIterable<T[]>): AsyncGenerator<T> { for await (const batch of values) yield * batch }
async function * infosOf (lister: Lister) { for await (const step of listed(lister)) yield step.map(({ info }) => info) }

/** What the first of the members has to ask all of them with. */
function partsOf (members: readonly PeerId[], clock = virtualClock()): AllStatusParts {
  return {
    self: members[0] as PeerId,
    consensus: { peers: async () => members.toSorted(), pinset: () => ({ count: () => 1_000 }) } as unknown as Consensus,
    followerMode: false,
    lastKnown: () => known,
    isAlive: () => true,
    sorter: new StatusSorter({ store: memoryStore(), codec: PinInfoMessage }),
    platform: { clock, random: seededRandom(1), loggers: silentLoggers, metrics: noMetrics },
  }
}

/** The lines of all statuses and the error at their end, as the first of the peers gives them; `said` is told what came from the others by ranges, which the `older` of them do not know. */
async function linesOf (listers: readonly Lister[], knowing: ReadonlySet<PeerId>, said: (reply: RangeReply) => void = () => {}, older: ReadonlySet<PeerId> = new Set(), read: typeof encodedStatuses = encodedStatuses): Promise<string[]> {
  const [own, ...others] = listers as [Lister, ...Lister[]]
  const byPeer = new Map(others.map(lister => [lister.peer, lister]))
  const parts: AllStatusParts = { ...partsOf(listers.map(({ peer }) => peer)), lastKnown: () => ({ peername: 'last known', ipfsPeerId: undefined, ipfsPeerAddresses: null }) }
  async function * replies (peer: PeerId, ranges: AsyncIterable<StatusRange>): AsyncGenerator<RangeReply[]> {
    if (older.has(peer)) throw new ClusterError('UNSUPPORTED', "rpc: can't find method StatusRanges")
    for await (const batch of sent(RangeReplyValue, answerRanges(listed(byPeer.get(peer) as Lister), flat(sent(StatusRangeValue, single(ranges)))))) {
      for (const reply of batch) said(reply)
      yield batch
    }
  }
  const ask: AskAll = {
    local: () => infosOf(own),
    remote: peer => Object.assign(sent(PinInfoMessage, infosOf(byPeer.get(peer) as Lister)), { isOrdered: () => true }),
    ranges: { listed: () => listed(own), isAnsweredBy: peer => knowing.has(peer), remote: replies },
  }
  let text = ''
  try {
    for await (const lines of read(statusesOfAllPeers(parts, ask, {}))) text += Buffer.from(lines).toString()
  } catch (error) {
    text += error instanceof AggregateError ? error.errors.map(errorText).join() : errorText(error)
  }
  return text.split('\n')
}

/** As objects that are encoded then. */
async function * oneByOne (batches: Parameters<typeof encodedStatuses>[0]): AsyncGenerator<Uint8Array> {
  for await (const batch of inFull(batches)) yield encodeLines(batch, GlobalPinInfoMessage.encodeJson)
}

type Identity = Pick<PeerPinStatus, 'peername' | 'ipfsPeerId' | 'ipfsPeerAddresses'>

function rowOf (pin: Pin, peer: PeerId, identity: Identity, isStored = true): ListedStatus {
  return { cid: pin.cid, identity, info: infoOfPin(pin, expectedStatus(pin, peer), '', peer, identity), pin, value: isStored ? PinMessage.encodeProtobuf(pin) : undefined, isExpected: true }
}

const identity: fc.Arbitrary<Identity> = fc.record({ peername: text, ipfsPeerId: fc.option(peerId, { nil: undefined }), ipfsPeerAddresses: fc.option(fc.array(multiaddress, { minLength: 1, maxLength: 2 })) }, { noNullPrototype: true })

/** What becomes of each pin on one peer, and what it has besides. */
const view = fc.record({
  /** Mostly as it shall be, so that ranges are equal. */
  fates: fc.array(fc.oneof({ weight: 12, arbitrary: fc.constant('expected' as const) }, { weight: 2, arbitrary: peerPinStatus }, { weight: 2, arbitrary: fc.constantFrom('missing', 'renamed', 'pending', 'elsewhere') }), { minLength: 24, maxLength: 24 }),
  strays: fc.array(fc.tuple(cid, peerPinStatus), { maxLength: 2 }),
  identities: fc.tuple(identity, identity),
  stepLength: fc.integer({ min: 1, max: 8 }),
  failsAfter: fc.oneof({ weight: 5, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: fc.nat(8) }),
})

function listerOf (peer: PeerId, pins: readonly Pin[], { fates, strays, identities, stepLength, failsAfter }: typeof view extends fc.Arbitrary<infer T> ? T : never): Lister {
  const rows = pins.flatMap((pin, i): ListedStatus[] => {
    const fate = fates[i] as (typeof fates)[number]
    // What is pending on two peers need not be the same.
    const changed = fate === 'renamed' ? { ...pin, name: `${pin.name}!` } : fate === 'pending' ? { ...pin, timestamp: pin.timestamp + 1000 * peers.indexOf(peer) } : pin
    const row = rowOf(changed, peer, identities[0], fate !== 'pending')
    if (fate === 'missing') return []
    if (fate === 'elsewhere') return [rowOf(pin, peer, identities[1])]
    return [typeof fate === 'object' ? { ...row, info: { ...row.info, ...fate }, isExpected: false } : row]
  })
  for (const [cid, status] of strays) {
    if (!rows.some(({ info }) => info.cid === cid)) rows.push({ cid, identity: status, info: { cid, name: '', peer, allocations: null, origins: null, created: 0, metadata: null, ...status }, pin: undefined, value: undefined, isExpected: false })
  }
  rows.sort((a, b) => compareCids(a.info.cid, b.info.cid))
  const steps = Array.from({ length: Math.ceil(rows.length / stepLength) }, (_, i) => rows.slice(i * stepLength, (i + 1) * stepLength))
  return { peer, steps, failsAfter }
}

const world = fc.record({ pins: fc.uniqueArray(storedPin, { selector: ({ cid }) => cid, maxLength: 24 }), views: fc.tuple(view, view, view), knowing: fc.subarray(peers), order: fc.shuffledSubarray(peers, { minLength: 3 }) })

test('what is asked for by ranges gives the same lines, whatever the peers have and say', async () => {
  await fc.assert(fc.asyncProperty(world, async ({ pins, views, knowing, order }) => {
    // As the store gives them back.
    const stored = pins.map(pin => PinMessage.decodeProtobuf(PinMessage.encodeProtobuf(pin)))
    const listers = order.map((peer, i) => listerOf(peer, stored, views[i] as (typeof views)[number]))
    const lines = await linesOf(listers, new Set())
    assert.deepEqual(await linesOf(listers, new Set(knowing)), lines)
    assert.deepEqual(await linesOf(listers, new Set(knowing), undefined, undefined, oneByOne), lines)
  }), { numRuns: 300 })
})

test('nor are those of one peer alone others', async () => {
  await fc.assert(fc.asyncProperty(fc.uniqueArray(storedPin, { selector: ({ cid }) => cid, maxLength: 24 }), view, async (pins, view) => {
    const lister = listerOf(peers[0] as PeerId, pins.map(pin => PinMessage.decodeProtobuf(PinMessage.encodeProtobuf(pin))), view)
    const { steps, failsAfter } = lister
    const said = steps.slice(0, failsAfter).flat().map(({ info }) => GlobalPinInfoMessage.encodeJson(globalOf(info)))
    assert.deepEqual(await linesOf([lister], new Set()), [...said, failsAfter === undefined ? '' : 'no node'])
  }), { numRuns: 100 })
})

const pins = Array.from({ length: 3000 }, (_, i): Pin => ({ ...fc.sample(storedPin, { numRuns: 1, seed: 5 })[0] as Pin, cid: cidOf(i), type: 'pin' })).toSorted((a, b) => compareCids(a.cid, b.cid))
const known: Identity = { peername: 'a name', ipfsPeerId: peers[2], ipfsPeerAddresses: null }
function stepsOf (rows: readonly ListedStatus[], length: number): ListedStatus[][] {
  return Array.from({ length: Math.ceil(rows.length / length) }, (_, i) => rows.slice(i * length, (i + 1) * length))
}

test('of equal pinsets only what is not expected is said, however differently the peers list them', async () => {
  const [own, other] = peers as [PeerId, PeerId]
  const rows = pins.map(pin => rowOf(pin, other, known))
  rows[700] = { ...rows[700] as ListedStatus, info: { ...(rows[700] as ListedStatus).info, status: TrackerStatus.pinError, error: 'no' }, isExpected: false }
  const listers = [{ peer: own, steps: stepsOf(pins.map(pin => rowOf(pin, own, known)), 100) }, { peer: other, steps: stepsOf(rows, 71) }]
  const said: RangeReply[] = []
  const lines = await linesOf(listers, new Set([other]), reply => { said.push(reply) })
  assert.equal(lines.length, pins.length + 1)
  assert.deepEqual(said.filter(reply => !isRangeStart(reply)).map(reply => 'cid' in reply && reply.cid), [pins[700]?.cid])
  assert.equal(said.filter(isRangeStart).length, 31)
})

test('pins that are as expected everywhere are neither decoded nor made statuses of', async () => {
  const untouched = (row: ListedStatus): ListedStatus => Object.defineProperties({ ...row }, { info: { get () { throw new Error('made') } }, pin: { get () { throw new Error('decoded') } } })
  const listersOf = (convert: (row: ListedStatus) => ListedStatus) => peers.map((peer): Lister => ({ peer, steps: stepsOf(pins.map(pin => convert(rowOf(pin, peer, known))), 100) }))
  const lines = await linesOf(listersOf(untouched), new Set(peers))
  assert.deepEqual(lines, await linesOf(listersOf(row => row), new Set()))
})

test('a peer is told of as it is in each range', async () => {
  const [own, other] = peers as [PeerId, PeerId]
  const listers = [own, other].map((peer): Lister => ({ peer, steps: stepsOf(pins.map((pin, i) => rowOf(pin, peer, peer === own || i < 1000 ? known : { ...known, peername: i < 2000 ? 'another name' : known.peername, ipfsPeerId: peers[1] })), 100) }))
  assert.deepEqual(await linesOf(listers, new Set([other])), await linesOf(listers, new Set()))
})

test('only the ranges in which pinsets differ are said in full', async () => {
  const [own, other] = peers as [PeerId, PeerId]
  const rows = pins.filter((_, i) => i !== 1234).map(pin => rowOf(pin, other, known))
  const listers = [{ peer: own, steps: stepsOf(pins.map(pin => rowOf(pin, own, known)), 100) }, { peer: other, steps: stepsOf(rows, 100) }]
  let infos = 0
  await linesOf(listers, new Set([other]), reply => { if (!isRangeStart(reply)) infos++ })
  assert.equal(infos, 99)
})

test('a peer that has far more than was asked for is not held in memory', async () => {
  const rows = Array.from({ length: 20 }, () => pins.slice(0, 1000)).flat().map(pin => rowOf(pin, peers[1] as PeerId, known))
  const largest: number[] = []
  async function * all (): AsyncGenerator<StatusRange> { yield { last: '', digest: Uint8Array.of(1) } }
  for await (const batch of answerRanges(listed({ peer: peers[1] as PeerId, steps: stepsOf(rows, 500) }), all())) largest.push(batch.length)
  assert.equal(largest.reduce((sum, length) => sum + length, 0), rows.length + 1)
  assert.ok(Math.max(...largest) < 10_000, `${Math.max(...largest)} at once`)
})

test('a peer that has nothing of what this one has does not hold it up', { timeout: 60_000 }, async () => {
  const [own, other, third] = peers as [PeerId, PeerId, PeerId]
  const ours = stepsOf(pins.map(pin => rowOf(pin, own, known)), 100)
  const few = [10, 2900].map(at => rowOf(pins[at] as Pin, other, known))
  for (const theirs of [[], few]) {
    const listers = [{ peer: own, steps: ours }, { peer: other, steps: stepsOf(theirs, 100) }, { peer: third, steps: stepsOf(pins.map(pin => rowOf(pin, third, known)), 70) }]
    assert.deepEqual(await linesOf(listers, new Set([other, third])), await linesOf(listers, new Set()))
  }
})

test('a peer that answers questions is not held silent while another one, which answers none, holds the next up', async () => {
  const clock = virtualClock()
  const [own, other, mute] = peers as [PeerId, PeerId, PeerId]
  const parts = partsOf(peers, clock)
  let longestWaitMs = 0
  const ask: AskAll = {
    local: () => infosOf({ peer: own, steps: [] }),
    remote: () => { throw new Error('not asked so') },
    ranges: {
      listed: () => listed({ peer: own, steps: stepsOf(pins.map(pin => rowOf(pin, own, known)), 100) }),
      isAnsweredBy: () => true,
      async * remote (peer, ranges) {
        if (peer === mute) for await (const _ of ranges) await new Promise(() => {})
        const replies: RangeReply[] = []
        let hasEnded = false
        void (async () => {
          let waitsSince = clock.monotonic()
          for await (const { digest } of ranges) {
            longestWaitMs = Math.max(longestWaitMs, clock.monotonic() - waitsSince)
            waitsSince = clock.monotonic()
            replies.push({ ...equal, isEqual: digest.length > 0 })
          }
          hasEnded = true
        })()
        // It answers together what has come together, at first at once.
        while (!hasEnded || replies.length > 0) {
          await sleep(clock, clock.monotonic() < 60_000 ? 10 : 30_000)
          if (replies.length > 0) yield replies.splice(0)
        }
      },
    },
  }
  const statuses: Array<TrackerStatus | undefined> = []
  const reading = (async () => {
    for await (const infos of inFull(statusesOfAllPeers(parts, ask, {}))) for (const { peerMap } of infos) statuses.push(peerMap[other]?.status)
  })()
  reading.catch(() => {})
  await clock.advance(60 * 60_000)
  await assert.rejects(reading, error => error instanceof ClusterError && error.message.startsWith(mute) && error.code === 'TIMED_OUT')
  assert.deepEqual([statuses.length, statuses.includes(TrackerStatus.clusterError), statuses.includes(undefined)], [pins.length, false, false])
  assert.ok(longestWaitMs < 9 * 60_000, 'a peer waits ten minutes for its next question')
})

test('who stops reading ends the listing and the questions, also to a peer that has stopped answering', async () => {
  const clock = virtualClock()
  const [own, other] = peers as [PeerId, PeerId]
  const ended: string[] = []
  const ask: AskAll = {
    local: () => infosOf({ peer: own, steps: [] }),
    remote: () => { throw new Error('not asked so') },
    ranges: {
      async * listed () {
        try {
          yield * listed({ peer: own, steps: stepsOf(pins.map(pin => rowOf(pin, own, known)), 100) })
        } finally {
          ended.push('listing')
        }
      },
      isAnsweredBy: () => true,
      async * remote (_peer, ranges) {
        void (async () => {
          for await (const _ of ranges) { /* It takes all that it is asked. */ }
          ended.push('questions')
        })()
        yield [equal]
        await new Promise(() => {})
      },
    },
  }
  const reading = statusesOfAllPeers(partsOf([own, other], clock), ask, {})
  assert.equal((await reading.next()).done, false)
  await clock.settle()
  assert.deepEqual(ended, [])
  await reading.return(undefined)
  await clock.settle()
  assert.deepEqual(ended.toSorted(), ['listing', 'questions'])
})

test('a peer of an earlier version, which does not know the question, is asked for all', async () => {
  const [own, other] = peers as [PeerId, PeerId]
  const listers = [{ peer: own, steps: stepsOf(pins.map(pin => rowOf(pin, own, known)), 100) }, { peer: other, steps: stepsOf(pins.map(pin => rowOf(pin, other, known)), 100) }]
  const lines = await linesOf(listers, new Set([other]), undefined, new Set([other]))
  assert.deepEqual(lines, await linesOf(listers, new Set()))
})

test('nor are large pins', async () => {
  const value = new Uint8Array(1024 * 1024)
  const rows = pins.slice(0, 40).map(pin => ({ ...rowOf(pin, peers[1] as PeerId, known), value }))
  let listedRows = 0
  async function * counted (): AsyncGenerator<ListedStatus[]> {
    for (const row of rows) {
      listedRows++
      yield [row]
    }
  }
  async function * all (): AsyncGenerator<StatusRange> { yield { last: '', digest: Uint8Array.of(1) } }
  const replies = answerRanges(counted(), all())
  const { value: first } = await replies.next()
  assert.ok(first !== undefined && first.length > 1 && listedRows < 15, `${listedRows} read before the first answer`)
  await replies.return(undefined)
})

/** Our pinset of two ranges, and a peer that answers each as it likes. */
async function answeredWith (replies: (range: StatusRange, at: number) => RangeReply[]): Promise<string> {
  const [own, other] = peers as [PeerId, PeerId]
  const some = pins.slice(0, 4).map(pin => rowOf(pin, own, known))
  const ask: AskAll = {
    local: () => infosOf({ peer: own, steps: [some] }),
    remote: () => { throw new Error('not asked so') },
    ranges: {
      listed: () => listed({ peer: own, steps: stepsOf(some, 2) }),
      isAnsweredBy: () => true,
      async * remote (_peer, ranges) {
        let at = 0
        for await (const range of ranges) yield replies(range, at++)
      },
    },
  }
  try {
    for await (const _ of statusesOfAllPeers(partsOf([own, other]), ask, {})) { /* Only the end counts. */ }
    return ''
  } catch (error) {
    assert.ok(error instanceof ClusterError)
    return `${error.code} ${error.message.replace(/^\S+ /, '')}`
  }
}

const equal = { isEqual: true, unexpected: 0, ...known }
const info = (i: number): RangeReply => rowOf(pins[i] as Pin, peers[1] as PeerId, known).info

test('an answer that does not fit the questions is an error of that peer', async () => {
  assert.equal(await answeredWith(() => [equal]), '')
  assert.equal(await answeredWith((_range, at) => at === 0 ? [{ ...equal, unexpected: 2 }, info(0), info(1)] : [equal]), '')
  assert.equal(await answeredWith((_range, at) => at === 0 ? [] : at === 1 ? [{ ...equal, isEqual: false }, info(0), info(1), equal] : [equal]), '', 'two ranges that come together')
  const wrong = 'INVALID_WIRE_DATA its answer is out of order: '
  assert.equal(await answeredWith(() => [info(0)]), `${wrong}a status before the first range`)
  assert.equal(await answeredWith(() => [equal, info(0)]), `${wrong}more statuses than a range has`)
  assert.equal(await answeredWith(() => [{ ...equal, unexpected: 2 }, info(0), equal]), `${wrong}a range ends before what it has`)
  assert.equal(await answeredWith(() => [equal, equal, equal, equal]), `${wrong}more ranges than were asked for`)
  assert.equal(await answeredWith((_range, at) => at === 0 ? [equal] : []), `${wrong}it ends before the last range`)
  assert.equal(await answeredWith((_range, at) => at === 2 ? [{ ...equal, unexpected: 1 }] : [equal]), `${wrong}it ends before the last range`)
  assert.match(await answeredWith((_range, at) => at === 0 ? [{ ...equal, unexpected: 2 }, info(1), info(0)] : [equal]), /^INVALID_WIRE_DATA its list is out of order/)
})
