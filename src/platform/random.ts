import { randomBytes, randomInt } from 'node:crypto'

/** The only source of randomness. The simulator brings a seeded one. */
export interface Random {
  bytes (length: number): Uint8Array
  /** An integer with 0 <= n < `below`. */
  integer (below: number): number
  /** A number with 0 <= n < 1. */
  fraction (): number
}

export const systemRandom: Random = {
  bytes: length => randomBytes(length),
  integer: below => randomInt(below),
  fraction: () => randomInt(2 ** 47) / 2 ** 47,
}
