import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultPinOptions, pinWithOptions } from '../../domain/pin.ts'
import type { PeerId } from '../../domain/peer.ts'
import { TrackerStatus } from '../../domain/status.ts'
import { virtualClock } from '../../platform/virtual-clock.ts'
import { infoOfPin } from '../../tracker/pin-info.ts'
import { cidOf } from '../../tracker/tracker.fixture.ts'
import type { ListedStatus } from '../../tracker/tracker.ts'
import { compareCids } from '../../domain/cid.ts'
import { RestingListings } from './resting-listings.ts'

const self = '12D3KooWQE3CWA3MJ1YhrYNP8EE3JErGbrCtpKRkFrWgi45nYAMn' as PeerId
const cids = Array.from({ length: 40 }, (_, n) => cidOf(n)).toSorted(compareCids)
const statuses = cids.map((cid): ListedStatus => {
  const pin = pinWithOptions(cid, defaultPinOptions, 1_700_000_000_000)
  const identity = { peername: '', ipfsPeerId: undefined, ipfsPeerAddresses: null }
  return { cid, info: infoOfPin(pin, TrackerStatus.pinned, '', self, identity), pin, value: undefined, isExpected: true, identity }
})

/** Listings of all statuses in steps of a length, with how many were begun and are held. */
function counted (stepLength: number) {
  const scene = { begun: 0, held: 0, open: async function * (): AsyncGenerator<ListedStatus[]> {
    scene.begun++
    scene.held++
    try {
      for (let at = 0; at < statuses.length; at += stepLength) yield statuses.slice(at, at + stepLength)
    } finally {
      scene.held--
    }
  } }
  return scene
}

async function restOf (listing: AsyncGenerator<ListedStatus[]>): Promise<ListedStatus[]> {
  return (await Array.fromAsync(listing)).flat()
}

test('who reads without long pauses reads one listing, however many do', async () => {
  const clock = virtualClock()
  const listings = new RestingListings(clock)
  const source = counted(10)
  const readers = Array.from({ length: 20 }, () => listings.read(source.open))
  for (let step = 0; step < 4; step++) {
    for (const reader of readers) assert.deepEqual((await reader.next()).value, statuses.slice(step * 10, step * 10 + 10))
    await clock.advance(1_500)
  }
  for (const reader of readers) assert.equal((await reader.next()).done, true)
  assert.deepEqual([source.begun, source.held], [20, 0])
})

test('a listing that nobody reads from is not held for long, and gives the rest to who reads on', async () => {
  const clock = virtualClock()
  const listings = new RestingListings(clock)
  for (const stepLength of [7, 10]) {
    const source = counted(stepLength)
    const reader = listings.read(source.open)
    const first = (await reader.next()).value as ListedStatus[]
    await clock.advance(59_000)
    assert.equal(source.held, 1)
    await clock.advance(2_000)
    assert.equal(source.held, 0)
    assert.deepEqual([...first, ...await restOf(reader)], statuses)
    assert.deepEqual([source.begun, source.held], [2, 0])
  }
})

test('of many listings that are idle a few are held, those read last, and all can be read on', async () => {
  const clock = virtualClock()
  const listings = new RestingListings(clock)
  const source = counted(10)
  const readers = Array.from({ length: 30 }, () => listings.read(source.open))
  for (const reader of readers) {
    await reader.next()
    await clock.advance(100)
  }
  await clock.advance(3_000)
  assert.equal(source.held, 4)
  for (const reader of readers) assert.deepEqual(await restOf(reader), statuses.slice(10))
  assert.equal(source.held, 0)
})

test('a listing goes with its reader', async () => {
  const listings = new RestingListings(virtualClock())
  const source = counted(10)
  const reader = listings.read(source.open)
  await reader.next()
  await reader.return(undefined)
  assert.equal(source.held, 0)
})
