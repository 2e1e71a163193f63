import { sleep } from '../platform/clock.ts'
import { differences } from './checks/holders.ts'
import { shortages } from './checks/replication.ts'
import { outsiderFaults } from './checks/trust.ts'
import { journalled, pinOf, pinsetFor, pinsetOn, suspects, type StoredPinset } from './disk-contents.ts'
import type { World } from './world.ts'

/** How often it is looked whether all is done, in milliseconds. */
const lookMs = 1_000
/** After this all that has spread is to be done, also what had failed and waits for the next recovery, in milliseconds. */
export const workMs = 300_000
/** For what is written a little later, such as how far the tracker has read the changes, in milliseconds. */
export const afterworkMs = 5_000

/** The pinset when all peers serve and have the same one, outsiders with their own changes, nothing of which waits in a journal or is in doubt. */
export function agreed (world: World): StoredPinset | undefined {
  let first: StoredPinset | undefined
  for (const peer of world.present()) {
    if (peer.serving === undefined || journalled(peer.disk) > 0 || suspects(peer.disk) > 0) return undefined
    const pinset = pinsetOn(peer.disk)
    first ??= pinset
    if (pinset.digest !== first.digest && !(peer.role === 'outsider' && outsiderFaults(peer, pinset.values, first.values).length === 0)) return undefined
  }
  return first
}

/** True when nodes hold what this pinset asks of them, all peers have told of themselves, and nothing is under way. */
export function isDone (world: World, { values }: StoredPinset): boolean {
  const pinset = new Map([...values].map(([cid, value]) => [cid, pinOf(value)]))
  if (pinset.values().some(pin => pin.expireAt !== 0)) return false
  if (world.lost !== undefined && shortages(world, pinset).length > 0) return false
  // An unpin that a node which hung has not answered is told as such until its time is up, though there is nothing left to unpin.
  const isAtRest = world.present().every(peer => peer.process?.isReady === true && differences(peer, pinsetFor(peer, pinset)).length === 0 && ['pin_queued', 'pinning', 'pin_error', 'unpinning', 'unpin_error'].every(state => peer.process?.figures.value(`ipfscluster_pins_${state}`) === 0))
  return isAtRest && haveHeardOfEachOther(world)
}

/** Whether every peer knows all members: one that was cut off is told of with its next ping only, and left out of statuses before. */
function haveHeardOfEachOther (world: World): boolean {
  const members = world.servingMembers()
  return world.serving().every(({ self, serving }) => {
    const heard = new Set(serving?.monitor.latest('ping').map(({ peer }) => peer))
    return members.every(member => member.self === self || heard.has(member.self))
  })
}

export async function wait (world: World, isOver: () => boolean, limitMs: number): Promise<void> {
  const until = world.clock.monotonic() + limitMs
  while (world.clock.monotonic() < until && !isOver()) await world.while(sleep(world.clock, lookMs), limitMs)
}

/** Waits until all agree and are done; what is not done by then the checks find. */
export async function settleAgain (world: World): Promise<void> {
  await wait(world, () => {
    const pinset = agreed(world)
    return pinset !== undefined && isDone(world, pinset)
  }, workMs)
  await world.clock.advance(afterworkMs)
}
