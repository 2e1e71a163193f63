/**
 * A moment: milliseconds since the Unix epoch, fractions allowed. `0` means "not set" and is
 * written as the zero time of the contract, 0001-01-01T00:00:00Z.
 */
export type Time = number

export const unsetTime: Time = 0

/**
 * A span as timers of the runtime take it: whole milliseconds in 31 bits, which is 24 days. One with
 * a fraction is refused by some of them, a longer one is over at once.
 */
export function timerMs (ms: number): number { return Math.min(Math.ceil(ms), 2 ** 31 - 1) }
