import type { Cid } from '../../domain/cid.ts'
import type { PeerId } from '../../domain/peer.ts'
import { isPinnedEverywhere } from '../../domain/pin.ts'
import { pinOf } from '../disk-contents.ts'
import type { World } from '../world.ts'

/** What is wrong after `peers rm` of that peer in a cluster at rest: pins that still need it, and others that were touched. */
export function removalFaults (world: World, removed: PeerId, before: ReadonlyMap<Cid, string>, after: ReadonlyMap<Cid, string>): string[] {
  const broken: string[] = []
  const others = world.serving().filter(peer => peer.self !== removed).map(peer => peer.self)
  const holdersLeft = (value: string): number => (pinOf(value).allocations ?? []).filter(peer => others.includes(peer)).length
  const isFull = (value: string): boolean => (pinOf(value).allocations ?? []).filter(peer => peer !== removed).length >= pinOf(value).replicationFactorMax
  for (const [cid, value] of before) {
    const pin = pinOf(value)
    const wasNeeded = pin.allocations?.includes(removed) === true && !isPinnedEverywhere(pin) && holdersLeft(value) < pin.replicationFactorMin && others.length >= pin.replicationFactorMin
    const now = after.get(cid)
    if (now === undefined) broken.push(`${cid} is gone from the pinset`)
    else if (!wasNeeded && now !== value) broken.push(`${cid} was changed, which had holders enough`)
    // Whoever is away keeps its place, in case that it comes back: then one that is there may be all.
    else if (wasNeeded && holdersLeft(now) < (isFull(now) ? 1 : pin.replicationFactorMin)) broken.push(`${cid} has ${holdersLeft(now)} other holders, at least ${pin.replicationFactorMin} are wanted`)
  }
  return broken
}
