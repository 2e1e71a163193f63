import type { Cid } from '../domain/cid.ts'
import { ClusterError, errorText } from '../domain/errors.ts'
import type { PinOptions } from '../domain/pin.ts'
import { sleep } from '../platform/clock.ts'
import { addSharded, unpinPart, unpinSharded } from './add-sharded.ts'
import { agreed, settleAgain } from './agreement.ts'
import { breaks } from './breaks.ts'
import { partFaults } from './checks/sharding.ts'
import { pinOf } from './disk-contents.ts'
import type { SeededRandom } from './seeded-random.ts'
import { shardedOptions, shardedUpload, versions, type ShardedUpload } from './sharded-uploads.ts'
import type { SimulatedPeer } from './simulated-peer.ts'
import type { World } from './world.ts'

/** In which all peers have told all others of their free space, in milliseconds. */
const metricsMs = 60_000
/** In which an add over shards, each of which may wait for a silent destination, and an unpin are answered, in milliseconds. */
const answerMs = 1_800_000
/** A destination breaks up to so long after a shard was pinned, in milliseconds, or after this when none is any more. */
const breaksWithinMs = 100
const noneMs = 60_000
const lookMs = 5
/** Groups that users of the workload do not add. */
const firstGroup = 1_000

/**
 * Adds two versions of a file over shards to a cluster at rest, the second one while a destination
 * breaks: what fails leaves nothing. Then one or both go, and the first leaves what both have in common.
 */
export async function addOverShards (world: World, random: SeededRandom): Promise<void> {
  await world.clock.advance(metricsMs)
  const group = firstGroup + random.integer(firstGroup)
  const [one, other] = random.shuffled(Array.from({ length: versions }, (_, n) => n)) as [number, number]
  const first = await shardedUpload(group, one)
  const second = await shardedUpload(group, other)
  const peers = world.serving().length
  if (peers < 2) return
  const few = (): Partial<PinOptions> => random.chance(0.2) ? { replicationFactorMin: -1, replicationFactorMax: -1 } : { replicationFactorMin: 1 + random.integer(peers - 1), replicationFactorMax: peers }
  const outcome = await add(world, random.pick(world.servingMembers()), first, few())
  if (outcome !== 'done') world.violate(`content is added over shards: the answer of a cluster at rest is ${outcome}`)
  await settle(world, 'an add over shards')
  const by = random.pick(world.servingMembers())
  const victim = random.pick(world.serving().filter(peer => peer !== by))
  const isNeeded = random.chance(0.4)
  const [what, strike, repair] = random.pick(breaks)
  const own = second.shards.filter(shard => !first.shards.includes(shard))
  const breaking = shardPinned(world, by, random.pick([undefined, ...own.slice(0, -1), ...own.slice(0, -1)])).then(() => sleep(world.clock, random.between(0, breaksWithinMs))).then(() => {
    world.trace.note(victim.name, `breaks: ${what}`)
    strike(victim)
  })
  const answer = await add(world, by, second, isNeeded ? { replicationFactorMin: peers, replicationFactorMax: peers } : few())
  if (answer === 'no answer' || (!isNeeded && answer !== 'done')) world.violate(`an add over shards goes on without a destination that is not needed, and ends without one that is: ${by.name} answered ${answer}, with ${victim.name} broken (${what}${isNeeded ? ', needed' : ''})`)
  await world.while(breaking, 2 * answerMs)
  repair(victim)
  await settle(world, 'an add over shards while a destination breaks')
  const left = answer === 'done' ? [first, second] : [first]
  if (random.chance(0.3)) return unpinAtOnce(world, left, random)
  for (const file of random.shuffled(left).slice(random.integer(2))) {
    await unpin(world, random.pick(world.servingMembers()), file, (peer, cluster) => unpinSharded(peer, cluster, file))
    await settle(world, 'an unpin of sharded content')
  }
}

/** Two peers may each leave to the other what both contents have in common: that can be unpinned by itself. */
async function unpinAtOnce (world: World, files: readonly ShardedUpload[], random: SeededRandom): Promise<void> {
  const members = random.shuffled(world.servingMembers())
  await Promise.all(files.map((file, n) => unpin(world, members[n % members.length] as SimulatedPeer, file, (peer, cluster) => unpinSharded(peer, cluster, file))))
  await settleAgain(world)
  const [file] = files
  const isLeft = (shard: Cid): boolean => agreed(world)?.values.has(shard) === true
  for (const shard of file?.shards.filter(isLeft) ?? []) {
    world.trace.note('world', `${shard} is left`)
    await unpin(world, random.pick(members), file as ShardedUpload, (peer, cluster) => unpinPart(peer, cluster, file as ShardedUpload, shard))
  }
  await settle(world, 'unpins of sharded contents at the same time')
}

async function unpin (world: World, by: SimulatedPeer, file: ShardedUpload, request: (peer: SimulatedPeer, cluster: Cluster) => Promise<void>): Promise<void> {
  const unpinned = await ask(world, by, file, 'unpin', request)
  if (unpinned !== 'done') world.violate(`sharded content is unpinned: the answer of a cluster at rest is ${unpinned}`)
}

function add (world: World, by: SimulatedPeer, file: ShardedUpload, factors: Partial<PinOptions>): Promise<string> {
  const options = { ...shardedOptions, pin: { ...shardedOptions.pin, ...factors, name: `over shards at ${world.clock.monotonic()}` } }
  return ask(world, by, file, 'add over shards', (peer, cluster, signal) => addSharded(world, peer, cluster, file, options, { isBroken: false, signal }))
}

/** Resolves as soon as that peer pins the shard, at once without one. */
async function shardPinned (world: World, by: SimulatedPeer, shard: Cid | undefined): Promise<void> {
  const known = shard === undefined ? 0 : by.history.of(shard).length
  const until = world.clock.monotonic() + noneMs
  while (shard !== undefined && by.history.of(shard).length === known && world.clock.monotonic() < until) await sleep(world.clock, lookMs)
}

type Cluster = NonNullable<SimulatedPeer['serving']>['cluster']

/** What comes of it: `done`, `no answer`, or the error. */
async function ask (world: World, by: SimulatedPeer, file: ShardedUpload, what: string, request: (peer: SimulatedPeer, cluster: Cluster, signal: AbortSignal) => Promise<void>): Promise<string> {
  const { process } = by
  const cluster = by.serving?.cluster
  if (process === undefined || cluster === undefined) return 'not there'
  const gaveUp = new AbortController()
  const answered = by.history.userAsks(by.self)
  world.sharded.begun(file)
  const asking = request(by, cluster, gaveUp.signal).then(() => 'done', (error: unknown) => errorText(error))
  const outcome = await world.while(Promise.race([asking, sleep(world.clock, answerMs).then(() => 'no answer')]), 2 * answerMs)
  process.clock.run(() => { gaveUp.abort(new ClusterError('CANCELLED', 'the client has gone away')) })
  answered()
  if (outcome !== 'no answer') world.sharded.ended(file)
  world.trace.note(by.name, `${what}: ${outcome === 'done' ? outcome : 'failed'}`)
  return outcome
}

async function settle (world: World, what: string): Promise<void> {
  await settleAgain(world)
  const found = agreed(world)
  if (found === undefined) {
    world.violate(`the peers agree again: not after ${what}`)
    return
  }
  const pinset = new Map([...found.values].map(([cid, value]) => [cid, pinOf(value)]))
  for (const broken of partFaults(world, pinset)) world.violate(`sharded content has all its parts, and no part is left without it: after ${what}, ${broken}`)
}
