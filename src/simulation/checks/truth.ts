import type { Cid } from '../../domain/cid.ts'
import { isAllocatedTo, type Pin } from '../../domain/pin.ts'
import { expectedStatus, statusName, TrackerStatus } from '../../domain/status.ts'
import { pinsetFor } from '../disk-contents.ts'
import type { World } from '../world.ts'
import type { Check } from './check.ts'

/** CIDs that are asked for by name. */
const askedByName = 12
/** CIDs whose state on all peers is asked for. */
const askedOfAll = 4
const limitMs = 60_000
/** In which a peer pins again what its node has all the same, in milliseconds. */
const settleMs = 1_000

/** What peers say of the state of pins is how it is. */
export const truth: Check = {
  promise: 'status tells the truth',
  async atRest ({ world, pinset: agreed }) {
    const broken: string[] = []
    const random = world.random.fork(`truth/${world.clock.monotonic()}`)
    for (const peer of world.serving()) {
      const pinset = pinsetFor(peer, agreed)
      const cluster = peer.serving?.cluster
      if (cluster === undefined) continue
      const expected = (cid: Parameters<typeof cluster.status>[0]): number => {
        const pin = pinset.get(cid)
        if (pin === undefined) return TrackerStatus.unpinned
        if (pin.type === 'meta-pin') return TrackerStatus.sharded
        if (!isAllocatedTo(pin, peer.self)) return TrackerStatus.remote
        return peer.node.pins.has(cid) ? TrackerStatus.pinned : TrackerStatus.unexpectedlyUnpinned
      }
      const listed = new Set<string>()
      for (const info of (await world.while(Array.fromAsync(cluster.statusAll(0, { local: true })), limitMs)).flat()) {
        const status = info.peerMap[peer.self]?.status ?? 0
        listed.add(info.cid)
        if (status !== expected(info.cid)) broken.push(`${peer.name} lists ${info.cid} as ${statusName(status)}, it is ${statusName(expected(info.cid))}`)
      }
      for (const cid of pinset.keys()) if (!listed.has(cid)) broken.push(`${peer.name} does not list ${cid}`)
      for (const cid of random.shuffled([...pinset.keys()]).slice(0, askedByName)) {
        const info = await world.while(cluster.status(cid, { local: true }), limitMs)
        const status = info.peerMap[peer.self]?.status ?? 0
        if (status !== expected(cid)) broken.push(`${peer.name} says that ${cid} is ${statusName(status)}, it is ${statusName(expected(cid))}`)
      }
    }
    return [...broken, ...await toldOfLost(world, agreed), ...await toldOfOthers(world, agreed)]
  },
}

/** Each node lacks a pin for as long as its peer is asked for it: at rest there is no other that is not held. */
async function toldOfLost (world: World, pinset: ReadonlyMap<Cid, Pin>): Promise<string[]> {
  const broken: string[] = []
  const random = world.random.fork(`lost/${world.clock.monotonic()}`)
  for (const peer of world.serving()) {
    const { name, self, node, serving } = peer
    const held = [...pinsetFor(peer, pinset)].filter(([cid, pin]) => isAllocatedTo(pin, self) && node.pins.has(cid))
    if (serving === undefined || held.length === 0) continue
    const [cid] = random.pick(held)
    const type = node.pins.get(cid) ?? 'recursive'
    node.pins.delete(cid)
    const { peerMap } = await world.while(serving.cluster.status(cid, { local: true }), limitMs)
    const status = peerMap[self]?.status ?? 0
    if (status === TrackerStatus.pinned && !node.pins.has(cid)) broken.push(`${name} says that ${cid} is pinned, which its node has lost`)
    node.pins.set(cid, type)
  }
  // A recovery that came by in between has queued some of them again.
  await world.clock.advance(settleMs)
  return broken
}

/** One peer that all trust is asked for the state of pins on all peers. */
async function toldOfOthers (world: World, pinset: ReadonlyMap<Cid, Pin>): Promise<string[]> {
  const broken: string[] = []
  const random = world.random.fork(`others/${world.clock.monotonic()}`)
  const asked = random.pick(world.servingMembers())
  const cluster = asked.serving?.cluster
  if (cluster === undefined) return []
  for (const [cid, pin] of random.shuffled([...pinset]).slice(0, askedOfAll)) {
    const { peerMap } = await world.while(cluster.status(cid), limitMs)
    for (const peer of world.peers) {
      if (peer.role === 'outsider' && peer.history.of(cid).length > 0) continue
      const told = peerMap[peer.self]?.status
      // Of one that is gone it is only known that it holds nothing, or that it does not answer.
      const allowed: Array<TrackerStatus | undefined> = !isAllocatedTo(pin, peer.self) ? [TrackerStatus.remote] : peer.serving === undefined ? [TrackerStatus.clusterError, undefined] : [expectedStatus(pin, peer.self)]
      if (peer.serving === undefined && told === undefined) continue
      if (!allowed.includes(told)) broken.push(`${asked.name} says that ${cid} is ${told === undefined ? 'unknown' : statusName(told)} on ${peer.name}, where it is ${statusName(allowed[0] ?? 0)}`)
    }
  }
  return broken
}
