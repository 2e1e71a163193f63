import { sleep } from '../platform/clock.ts'
import { headNames, journalled } from './disk-contents.ts'
import type { SimulatedPeer } from './simulated-peer.ts'
import type { World } from './world.ts'

/** How often it is looked, in milliseconds. */
const lookMs = 5_000
/** Journal entries that may wait: users of the simulator are few. */
const mostJournalled = 1_000
/** Heads: a peer alone has one, each partition may add one, each wiped datastore another. */
const mostHeads = 100
/** A ping from a clock that runs ahead may count for this long, in milliseconds. */
const believedMs = 120_000
/** Besides the time to live of a ping and two rounds of the failure detector, in milliseconds. */
const alertSlackMs = 10_000

/** Looks at what must hold at all times, also while faults strike. Ends with the signal. */
export async function watch (world: World, signal: AbortSignal): Promise<void> {
  const told = new Set<string>()
  while (!signal.aborted) {
    await sleep(world.clock, lookMs)
    for (const peer of world.peers) {
      if (journalled(peer.disk) > mostJournalled) world.violate(`${peer.name} has ${journalled(peer.disk)} entries in its journal`)
      if (headNames(peer.disk).length > mostHeads) world.violate(`${peer.name} has ${headNames(peer.disk).length} heads`)
      checkAlerts(world, peer, told)
      checkFalseAlerts(world, peer, told)
    }
  }
}

/** Whoever serves all the while knows of a peer that has been gone for long enough. Once for each death. */
function checkAlerts (world: World, dead: SimulatedPeer, told: Set<string>): void {
  const now = world.clock.monotonic()
  const detectableMs = 2 * world.pingIntervalOf(dead.self) + 2 * world.settings.longest.pingIntervalMs + alertSlackMs
  // Pings of a peer with the wrong time have expired when they come, or count for longer than they should.
  if (dead.goneSince - dead.wasSteadySince < believedMs) return
  if (now - dead.goneSince < detectableMs || told.has(`${dead.name} ${dead.goneSince}`)) return
  told.add(`${dead.name} ${dead.goneSince}`)
  for (const observer of world.serving()) {
    // It keeps none.
    if (observer.role === 'follower') continue
    const heardAt = world.heard.get(observer.self)?.get(dead.self)?.at
    const steadySince = observer.process?.steadySince ?? Infinity
    // A process that stood still reads late what came meanwhile: only from then on can it miss what it has heard.
    if (heardAt === undefined || heardAt < steadySince || now - steadySince < detectableMs) continue
    const heardTime = world.clock.now() - (now - heardAt)
    const hasAlert = observer.serving?.cluster.alerts().some(({ name, peer, triggeredAt }) => name === 'ping' && peer === dead.self && triggeredAt >= heardTime)
    if (hasAlert !== true) world.violate(`every death is told: ${observer.name} has no alert for ${dead.name}, which is gone for ${((now - dead.goneSince) / 1_000).toFixed(0)} s`)
  }
}

/** A ping may be as old as this when it is heard, over a bad network and several peers, in milliseconds. */
const oldestPingMs = 10_000

/** Nobody is told dead whom the observer has just heard. Once for each alert. */
function checkFalseAlerts (world: World, observer: SimulatedPeer, told: Set<string>): void {
  const { process, serving } = observer
  const now = world.clock.monotonic()
  for (const { name, peer, triggeredAt } of serving?.cluster.alerts() ?? []) {
    const key = `${observer.name} ${process?.number} ${name} ${peer} ${triggeredAt}`
    if (name !== 'ping' || told.has(key)) continue
    told.add(key)
    const pingIntervalMs = world.pingIntervalOf(peer)
    const countsForMs = Math.min(pingIntervalMs, 2 * pingIntervalMs - oldestPingMs)
    const alertAt = now - (world.clock.now() - triggeredAt)
    // It is new: another time is that of a clock that was wrong by far more than this.
    if (alertAt <= now - lookMs || alertAt > now) continue
    // Its words of before count longer: those that it says with the right clock pass for older ones that somebody repeats.
    if (alertAt - (world.peer(peer)?.rightSince ?? -Infinity) < 2 * pingIntervalMs) continue
    const { at = Infinity, previousAt = Infinity } = world.heard.get(observer.self)?.get(peer) ?? {}
    const heardAt = at <= alertAt ? at : previousAt
    const steadySince = Math.max(process?.steadySince ?? Infinity, world.peer(peer)?.process?.steadySince ?? Infinity)
    if (heardAt <= alertAt && heardAt > steadySince && alertAt - heardAt < countsForMs) world.violate(`nobody is told dead who is heard: ${observer.name} has an alert for ${world.nameOf(peer)}, which it heard ${((alertAt - heardAt) / 1_000).toFixed(1)} s before`)
  }
}
