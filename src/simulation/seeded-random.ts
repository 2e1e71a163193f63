import type { Random } from '../platform/random.ts'

/** Random numbers that a seed decides, with what a simulation asks for again and again. */
export interface SeededRandom extends Random {
  /** True with this probability. */
  chance (probability: number): boolean
  /** A number with `low` <= n < `high`. */
  between (low: number, high: number): number
  /** @throws Error when there is nothing to pick from */
  pick<T> (items: readonly T[]): T
  shuffled<T> (items: readonly T[]): T[]
  /**
   * Another sequence, decided by the seed and the label alone: who draws more from one does not
   * change what the others bring.
   */
  fork (label: string): SeededRandom
}

/** A sequence of xoshiro128** (Blackman, Vigna: Scrambled linear pseudorandom number generators), its state filled by splitmix32. */
export function seededRandom (seed: number, label = ''): SeededRandom {
  let filling = hash(`${seed}/${label}`)
  const fill = (): number => {
    filling = (filling + 0x9e3779b9) | 0
    let mixed = Math.imul(filling ^ (filling >>> 16), 0x21f0aaad)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
    return mixed ^ (mixed >>> 15)
  }
  let [a, b, c, d] = [fill(), fill(), fill(), fill() | 1]

  const next32 = (): number => {
    const scrambled = Math.imul(rotate(Math.imul(b, 5), 7), 9)
    const shifted = b << 9
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= shifted
    d = rotate(d, 11)
    return scrambled >>> 0
  }
  const fraction = (): number => next32() / 2 ** 32
  const integer = (below: number): number => Math.floor(fraction() * below)

  return {
    fraction,
    integer,
    bytes: length => Uint8Array.from({ length }, () => next32() & 255),
    chance: probability => fraction() < probability,
    between: (low, high) => low + fraction() * (high - low),
    pick (items) {
      if (items.length === 0) throw new Error('nothing to pick from')
      return items[integer(items.length)] as typeof items[number]
    },
    shuffled (items) {
      const rest = [...items]
      const result: typeof rest = []
      while (rest.length > 0) result.push(...rest.splice(integer(rest.length), 1))
      return result
    },
    fork: inner => seededRandom(seed, `${label}/${inner}`),
  }
}

function rotate (value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}

/** FNV-1a, 32 bits. */
function hash (text: string): number {
  let result = 0x811c9dc5
  for (let i = 0; i < text.length; i++) result = Math.imul(result ^ text.charCodeAt(i), 0x01000193)
  return result
}
