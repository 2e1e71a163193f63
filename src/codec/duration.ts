import { ClusterError } from '../domain/errors.ts'
import { quoteBytes } from '../domain/quote.ts'

/** Nanoseconds of each unit, as the largest are written first. */
const units: Readonly<Record<string, bigint>> = {
  ns: 1n, us: 1_000n, 'µs': 1_000n, 'μs': 1_000n, ms: 1_000_000n, s: 1_000_000_000n, m: 60_000_000_000n, h: 3_600_000_000_000n,
}
/** The reference counts durations in signed 64 bit nanoseconds: about 292 years. */
const maxNanoseconds = 2n ** 63n - 1n

/**
 * Reads a duration such as `300ms`, `-1.5h` or `2h45m` (units ns us µs ms s m h, bare `0` allowed).
 * @returns milliseconds, with a fraction where the text has one
 * @throws ClusterError `INVALID_INPUT` with the reference's text (spec/cli.md 0)
 */
export function parseDuration (text: string): number {
  const negative = text.startsWith('-')
  let rest = negative || text.startsWith('+') ? text.slice(1) : text
  if (rest === '0') return 0
  if (rest === '' || text.length > maxDurationLength) throw invalid(text)
  let total = 0n
  while (rest !== '') {
    const match = /^(\d*)(?:\.(\d*))?/.exec(rest) as RegExpExecArray
    const [number, whole, fraction] = match
    if ((whole === '' || whole === undefined) && (fraction === undefined || fraction === '')) throw invalid(text)
    rest = rest.slice(number.length)
    const unit = (/^[^.\d]+/.exec(rest) ?? [''])[0]
    if (unit === '') throw new ClusterError('INVALID_INPUT', `time: missing unit in duration ${quoteBytes(text)}`)
    const size = Object.hasOwn(units, unit) ? units[unit] as bigint : undefined
    if (size === undefined) throw new ClusterError('INVALID_INPUT', `time: unknown unit ${quoteBytes(unit)} in duration ${quoteBytes(text)}`)
    rest = rest.slice(unit.length)
    total += BigInt(whole || '0') * size
    if (fraction) total += BigInt(fraction) * size / 10n ** BigInt(fraction.length)
    if (total > maxNanoseconds + (negative ? 1n : 0n)) throw invalid(text)
  }
  const milliseconds = Number(total / 1_000_000n) + Number(total % 1_000_000n) / 1e6
  return negative && milliseconds !== 0 ? -milliseconds : milliseconds
}

/** No meaning needs more; the bound keeps the arithmetic and the error messages short. */
const maxDurationLength = 256

function invalid (text: string): ClusterError {
  const shown = text.length > maxDurationLength ? `${text.slice(0, maxDurationLength)}…` : text
  return new ClusterError('INVALID_INPUT', `time: invalid duration ${quoteBytes(shown)}`)
}

/** The normal form of a duration given in milliseconds: `24h0m0s`, `1.5s`, `100ms`, `0s`. Kept to the nanosecond. */
export function formatDuration (ms: number): string {
  if (!Number.isFinite(ms)) throw new ClusterError('INVALID_INPUT', `time: invalid duration ${quoteBytes(String(ms))}`)
  const whole = Math.trunc(ms)
  const nanoseconds = BigInt(whole) * 1_000_000n + BigInt(Math.round((ms - whole) * 1e6))
  if (nanoseconds < 0n) return `-${formatPositive(-nanoseconds)}`
  return formatPositive(nanoseconds)
}

function formatPositive (nanoseconds: bigint): string {
  if (nanoseconds === 0n) return '0s'
  if (nanoseconds < 1_000n) return `${nanoseconds}ns`
  if (nanoseconds < 1_000_000n) return `${decimal(nanoseconds, 1_000n)}µs`
  if (nanoseconds < 1_000_000_000n) return `${decimal(nanoseconds, 1_000_000n)}ms`
  const minutes = nanoseconds / 60_000_000_000n
  const seconds = `${decimal(nanoseconds % 60_000_000_000n, 1_000_000_000n)}s`
  if (minutes === 0n) return seconds
  return minutes < 60n ? `${minutes}m${seconds}` : `${minutes / 60n}h${minutes % 60n}m${seconds}`
}

function decimal (value: bigint, unit: bigint): string {
  const fraction = value % unit
  if (fraction === 0n) return `${value / unit}`
  const digits = fraction.toString().padStart(unit.toString().length - 1, '0').replace(/0+$/, '')
  return `${value / unit}.${digits}`
}
