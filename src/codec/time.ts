import { ClusterError } from '../domain/errors.ts'
import { quoteBytes } from '../domain/quote.ts'
import type { Time } from '../domain/time.ts'

/**
 * RFC 3339 text of a moment in UTC, with microseconds where there are any and without trailing
 * zeros; `0` is the zero time of the contract, 0001-01-01T00:00:00Z (spec/rest-api.md 1.4).
 * A moment that has no such text (before year 0, after 9999, not a number) is written as that zero time.
 */
export function formatTime (time: Time): string {
  if (time === 0) return zeroTimeText
  const parts = splitTime(time)
  return parts === undefined ? zeroTimeText : formatSeconds(parts.seconds) + formatFraction(parts.micros)
}

export const zeroTimeText = '0001-01-01T00:00:00Z'

/** Whole seconds and the remaining microseconds (0 to 999999), or undefined outside of what has a text. */
export function splitTime (time: Time): { readonly seconds: number, readonly micros: number } | undefined {
  let seconds = Math.floor(time / 1000)
  let micros = Math.round((time - seconds * 1000) * 1000)
  if (micros === 1_000_000) {
    seconds += 1
    micros = 0
  }
  return seconds >= firstSecond && seconds <= lastSecond ? { seconds, micros } : undefined
}

/** Seconds since the epoch of 0000-01-01T00:00:00Z and 9999-12-31T23:59:59Z: the range of RFC 3339. */
export const firstSecond = -62_167_219_200
export const lastSecond = 253_402_300_799

/** The last moment of year 9999 that a {@link Time} can hold: there it has some thirty parts of a millisecond. */
const lastTime = lastSecond * 1000 + 999

/** A moment from whole seconds and nanoseconds, rounded to the microseconds that a {@link Time} can hold exactly; within year 9999 never up into the next. */
export function joinTime (seconds: number, nanoseconds: number): Time {
  const micros = Math.round(nanoseconds / 1000)
  const time = seconds * 1000 + micros / 1000
  return seconds === lastSecond ? Math.min(time, lastTime) : time
}

let cachedDay = NaN
let cachedDate = ''

/** `2026-11-24T07:43:00` of whole seconds; most neighbours in a listing share their day. */
function formatSeconds (seconds: number): string {
  const day = Math.floor(seconds / 86_400)
  if (day !== cachedDay) {
    cachedDate = dateText(day)
    cachedDay = day
  }
  const rest = seconds - day * 86_400
  const hour = Math.floor(rest / 3600)
  const minute = Math.floor(rest / 60) - hour * 60
  return `${cachedDate}T${two(hour)}:${two(minute)}:${two(rest % 60)}`
}

function dateText (day: number): string {
  const date = new Date(day * 86_400_000)
  return `${date.getUTCFullYear().toString().padStart(4, '0')}-${two(date.getUTCMonth() + 1)}-${two(date.getUTCDate())}`
}

const twoDigits = Array.from({ length: 100 }, (_, number) => number.toString().padStart(2, '0'))

function two (number: number): string {
  return twoDigits[number] as string
}

function formatFraction (micros: number): string {
  if (micros === 0) return 'Z'
  let digits = micros.toString().padStart(6, '0')
  while (digits.endsWith('0')) digits = digits.slice(0, -1)
  return `.${digits}Z`
}

/** As lenient as the reference: an hour of one digit, a comma before the fraction, offsets up to 24:60. */
const form = /^(\d{4})-(\d\d)-(\d\d)T(\d\d?):(\d\d):(\d\d)(?:[.,](\d+))?(?:Z|([+-])(\d\d):(\d\d))$/

/**
 * Reads RFC 3339 text with any offset and up to any number of digits, kept to the microsecond. What its
 * offset moves out of the years 0 to 9999 is refused: the reference takes it and cannot list it afterwards.
 * @throws ClusterError `INVALID_INPUT` with the reference's text (spec/rest-api.md 3)
 */
export function parseTime (text: string): Time {
  const match = text.length <= maxTimeLength ? form.exec(text) : null
  if (match === null) throw explain(text)
  const [, year, month, day, hour, minute, second, fraction, sign, offsetHour, offsetMinute] = match
  const fields = [Number(month), Number(day), Number(hour), Number(minute), Number(second)] as const
  const inRange = fields[0] >= 1 && fields[0] <= 12 && fields[1] >= 1 && fields[1] <= daysIn(Number(year), fields[0]) &&
    fields[2] < 24 && fields[3] < 60 && fields[4] < 60 && Number(offsetHour ?? 0) <= 24 && Number(offsetMinute ?? 0) <= 60
  if (!inRange) throw explain(text)
  const offset = (Number(offsetHour ?? 0) * 60 + Number(offsetMinute ?? 0)) * (sign === '-' ? -60 : 60)
  const seconds = secondsOf(Number(year), fields) - offset
  const nanoseconds = fraction === undefined ? 0 : Number(fraction.slice(0, 9).padEnd(9, '0'))
  if (seconds < firstSecond || seconds > lastSecond) throw failure(text, ': year out of range')
  if (seconds === zeroTimeSeconds && nanoseconds === 0) return 0
  return joinTime(seconds, nanoseconds)
}

/** Longer texts are no times; the bound keeps error messages short. */
const maxTimeLength = 128
const zeroTimeSeconds = -62_135_596_800

function secondsOf (year: number, [month, day, hour, minute, second]: readonly [number, number, number, number, number]): number {
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  return date.getTime() / 1000 + hour * 3600 + minute * 60 + second
}

function daysIn (year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
}

const layout = '2006-01-02T15:04:05Z07:00'

/** What is wrong with a text that is no time: the first element that does not fit, as the reference reports it. */
function explain (text: string): ClusterError {
  if (text.length > maxTimeLength) return failure(`${text.slice(0, maxTimeLength)}…`, ': too long')
  let rest = text
  const steps: ReadonlyArray<readonly [string, RegExp, string?, number?, number?]> = [
    ['2006', /^\d[^]{3}/], ['-', /^-/], ['01', /^\d\d/, 'month', 1, 12], ['-', /^-/], ['02', /^\d\d/], ['T', /^T/],
    ['15', /^\d\d?/, 'hour', 0, 23], [':', /^:/], ['04', /^\d\d/, 'minute', 0, 59], [':', /^:/], ['05', /^\d\d/, 'second', 0, 59],
  ]
  for (const [element, pattern, name, least, most] of steps) {
    const found = pattern.exec(rest)?.[0]
    if (found === undefined || (element === '2006' && !/^\d{4}$/.test(found))) return mismatch(text, rest, element)
    rest = rest.slice(found.length)
    if (name !== undefined && (Number(found) < (least as number) || Number(found) > (most as number))) return failure(text, `: ${name} out of range`)
  }
  rest = rest.replace(/^[.,]\d+/, '')
  const zone = /^(?:Z|[+-](\d\d):(\d\d))/.exec(rest)
  if (zone === null) return mismatch(text, rest, 'Z07:00')
  if (Number(zone[1] ?? 0) > 24) return failure(text, ': time zone offset hour out of range')
  if (Number(zone[2] ?? 0) > 60) return failure(text, ': time zone offset minute out of range')
  if (rest.length > zone[0].length) return failure(text, `: extra text: ${quoteBytes(rest.slice(zone[0].length))}`)
  return failure(text, ': day out of range')
}

function mismatch (text: string, rest: string, element: string): ClusterError {
  return failure(text, ` as ${quoteBytes(layout)}: cannot parse ${quoteBytes(rest)} as ${quoteBytes(element)}`)
}

function failure (text: string, reason: string): ClusterError {
  return new ClusterError('INVALID_INPUT', `parsing time ${quoteBytes(text)}${reason}`)
}
