import { afterworkMs, agreed, isDone, wait, workMs } from './agreement.ts'
import { acknowledged } from './checks/acknowledged.ts'
import { bookkeeping } from './checks/bookkeeping.ts'
import { bounded } from './checks/bounded.ts'
import type { Check } from './checks/check.ts'
import { holders } from './checks/holders.ts'
import { once } from './checks/once.ts'
import { replication } from './checks/replication.ts'
import { sharding } from './checks/sharding.ts'
import { trust } from './checks/trust.ts'
import { truth } from './checks/truth.ts'
import { isReplicated, journalled, pinOf, pinsetOn } from './disk-contents.ts'
import { replaceOne, takeInOne } from './newcomers.ts'
import type { SeededRandom } from './seeded-random.ts'
import { addOverShards } from './sharding-stage.ts'
import type { SimulatedPeer } from './simulated-peer.ts'
import { addWhileOneBreaks, removeOne } from './stages.ts'
import type { World } from './world.ts'

const checks: readonly Check[] = [trust, replication, sharding, holders, truth, bookkeeping, bounded]

/** What a peer may need to start, to connect and to hear of what it missed, besides the time between two rebroadcasts, in milliseconds. */
const spreadMs = 30_000
/** The same where all nodes may have to come one by one, as the Go program asks for them, and a datastore was lost. */
const spreadByOneMs = 120_000
/** What it may take until pins of a peer that stays away have other holders, also when it went with most others, in milliseconds. */
const repairMs = 1_200_000
/** How often one of the peers stays away. */
const lossChance = 0.2
/** With fewer peers nobody could take over. */
const leastPeersForLoss = 4

/** How often an operator removes a peer from a cluster at rest, and how often a destination of an add breaks there. */
const stageChance = 0.2
/** How often content is added over shards there. */
const shardingChance = 0.12

/** How often somebody joins a cluster at rest, and how often one takes the place of a machine that is lost. */
const newcomerChance = 0.04

/** How long the cluster took to come to rest, in milliseconds. */
export interface RestTimes { readonly agreedMs: number, readonly doneMs: number }

/** Ends all faults, waits until the cluster has recovered, and holds every promise against what it finds. */
export async function comeToRest (world: World): Promise<RestTimes> {
  const random = world.random.fork(`rest/${world.clock.monotonic()}`)
  const shardingRandom = world.random.fork(`sharding/${world.clock.monotonic()}`)
  world.lost = world.peers.length >= leastPeersForLoss && random.chance(lossChance) ? peerToLose(world, random) : undefined
  world.calm()
  const began = world.clock.monotonic()
  const elapsed = (): number => world.clock.monotonic() - began
  const { longest: { rebroadcastIntervalMs, pinRecoverIntervalMs, stateSyncIntervalMs }, speaksGo } = world.settings
  const toldMs = (speaksGo.includes(true) ? spreadByOneMs : spreadMs) + 1.5 * rebroadcastIntervalMs
  await wait(world, () => agreed(world) !== undefined, toldMs)
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
  const left = agreed(world)
  if (left === undefined || !isDone(world, left)) world.violate(`what is left to do after faults gets done: not within ${(doneMs / 1_000).toFixed(0)} s`)
  await world.clock.advance(afterworkMs)
  if (random.chance(stageChance)) await addWhileOneBreaks(world, random)
  if (random.chance(stageChance)) await removeOne(world, random)
  if (shardingRandom.chance(shardingChance)) await addOverShards(world, shardingRandom)
  const newcomersRandom = world.random.fork(`newcomers/${world.clock.monotonic()}`)
  const drawn = newcomersRandom.fraction()
  if (drawn < newcomerChance) await takeInOne(world, newcomersRandom)
  else if (drawn < 2 * newcomerChance && world.peers.length >= leastPeersForLoss) await replaceOne(world, newcomersRandom)
  // A disk that was full may have taken back, just now, what it had not synced: that comes again with the next rebroadcast.
  await wait(world, () => agreed(world) !== undefined, toldMs)
  const found = agreed(world)
  if (found === undefined) {
    world.violate('the peers had agreed, and do not agree any more')
    return { agreedMs, doneMs }
  }
  const pinset = new Map([...found.values].map(([cid, value]) => [cid, pinOf(value)]))
  // First and at once: some checks take time, in which pins may run out.
  for (const { promise, atRest } of [once, acknowledged, ...checks]) {
    for (const broken of await atRest({ world, pinset, values: found.values })) world.violate(`${promise}: ${broken}`)
    if (promise === acknowledged.promise) world.history.restart(found.values, world.lost?.self)
  }
  world.trace.note('world', `at rest with ${pinset.size} pins, agreed after ${agreedMs} ms, done after ${doneMs} ms`)
  world.isCalm = false
  world.lost = undefined
  return { agreedMs, doneMs }
}

/** One whose changes the others have: what only a peer that is away knows nobody can ask of them. */
function peerToLose (world: World, random: SeededRandom): SimulatedPeer | undefined {
  return random.shuffled(world.peers).find(peer => isReplicated(peer, world.peers))
}
