import { sleep } from '../platform/clock.ts'
import { isReplicated } from './disk-contents.ts'
import { removePeer } from './removal.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { SimulatedPeer } from './simulated-peer.ts'
import type { World } from './world.ts'

const hourMs = 3_600_000

/** Does harm; what it answers, if anything, takes it back, after `lastsMs`. */
interface Fault {
  readonly name: string
  /** How often it is chosen, beside the others. */
  readonly weight: number
  readonly lastsMs: number
  readonly strike: (world: World, random: SeededRandom) => (() => void) | undefined
}

/** One peer is chosen, whatever state it is in. */
function onPeer (strike: (peer: SimulatedPeer, random: SeededRandom, world: World) => (() => void) | undefined | void): Fault['strike'] {
  return (world, random) => strike(random.pick(world.peers), random, world) ?? undefined
}

const startAgain = (peer: SimulatedPeer) => (): void => { peer.start() }

export const faults: readonly Fault[] = [
  { name: 'crash', weight: 8, lastsMs: 20_000, strike: onPeer(peer => { peer.kill(); return startAgain(peer) }) },
  { name: 'power loss', weight: 8, lastsMs: 20_000, strike: onPeer(peer => { peer.losePower(); return startAgain(peer) }) },
  { name: 'long power loss', weight: 2, lastsMs: 180_000, strike: onPeer(peer => { peer.losePower(); return startAgain(peer) }) },
  {
    name: 'power loss everywhere',
    weight: 1,
    lastsMs: 10_000,
    strike (world) {
      for (const peer of world.peers) peer.losePower()
      return () => { for (const peer of world.present()) peer.start() }
    },
  },
  {
    name: 'crash loop',
    weight: 2,
    lastsMs: 15_000,
    strike: onPeer((peer, random, world) => {
      for (let n = 1; n <= 5; n++) world.clock.after(random.between(0, 14_000), () => {
        if (world.isCalm) return
        if (random.chance(0.5)) peer.kill()
        else peer.losePower()
        peer.start()
      })
      return startAgain(peer)
    }),
  },
  { name: 'restart', weight: 4, lastsMs: 40_000, strike: onPeer(peer => { peer.stop(); return startAgain(peer) }) },
  { name: 'pause', weight: 4, lastsMs: 60_000, strike: onPeer(peer => {
    peer.pause()
    return () => { peer.resume() }
  }) },
  { name: 'partition', weight: 4, lastsMs: 90_000, strike: (world, random) => {
    const shuffled = random.shuffled(world.peers)
    const here = shuffled.splice(0, 1 + random.integer(shuffled.length - 1))
    for (const a of here) for (const b of shuffled) cutBoth(world, a, b)
    return () => { world.networks.healAll() }
  } },
  { name: 'one-way', weight: 3, lastsMs: 60_000, strike: (world, random) => {
    const [a, b] = random.shuffled(world.peers)
    if (a !== undefined && b !== undefined) world.networks.cut(a.self, b.self)
    return () => { world.networks.healAll() }
  } },
  { name: 'connection reset', weight: 3, lastsMs: 0, strike (world) {
    for (let n = 0; n < 3; n++) world.networks.resetOne()
    return undefined
  } },
  { name: 'bad network', weight: 3, lastsMs: 60_000, strike (world, random) {
    Object.assign(world.networks.conditions, { gossipLoss: random.between(0, 0.5), gossipDuplicates: random.between(0, 0.5), spikes: random.between(0, 0.1), mostDelayMs: random.between(20, 2_000) })
    return () => { Object.assign(world.networks.conditions, { gossipLoss: 0, gossipDuplicates: 0, spikes: 0, mostDelayMs: 20 }) }
  } },
  { name: 'stranger', weight: 4, lastsMs: 0, strike (world) {
    world.stranger?.strike()
    return undefined
  } },
  { name: 'clock jump', weight: 2, lastsMs: 120_000, strike: onPeer((peer, random) => {
    peer.setWallOffset(random.pick([-hourMs, -60_000, 60_000, hourMs]))
    return () => { peer.setWallOffset(0) }
  }) },
  { name: 'slow disk', weight: 3, lastsMs: 60_000, strike: onPeer((peer, random) => {
    Object.assign(peer.disk.conditions, { writeMs: random.between(1, 500), syncMs: random.between(10, 5_000) })
    return () => { Object.assign(peer.disk.conditions, { writeMs: 0.2, syncMs: 4 }) }
  }) },
  { name: 'full disk', weight: 3, lastsMs: 60_000, strike: onPeer(peer => {
    peer.disk.conditions.isFull = true
    return () => { peer.disk.conditions.isFull = false }
  }) },
  { name: 'failing disk', weight: 2, lastsMs: 30_000, strike: onPeer((peer, random) => {
    peer.disk.conditions.failure = random.between(0, 0.3)
    return () => { peer.disk.conditions.failure = 0 }
  }) },
  { name: 'lost datastore', weight: 2, lastsMs: 10_000, strike: onPeer((peer, random, world) => {
    if (!isReplicated(peer, world.peers)) return undefined
    peer.losePower()
    world.history.forget(peer.self)
    if (random.chance(0.5)) peer.disk.wipe()
    else peer.disk.damage()
    return startAgain(peer)
  }) },
  { name: 'peers rm', weight: 3, lastsMs: 60_000, strike: onPeer((peer, random, world) => {
    const asked = world.serving()
    if (asked.length > 0) void removePeer(world, random.pick(asked), peer)
    if (random.chance(0.5)) return undefined
    world.clock.after(random.between(0, 5_000), () => { if (!world.isCalm) peer.stop() })
    return startAgain(peer)
  }) },
  { name: 'IPFS down', weight: 3, lastsMs: 60_000, strike: onPeer(peer => {
    peer.node.conditions.isDown = true
    return () => { peer.node.conditions.isDown = false }
  }) },
  { name: 'IPFS hung', weight: 2, lastsMs: 90_000, strike: onPeer(peer => {
    peer.node.conditions.isHung = true
    return () => { peer.node.conditions.isHung = false }
  }) },
  { name: 'IPFS slow', weight: 2, lastsMs: 60_000, strike: onPeer((peer, random) => {
    peer.node.conditions.answerMs = random.between(100, 10_000)
    return () => { peer.node.conditions.answerMs = 20 }
  }) },
  { name: 'IPFS full', weight: 2, lastsMs: 60_000, strike: onPeer(peer => {
    peer.node.conditions.isFull = true
    return () => { peer.node.conditions.isFull = false }
  }) },
  { name: 'IPFS lies', weight: 2, lastsMs: 30_000, strike: onPeer((peer, random) => {
    peer.node.conditions.lies = random.between(0.1, 0.5)
    return () => { peer.node.conditions.lies = 0 }
  }) },
  { name: 'IPFS lost pins', weight: 3, lastsMs: 0, strike: onPeer((peer, random) => { peer.node.losePins(random.between(0.1, 1)) }) },
  { name: 'no provider', weight: 3, lastsMs: 90_000, strike (world, random) {
    for (const cid of world.history.cids()) if (random.chance(0.3)) world.content.unreachable.add(cid)
    return () => { world.content.unreachable.clear() }
  } },
]

function cutBoth (world: World, a: SimulatedPeer, b: SimulatedPeer): void {
  world.networks.cut(a.self, b.self)
  world.networks.cut(b.self, a.self)
}

/** A random operator: strikes again and again until the moment; each fault ends after its time or with the calm that follows. */
export async function strikeUntil (world: World, untilMs: number, round: number, mostPauseMs: number): Promise<void> {
  const { clock, trace } = world
  const random = world.random.fork(`faults/${round}`)
  const total = faults.reduce((sum, fault) => sum + fault.weight, 0)
  for (;;) {
    await sleep(clock, random.between(0, mostPauseMs))
    if (clock.monotonic() >= untilMs) return
    let at = random.fraction() * total
    const fault = faults.find(({ weight }) => (at -= weight) < 0) ?? faults[0] as Fault
    trace.note('operator', fault.name)
    const takeBack = fault.strike(world, random)
    if (takeBack !== undefined) clock.after(random.between(0, fault.lastsMs), takeBack)
  }
}
