import { createHash } from 'node:crypto'
import { cidFromBytes } from '../domain/cid.ts'
import { errorText } from '../domain/errors.ts'
import { defaultPinOptions } from '../domain/pin.ts'
import { sleep } from '../platform/clock.ts'
import { agreed, settleAgain } from './agreement.ts'
import { membershipFaults } from './checks/membership.ts'
import { shortages } from './checks/replication.ts'
import { isReplicated, pinOf } from './disk-contents.ts'
import { removePeer } from './removal.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { SimulatedPeer } from './simulated-peer.ts'
import type { World } from './world.ts'

/* Machines with new identities: one more, or in place of one that is lost for ever. */

/** How often one joins while faults strike. */
const joinChance = 0.1
/** In which all peers have told all others of their free space, and who is gone is no longer a member, in milliseconds. */
const metricsMs = 150_000
/** In which `peers rm` and a pin are answered, in milliseconds. */
const answerMs = 180_000
/** Up to so long after a machine was lost another one takes its place, in milliseconds. */
const replacedWithinMs = 180_000
/** With fewer peers whom all trust it is not known what becomes of those who are left. */
const leastMembers = 3

/** One more peer, which knows the address of one of the others. */
export async function join (world: World, random: SeededRandom): Promise<SimulatedPeer> {
  const role = world.settings.trustsAll ? 'member' : random.pick(['follower', 'outsider'] as const)
  const through = random.pick(world.present())
  const newcomer = await world.makePeer(role, world.networks.addressesOf(through.self))
  world.trace.note(newcomer.name, `joins as a ${role}`)
  // What it writes before it has what the others had is concurrent with that.
  newcomer.history.fallBehind(newcomer.self)
  newcomer.start()
  return newcomer
}

/** Somebody may join at some moment while faults strike. */
export async function joinUntil (world: World, untilMs: number, round: number): Promise<void> {
  const random = world.random.fork(`newcomers/${round}`)
  if (!random.chance(joinChance)) return
  await sleep(world.clock, random.between(0, untilMs - world.clock.monotonic()))
  await join(world, random)
}

/** A peer joins a cluster at rest: it gets the whole pinset, may be given pins, and is in everybody's list of peers. */
export async function takeInOne (world: World, random: SeededRandom): Promise<void> {
  const newcomer = await join(world, random)
  await welcome(world, newcomer, random)
}

/** A machine is lost for ever; another one joins, and the lost one is removed. */
export async function replaceOne (world: World, random: SeededRandom): Promise<void> {
  const spare = world.servingMembers().length >= leastMembers && world.repairing().length > 1
  const victim = world.lost ?? random.shuffled(world.peers).find(peer => (spare || peer.role !== 'member') && isReplicated(peer, world.peers))
  if (victim === undefined) return
  world.retire(victim)
  await world.clock.advance(random.between(0, replacedWithinMs))
  const newcomer = await join(world, random)
  await world.clock.advance(random.between(0, metricsMs))
  const by = random.pick(world.repairing())
  if (await world.while(removePeer(world, by, victim), answerMs) !== 'moved') world.violate(`a peer that is lost can be removed: ${by.name} has not moved the pins of ${victim.name}`)
  await welcome(world, newcomer, random)
  const pinset = agreed(world)
  const short = pinset === undefined ? [] : shortages(world, new Map([...pinset.values].map(([cid, value]) => [cid, pinOf(value)])))
  for (const fault of short) world.violate(`a removed peer is not needed: after ${victim.name} was lost, ${fault}`)
}

async function welcome (world: World, newcomer: SimulatedPeer, random: SeededRandom): Promise<void> {
  await settleAgain(world)
  if (agreed(world) === undefined) world.violate(`a newcomer gets the whole pinset: the peers do not agree after ${newcomer.name} has joined`)
  await world.clock.advance(metricsMs)
  for (const fault of await membershipFaults(world)) world.violate(`all peers know each other: after ${newcomer.name} has joined, ${fault}`)
  const by = random.pick(world.servingMembers())
  const answered = by.history.userAsks(by.self)
  const cid = cidFromBytes(Uint8Array.from([1, 0x55, 0x12, 0x20, ...createHash('sha256').update(`for ${newcomer.name}`).digest()]))
  const options = { ...defaultPinOptions, name: `for ${newcomer.name}`, replicationFactorMin: 1, replicationFactorMax: 1, userAllocations: [newcomer.self] }
  const given = await world.while(by.serving?.cluster.pin(cid, options).then(pin => pin.allocations?.map(peer => world.nameOf(peer)).join(), errorText) ?? Promise.resolve('not there'), answerMs)
  answered()
  if (given !== newcomer.name) world.violate(`a newcomer is given pins: ${by.name} was asked for ${newcomer.name} as a holder and answered ${given}`)
  await settleAgain(world)
}
