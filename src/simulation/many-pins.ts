import { createHash } from 'node:crypto'
import { PinMessage } from '../codec/messages.ts'
import { CrdtConsensus } from '../consensus/crdt/crdt-consensus.ts'
import { cidFromBytes } from '../domain/cid.ts'
import { defaultPinOptions, pinWithOptions, type Pin } from '../domain/pin.ts'
import { silentLoggers } from '../platform/logger.ts'
import { noMetrics } from '../platform/metrics.ts'
import { pinsetOn } from './disk-contents.ts'
import { PeerClock } from './peer-clock.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { World } from './world.ts'

/** How often a world has many pins from its start. */
const manyChance = 0.04
/** So many that lists, ranges and repairs come to their later steps. */
const leastPins = 700
const mostPins = 1_800
const pinsPerStep = 100
const limitMs = 600_000

/** Imports many pins into the folder of the first peer, which has not started yet, as `state import` does; the others get them from it. */
export async function importMany (world: World): Promise<void> {
  const random = world.random.fork('many pins')
  const [first, ...others] = world.peers
  if (first === undefined || !random.chance(manyChance)) return
  const clock = new PeerClock(world.clock)
  const platform = { clock, random: random.fork('importer'), loggers: silentLoggers, metrics: noMetrics }
  const consensus = new CrdtConsensus({ self: first.self, store: first.disk.open(clock), codec: PinMessage, datastoreNamespace: '/c', trustedPeers: [], batching: { maxSize: 0, maxAgeMs: 0 }, members: () => [], platform })
  await world.while(consensus.start(), limitMs)
  const count = await world.while(consensus.importPins(pins(world, random)), limitMs)
  await world.while(consensus.stop(), limitMs)
  clock.kill()
  world.history.restart(pinsetOn(first.disk).values)
  for (const { history, self } of others) history.fallBehind(self)
  world.trace.note(first.name, `has ${count} pins from an import`)
}

async function * pins (world: World, random: SeededRandom): AsyncGenerator<Pin[]> {
  const peers = world.peers.map(({ self }) => self)
  const left = leastPins + random.integer(mostPins - leastPins)
  for (let from = 0; from < left; from += pinsPerStep) {
    yield Array.from({ length: Math.min(pinsPerStep, left - from) }, (_, n): Pin => {
      const max = random.chance(0.1) ? -1 : 1 + random.integer(Math.min(3, peers.length))
      const min = max === -1 ? -1 : Math.max(1, max - random.integer(2))
      const options = { ...defaultPinOptions, name: `imported ${from + n}`, replicationFactorMin: min, replicationFactorMax: max }
      const cid = cidFromBytes(Uint8Array.from([1, 0x55, 0x12, 0x20, ...createHash('sha256').update(options.name).digest()]))
      return { ...pinWithOptions(cid, options, world.clock.now()), allocations: max === -1 ? [] : random.shuffled(peers).slice(0, max) }
    })
  }
}
