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

/** The items in any order, each with the same chance. */
export function shuffled<T> (random: Pick<Random, 'integer'>, items: Iterable<T>): T[] {
  const order = [...items]
  for (let i = order.length - 1; i > 0; i--) {
    const other = random.integer(i + 1)
    ;[order[i], order[other]] = [order[other] as T, order[i] as T]
  }
  return order
}
