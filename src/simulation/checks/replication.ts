import { isPinnedEverywhere } from '../../domain/pin.ts'
import type { Check } from './check.ts'

/** Enough peers hold each pin, and not too many. */
export const replication: Check = {
  promise: 'replication is within its bounds',
  atRest ({ world, pinset }) {
    const broken: string[] = []
    const alive = new Set(world.serving().map(peer => peer.self))
    for (const [cid, pin] of pinset) {
      const allocations = pin.allocations ?? []
      if (pin.type === 'meta-pin') continue
      if (isPinnedEverywhere(pin)) {
        if (allocations.length > 0) broken.push(`${cid} is to be everywhere and has allocations`)
        continue
      }
      const living = allocations.filter(peer => alive.has(peer))
      if (new Set(allocations).size !== allocations.length) broken.push(`${cid} is allocated twice to one peer`)
      if (living.length < Math.min(pin.replicationFactorMin, alive.size)) broken.push(`${cid} has ${living.length} living holders, at least ${pin.replicationFactorMin} are wanted`)
      if (living.length > pin.replicationFactorMax) broken.push(`${cid} has ${living.length} living holders, at most ${pin.replicationFactorMax} are wanted`)
    }
    return broken
  },
}
