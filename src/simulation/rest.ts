import { sleep } from '../platform/clock.ts'
import { acknowledged } from './checks/acknowledged.ts'
import { bookkeeping } from './checks/bookkeeping.ts'
import { bounded } from './checks/bounded.ts'
import type { Check } from './checks/check.ts'
import { differences, holders } from './checks/holders.ts'
import { removalFaults } from './checks/removal.ts'
import { replication, shortages } from './checks/replication.ts'
import { outsiderFaults, trust } from './checks/trust.ts'
import { truth } from './checks/truth.ts'
import { isReplicated, journalled, pinOf, pinsetFor, pinsetOn, suspects, type StoredPinset } from './disk-contents.ts'
import { removePeer } from './removal.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { SimulatedPeer } from './simulated-peer.ts'
import type { World } from './world.ts'

const checks: readonly Check[] = [trust, replication, holders, truth, bookkeeping, bounded]

/** How often it is looked whether all is done, in milliseconds. */
const lookMs = 1_000
/** What a peer may need to start, to connect and to hear of what it missed, besides the time between two rebroadcasts, in milliseconds. */
const spreadMs = 30_000
/** After this all that has spread is to be done, also what had failed and waits for the next recovery, in milliseconds. */
const workMs = 300_000

/** For what is written a little later, such as how far the tracker has read the changes, in milliseconds. */
const afterworkMs = 5_000

/** What it may take until pins of a peer that stays away have other holders, also when it went with most others, in milliseconds. */
const repairMs = 1_200_000
/** In which `peers rm` is answered, in milliseconds. */
const removalMs = 180_000
/** How often one of the peers stays away. */
const lossChance = 0.2
/** With fewer peers nobody could take over. */
const leastPeersForLoss = 4

/** How often an operator removes a peer from a cluster at rest. */
const removalChance = 0.2
/** In which all peers have told all others of their free space, in milliseconds. */
const metricsMs = 60_000
/** For which a removed peer stays away, in milliseconds. */
const awayMs = 40_000

/** How long the cluster took to come to rest, in milliseconds. */
export interface RestTimes { readonly agreedMs: number, readonly doneMs: number }

/** Ends all faults, waits until the cluster has recovered, and holds every promise against what it finds. */
export async function comeToRest (world: World): Promise<RestTimes> {
  const random = world.random.fork(`rest/${world.clock.monotonic()}`)
  world.lost = world.peers.length >= leastPeersForLoss && random.chance(lossChance) ? peerToLose(world, random) : undefined
  world.calm()
  const began = world.clock.monotonic()
  const elapsed = (): number => world.clock.monotonic() - began
  const { rebroadcastIntervalMs, pinRecoverIntervalMs, stateSyncIntervalMs } = world.settings
  await wait(world, () => agreed(world) !== undefined, spreadMs + 1.5 * rebroadcastIntervalMs)
  const agreedMs = elapsed()
  if (agreed(world) === undefined) {
    const pinsets = world.present().map(peer => `${peer.name} ${peer.serving === undefined ? 'does not serve' : `${pinsetOn(peer.disk).values.size} pins, ${journalled(peer.disk)} journalled`}`)
    world.violate(`the peers do not agree within ${(agreedMs / 1_000).toFixed(0)} s: ${pinsets.join('; ')}`)
    return { agreedMs, doneMs: agreedMs }
  }
  // Pins run out, which is a change as any other: agreement may come and go.
  await wait(world, () => {
    const pinset = agreed(world)
    return pinset !== undefined && isDone(world, pinset)
  }, workMs + 2 * pinRecoverIntervalMs + stateSyncIntervalMs + (world.lost === undefined ? 0 : repairMs))
  const doneMs = elapsed()
  await world.clock.advance(afterworkMs)
  if (random.chance(removalChance)) await removeOne(world, random)
  const found = agreed(world)
  if (found === undefined) {
    world.violate('the peers had agreed, and do not agree any more')
    return { agreedMs, doneMs }
  }
  const pinset = new Map([...found.values].map(([cid, value]) => [cid, pinOf(value)]))
  // First and at once: some checks take time, in which pins may run out.
  for (const { promise, atRest } of [acknowledged, ...checks]) {
    for (const broken of await atRest({ world, pinset, values: found.values })) world.violate(`${promise}: ${broken}`)
    if (promise === acknowledged.promise) world.history.restart(found.values, world.lost?.self)
  }
  world.trace.note('world', `at rest with ${pinset.size} pins, agreed after ${agreedMs} ms, done after ${doneMs} ms`)
  world.isCalm = false
  world.lost = undefined
  return { agreedMs, doneMs }
}

/**
 * With `peers rm` exactly those pins of a peer get other holders that would have too few without it;
 * afterwards it may come back, also with an empty folder.
 */
async function removeOne (world: World, random: SeededRandom): Promise<void> {
  await world.clock.advance(metricsMs)
  const before = agreed(world)?.values
  const removed = random.pick(world.peers)
  const by = random.pick(world.servingMembers().filter(peer => peer !== removed))
  if (before === undefined || await world.while(removePeer(world, by, removed), removalMs) !== 'moved') {
    world.violate(`a peer can be removed: ${by.name} has not moved the pins of ${removed.name}`)
    return
  }
  await settleAgain(world)
  for (const broken of removalFaults(world, removed.self, before, pinsetOn(by.disk).values)) world.violate(`a removed peer is not needed: ${broken}`)
  if (removed === world.lost || random.chance(0.5)) return
  removed.stop()
  await world.clock.advance(awayMs)
  if (random.chance(0.5) && isReplicated(removed, world.peers)) {
    world.history.forget(removed.self)
    removed.disk.wipe()
  }
  removed.start()
  await settleAgain(world)
}

/** Waits until all agree and are done; what is not done by then the checks find. */
async function settleAgain (world: World): Promise<void> {
  await wait(world, () => {
    const pinset = agreed(world)
    return pinset !== undefined && isDone(world, pinset)
  }, workMs)
  await world.clock.advance(afterworkMs)
}

/** One whose changes the others have: what only a peer that is away knows nobody can ask of them. */
function peerToLose (world: World, random: SeededRandom): SimulatedPeer | undefined {
  return random.shuffled(world.peers).find(peer => isReplicated(peer, world.peers))
}

/** The pinset when all peers serve and have the same one, outsiders with their own changes, nothing of which waits in a journal or is in doubt. */
function agreed (world: World): StoredPinset | undefined {
  let first: StoredPinset | undefined
  for (const peer of world.present()) {
    if (peer.serving === undefined || journalled(peer.disk) > 0 || suspects(peer.disk) > 0) return undefined
    const pinset = pinsetOn(peer.disk)
    first ??= pinset
    if (pinset.digest !== first.digest && !(peer.role === 'outsider' && outsiderFaults(peer, pinset.values, first.values).length === 0)) return undefined
  }
  return first
}

function isDone (world: World, { values }: StoredPinset): boolean {
  const pinset = new Map([...values].map(([cid, value]) => [cid, pinOf(value)]))
  if (pinset.values().some(pin => pin.expireAt !== 0)) return false
  if (world.lost !== undefined && shortages(world, pinset).length > 0) return false
  // An unpin that a node which hung has not answered is told as such until its time is up, though there is nothing left to unpin.
  return world.present().every(peer => differences(peer, pinsetFor(peer, pinset)).length === 0 && ['pin_queued', 'pinning', 'pin_error', 'unpinning', 'unpin_error'].every(state => peer.process?.figures.value(`ipfscluster_pins_${state}`) === 0))
}

async function wait (world: World, isOver: () => boolean, limitMs: number): Promise<void> {
  const until = world.clock.monotonic() + limitMs
  while (world.clock.monotonic() < until && !isOver()) await world.while(sleep(world.clock, lookMs), limitMs)
}
