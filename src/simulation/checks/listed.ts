import { encodeLines } from '../../codec/encode-lines.ts'
import { GlobalPinInfoMessage } from '../../codec/messages.ts'
import { compareCids, type Cid } from '../../domain/cid.ts'
import type { PeerId } from '../../domain/peer.ts'
import { isAllocatedTo } from '../../domain/pin.ts'
import { statusName, TrackerStatus, type GlobalPinInfo } from '../../domain/status.ts'
import { pinOf, pinsetOn } from '../disk-contents.ts'
import type { SimulatedPeer } from '../simulated-peer.ts'
import type { World } from '../world.ts'

/** Who has gone silent is waited for as long as it counts as alive, in milliseconds. */
const limitMs = 180_000

/** What is wrong with a list of statuses of a peer that has these pins all the while. */
export function listFaults (listed: readonly GlobalPinInfo[], kept: readonly Cid[]): string[] {
  const found: string[] = []
  for (const [i, { cid }] of listed.entries()) {
    const before = listed[i - 1]?.cid
    if (before !== undefined && compareCids(before, cid) >= 0) found.push(`lists ${cid} behind ${before}`)
  }
  const cids = new Set(listed.map(({ cid }) => cid))
  for (const cid of kept) if (!cids.has(cid)) found.push(`does not list ${cid}, which it has`)
  return found
}

/**
 * What is wrong with the statuses on all peers that one of them lists in a cluster at rest: as
 * objects, as REST answers them, and when a node has just lost some of its pins.
 */
export async function listsOfAllFaults (world: World): Promise<string[]> {
  const random = world.random.fork(`lists/${world.clock.monotonic()}`)
  const asked = random.pick(world.servingMembers())
  const cluster = asked.serving?.cluster
  if (cluster === undefined) return []
  const list = (): Promise<Answer<GlobalPinInfo[]>> => world.while(readAll(cluster.statusAll(0)), limitMs)
  const objects = await list()
  const lines = await world.while(readAll(cluster.statusesEncoded(0)), limitMs)
  const broken = statusFaults(world, asked, objects.batches.flat(), held(world))
  // Where a peer has not answered its status tells when it was asked.
  if (objects.isComplete && lines.isComplete && !Buffer.concat(lines.batches).equals(encodeLines(objects.batches.flat(), GlobalPinInfoMessage.encodeJson))) broken.push('answers other lines than it has statuses')
  random.pick(world.serving()).node.losePins(random.between(0.1, 1))
  const heldAtFirst = held(world)
  broken.push(...statusFaults(world, asked, (await list()).batches.flat(), heldAtFirst))
  return broken.map(fault => `${asked.name} ${fault}`)
}

function held (world: World): ReadonlyMap<PeerId, ReadonlySet<Cid>> {
  return new Map(world.peers.map(({ self, node }) => [self, new Set(node.pins.keys())]))
}

/** A recovery may come by meanwhile: a status is right as of the first moment or as of now. */
function statusFaults (world: World, asked: SimulatedPeer, listed: readonly GlobalPinInfo[], heldAtFirst: ReadonlyMap<PeerId, ReadonlySet<Cid>>): string[] {
  const { values } = pinsetOn(asked.disk)
  const broken = listFaults(listed, [...values.keys()])
  for (const { cid, peerMap } of listed) {
    const value = values.get(cid)
    // Of one that is gone it is told with all that is listed that it does not answer, also with what an outsider alone has.
    if (value === undefined && world.peers.some(({ self, role, serving }) => role !== 'outsider' && serving !== undefined && self in peerMap)) broken.push(`lists ${cid}, which is not pinned`)
    for (const { self, name, role, serving, node } of value === undefined ? [] : world.peers) {
      if (role === 'outsider' || serving === undefined) continue
      const status = peerMap[self]?.status
      const isHeld = [node.pins.has(cid), heldAtFirst.get(self)?.has(cid) === true]
      const actual = pinOf(value as string).type === 'meta-pin' ? [TrackerStatus.sharded] : !isAllocatedTo(pinOf(value as string), self) ? [TrackerStatus.remote] : isHeld.map(is => is ? TrackerStatus.pinned : TrackerStatus.unexpectedlyUnpinned)
      if (!actual.some(each => each === status) && !(isBeingPinned(status) && actual[0] !== TrackerStatus.remote && actual[0] !== TrackerStatus.sharded)) broken.push(`lists ${cid} as ${status === undefined ? 'unknown' : statusName(status)} on ${name}, where it is ${statusName(actual[0] ?? 0)}`)
    }
  }
  return broken
}

function isBeingPinned (status: TrackerStatus | undefined): boolean { return status === TrackerStatus.pinQueued || status === TrackerStatus.pinning }

/** What came before an error, if there was one. */
interface Answer<T> { readonly batches: readonly T[], readonly isComplete: boolean }

async function readAll<T> (batches: AsyncIterable<T>): Promise<Answer<T>> {
  const read: T[] = []
  try {
    for await (const batch of batches) read.push(batch)
    return { batches: read, isComplete: true }
  } catch {
    return { batches: read, isComplete: false }
  }
}
