import { isAllocatedTo } from '../../domain/pin.ts'
import { statusName, TrackerStatus } from '../../domain/status.ts'
import type { Check } from './check.ts'

/** CIDs that are asked for by name. */
const asked = 12
const limitMs = 60_000

/** What peers say of the state of pins is how it is. */
export const truth: Check = {
  promise: 'status tells the truth',
  async atRest ({ world, pinset }) {
    const broken: string[] = []
    const random = world.random.fork(`truth/${world.clock.monotonic()}`)
    for (const peer of world.serving()) {
      const cluster = peer.serving?.cluster
      if (cluster === undefined) continue
      const expected = (cid: Parameters<typeof cluster.status>[0]): number => {
        const pin = pinset.get(cid)
        if (pin === undefined) return TrackerStatus.unpinned
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
      for (const cid of random.shuffled([...pinset.keys()]).slice(0, asked)) {
        const info = await world.while(cluster.status(cid, { local: true }), limitMs)
        const status = info.peerMap[peer.self]?.status ?? 0
        if (status !== expected(cid)) broken.push(`${peer.name} says that ${cid} is ${statusName(status)}, it is ${statusName(expected(cid))}`)
      }
    }
    return broken
  },
}
