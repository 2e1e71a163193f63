/**
 * A moment: milliseconds since the Unix epoch, fractions allowed. `0` means "not set" and is
 * written as the zero time of the contract, 0001-01-01T00:00:00Z.
 */
export type Time = number

export const unsetTime: Time = 0
