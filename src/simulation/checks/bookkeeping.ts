import { cidKey } from '../../domain/cid.ts'
import { SetDigest } from '../../state/digest.ts'
import { indexKeys } from '../../state/pin-index.ts'
import { figuresOn, indexOn, pinOf, pinsetFor, pinsetOn } from '../disk-contents.ts'
import type { SimulatedDisk } from '../simulated-store.ts'
import type { Check } from './check.ts'

const limitMs = 60_000

/** What is kept beside the pinset (count, digest, indexes) agrees with it, on every peer. */
export const bookkeeping: Check = {
  promise: 'count, digest and indexes of every peer agree with its pinset',
  async atRest ({ world, pinset }) {
    const broken: string[] = []
    for (const peer of world.serving()) {
      const { name, serving } = peer
      const { size } = pinsetFor(peer, pinset)
      for (const fault of keptFaults(peer.disk)) broken.push(`${name} ${fault}`)
      const pins = serving?.consensus.pinset()
      if (pins === undefined) continue
      if (pins.count() !== size) broken.push(`${name} counts ${pins.count()} pins, there are ${size}`)
      const listed = (await world.while(Array.fromAsync(pins.list({})), limitMs)).flat()
      if (listed.length !== size) broken.push(`${name} lists ${listed.length} pins, there are ${size}`)
      for (const { self, name: holder } of world.peers) {
        const indexed = (await world.while(Array.fromAsync(pins.allocatedTo(self, {})), limitMs)).flat()
        const allocated = listed.filter(pin => pin.allocations?.includes(self) === true).map(pin => pin.cid)
        if (indexed.join() !== allocated.join()) broken.push(`${name} has ${indexed.length} pins in its index for ${holder}, there are ${allocated.length}`)
      }
    }
    return broken
  },
}

/** What stands beside the pins on this disk and does not follow from them. */
function keptFaults (disk: SimulatedDisk): string[] {
  const found: string[] = []
  const { values } = pinsetOn(disk)
  const digest = new SetDigest()
  for (const [cid, value] of values) digest.add(cidKey(cid), Buffer.from(value, 'base64'))
  const kept = figuresOn(disk)
  if (kept.count !== values.size) found.push(`has ${kept.count} as its count, there are ${values.size} pins`)
  if (kept.digest !== digest.toString()) found.push('has a digest that is not that of its pins')
  const index = indexOn(disk)
  const wanted = [...values.values()].flatMap(value => indexKeys(pinOf(value))).toSorted()
  if (index.join() !== wanted.join()) found.push(`has ${index.length} entries in its indexes, of which ${index.filter(key => wanted.includes(key)).length} are among the ${wanted.length} that belong there`)
  return found
}
