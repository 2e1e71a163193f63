import type { Cid } from '../../domain/cid.ts'
import { isPinnedEverywhere, type Pin } from '../../domain/pin.ts'
import type { World } from '../world.ts'
import type { Check } from './check.ts'

/** Enough peers hold each pin, and not too many. */
export const replication: Check = {
  promise: 'replication is within its bounds',
  atRest ({ world, pinset }) {
    const broken = shortages(world, pinset)
    for (const [cid, pin] of pinset) {
      if (pin.type === 'meta-pin') continue
      const allocations = pin.allocations ?? []
      if (isPinnedEverywhere(pin) && allocations.length > 0) broken.push(`${cid} is to be everywhere and has allocations`)
      if (isPinnedEverywhere(pin)) continue
      if (new Set(allocations).size !== allocations.length) broken.push(`${cid} is allocated twice to one peer`)
      if (allocations.length > pin.replicationFactorMax) broken.push(`${cid} has ${allocations.length} holders, at most ${pin.replicationFactorMax} are wanted`)
    }
    return broken
  },
}

/** Pins that have too few living holders, though there are enough peers. */
export function shortages (world: World, pinset: ReadonlyMap<Cid, Pin>): string[] {
  const alive = new Set(world.serving().map(peer => peer.self))
  const found: string[] = []
  for (const [cid, pin] of pinset) {
    // The parts of sharded content have holders, not what stands for the whole.
    if (pin.type === 'meta-pin' || isPinnedEverywhere(pin) || pin.replicationFactorMin > alive.size) continue
    const living = (pin.allocations ?? []).filter(peer => alive.has(peer))
    if (living.length < pin.replicationFactorMin) found.push(`${cid} has ${living.length} living holders, at least ${pin.replicationFactorMin} are wanted`)
  }
  return found
}
