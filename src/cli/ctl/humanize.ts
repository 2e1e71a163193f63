import type { Time } from '../../domain/time.ts'

const sizeUnits = ['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB']

/** A size in SI units with one decimal below 10 of them: `280 B`, `4.7 kB`, `12 kB`. */
export function humanSize (bytes: number): string {
  if (bytes < 10) return `${bytes} B`
  const power = Math.floor(Math.log(bytes) / Math.log(1000))
  const value = Math.floor(bytes / 1000 ** power * 10 + 0.5) / 10
  return `${value < 10 ? value.toFixed(1) : roundHalfEven(value)} ${sizeUnits[power]}`
}

function roundHalfEven (value: number): number {
  const whole = Math.floor(value)
  if (value - whole !== 0.5) return Math.round(value)
  return whole % 2 === 0 ? whole : whole + 1
}

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour
const week = 7 * day
const month = 30 * day
const year = 12 * month

/** Below the limit the distance is told in these words; `#` is the number of units. */
const distances: ReadonlyArray<readonly [limitMs: number, words: string, unitMs: number]> = [
  [second, 'now', second], [2 * second, '1 second', second], [minute, '# seconds', second],
  [2 * minute, '1 minute', minute], [hour, '# minutes', minute], [2 * hour, '1 hour', hour], [day, '# hours', hour],
  [2 * day, '1 day', day], [week, '# days', day], [2 * week, '1 week', week], [month, '# weeks', week],
  [2 * month, '1 month', month], [year, '# months', month], [18 * month, '1 year', year], [2 * year, '2 years', year],
  [37 * year, '# years', year],
]

/** A moment as seen from `now`: `2 seconds from now`, `now`, `1 minute ago`. */
export function humanTime (time: Time, now: Time): string {
  const distance = Math.abs(time - now)
  const [, words, unit] = distances.find(([limit]) => distance < limit) ?? [Infinity, 'a long while', year]
  if (words === 'now') return words
  return `${words.replace('#', String(Math.floor(distance / unit)))} ${time > now ? 'from now' : 'ago'}`
}
