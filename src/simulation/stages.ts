import { ClusterError, errorText } from '../domain/errors.ts'
import { sleep } from '../platform/clock.ts'
import { addFile } from './add-file.ts'
import { agreed, settleAgain } from './agreement.ts'
import { breaks } from './breaks.ts'
import { removalFaults } from './checks/removal.ts'
import { isReplicated, pinsetOn } from './disk-contents.ts'
import { removePeer } from './removal.ts'
import type { SeededRandom } from './seeded-random.ts'
import { addOptions, addPatienceMs, upload } from './uploads.ts'
import type { World } from './world.ts'

/* What is done to a cluster at rest: one thing at a time, so that it is known what must come of it. */

/** In which all peers have told all others of their free space, in milliseconds. */
const metricsMs = 60_000
/** In which `peers rm` is answered, in milliseconds. */
const removalMs = 180_000
/** For which a removed peer stays away, in milliseconds. */
const awayMs = 40_000
/** A destination breaks up to so long after the add has begun, in milliseconds. */
const breaksWithinMs = 150
/** Files that users of the workload do not add. */
const firstFile = 1_000

/**
 * With `peers rm` exactly those pins of a peer get other holders that would have too few without it;
 * afterwards it may come back, also with an empty folder.
 */
export async function removeOne (world: World, random: SeededRandom): Promise<void> {
  await world.clock.advance(metricsMs)
  const before = agreed(world)?.values
  const removed = random.pick(world.peers)
  const repairing = world.repairing().filter(peer => peer !== removed)
  if (repairing.length === 0) return
  const by = random.pick(repairing)
  if (before === undefined || await world.while(removePeer(world, by, removed), removalMs) !== 'moved') {
    world.violate(`a peer can be removed: ${by.name} has not moved the pins of ${removed.name}`)
    return
  }
  await settleAgain(world)
  for (const broken of removalFaults(world, removed.self, before, pinsetOn(by.disk).values)) world.violate(`a removed peer is not needed: ${broken}`)
  if (removed === world.lost || random.chance(0.5)) return
  removed.stop()
  await world.clock.advance(awayMs)
  // A fault of before that ends now may have started it.
  if (random.chance(0.5) && removed.process === undefined && isReplicated(removed, world.peers)) {
    world.history.forget(removed.self)
    removed.disk.wipe()
  }
  removed.start()
  await settleAgain(world)
}

/**
 * Adds a file while one of its destinations breaks: one that is not needed is dropped, without one
 * that is the add fails.
 */
export async function addWhileOneBreaks (world: World, random: SeededRandom): Promise<void> {
  await world.clock.advance(metricsMs)
  const by = random.pick(world.servingMembers())
  const others = world.serving().filter(peer => peer !== by)
  const cluster = by.serving?.cluster
  if (others.length === 0 || cluster === undefined) return
  const victim = random.pick(others)
  const isNeeded = random.chance(0.3)
  const file = await upload(firstFile + random.integer(firstFile))
  world.content.dags.set(file.root, file.blocks)
  const factors = { replicationFactorMin: others.length + (isNeeded ? 1 : 0), replicationFactorMax: others.length + 1 }
  const [what, strike, repair] = random.pick(breaks)
  const breakIt = (): void => {
    world.trace.note(victim.name, `breaks: ${what}`)
    strike(victim)
  }
  if (isNeeded) breakIt()
  else world.clock.after(random.between(0, breaksWithinMs), breakIt)
  const answered = by.history.userAsks(by.self)
  const gaveUp = new AbortController()
  const adding = addFile(world, by, cluster, file, { ...addOptions, pin: { ...addOptions.pin, ...factors, name: `added at ${world.clock.monotonic()}` } }, { isBroken: false, signal: gaveUp.signal })
  const outcome = await world.while(Promise.race([adding.then(() => 'done', (error: unknown) => errorText(error)), noAnswer(world)]), 2 * addPatienceMs)
  gaveUp.abort(new ClusterError('CANCELLED', 'the client has gone away'))
  answered()
  world.trace.note(by.name, `add with one that breaks: ${outcome === 'done' ? outcome : 'failed'}`)
  if (outcome === 'no answer') world.violate(`an add ends: ${by.name} has not answered for ${addPatienceMs / 1_000} s, with ${victim.name} broken (${what})`)
  else if (!isNeeded && outcome !== 'done') world.violate(`an add goes on without a destination that is not needed: ${by.name} answered ${outcome}, with ${victim.name} broken (${what})`)
  await world.clock.advance(breaksWithinMs)
  repair(victim)
  await settleAgain(world)
}

async function noAnswer (world: World): Promise<string> {
  await sleep(world.clock, addPatienceMs)
  return 'no answer'
}
