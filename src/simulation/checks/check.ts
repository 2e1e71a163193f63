import type { Cid } from '../../domain/cid.ts'
import type { Pin } from '../../domain/pin.ts'
import type { World } from '../world.ts'

/** A world in which no fault strikes any more and all peers have agreed: the one pinset, and what was asked before. */
export interface Rest {
  readonly world: World
  readonly pinset: ReadonlyMap<Cid, Pin>
  /** The same in stored form. */
  readonly values: ReadonlyMap<Cid, string>
}

/** One promise; answers what of it is broken, in sentences. */
export interface Check {
  readonly promise: string
  readonly atRest: (rest: Rest) => Promise<string[]> | string[]
}
