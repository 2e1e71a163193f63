import { pinsetFor } from '../disk-contents.ts'
import type { Check } from './check.ts'

const limitMs = 60_000

/** What is kept beside the pinset (count, index of allocations) agrees with it, on every peer. */
export const bookkeeping: Check = {
  promise: 'count and index of every peer agree with its pinset',
  async atRest ({ world, pinset }) {
    const broken: string[] = []
    for (const peer of world.serving()) {
      const { name, serving } = peer
      const { size } = pinsetFor(peer, pinset)
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
