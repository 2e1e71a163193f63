import { formatTime } from '../codec/time.ts'
import { pinTypes, type PinOptions, type PinType } from '../domain/pin.ts'
import { statusName, statusNames, statusFromName, type TrackerStatus } from '../domain/status.ts'

/** Key and value pairs in the order in which they are sent. */
export type Query = ReadonlyArray<readonly [string, string]>

/** `key=value&…`, escaped as the reference does it. */
export function encodeQuery (query: Query): string {
  return query.map(([key, value]) => `${escapeQuery(key)}=${escapeQuery(value)}`).join('&')
}

/** Text as a query value: a blank is `+`. */
export function escapeQuery (text: string): string {
  return encodeURIComponent(text.toWellFormed())
    .replace(/[!'()*]/g, character => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%20', '+')
}

/** A path whose segments are text: what has a meaning in a URL is escaped, slashes stay. */
export function encodePath (path: string): string {
  return path.split('/').map(segment => encodeURIComponent(segment.toWellFormed())).join('/')
}

/** Sorted by key, as the reference sends its options. */
export function sorted (query: Query): Query {
  return query.toSorted(([a], [b]) => a < b ? -1 : a > b ? 1 : 0)
}

/** The options of a pin (spec/rest-api.md 3). */
export function pinOptionsQuery (options: PinOptions): Query {
  return [
    ['replication-min', String(options.replicationFactorMin)],
    ['replication-max', String(options.replicationFactorMax)],
    ['name', options.name],
    ['mode', options.mode],
    ['shard-size', String(options.shardSize)],
    ['user-allocations', (options.userAllocations ?? []).join(',')],
    ...optional('expire-at', options.expireAt === 0 ? undefined : formatTime(options.expireAt)),
    ...Object.entries(options.metadata ?? {}).filter(([key]) => key !== '').map(([key, value]) => [`meta-${key}`, value] as const),
    ...optional('pin-update', options.pinUpdate),
    ...optional('origins', options.origins === null || options.origins.length === 0 ? undefined : options.origins.join(',')),
  ]
}

function optional (key: string, value: string | undefined): Query {
  return value === undefined ? [] : [[key, value]]
}

/** `all`, or the names of the types. */
export function pinTypeFilter (types: readonly PinType[] | 'all'): string {
  return types === 'all' ? 'all' : pinTypes.filter(type => types.includes(type)).join(',')
}

/** The names of a filter's bits, empty for all. A name of several bits only stands for all of them. */
export function statusFilterText (filter: TrackerStatus): string {
  if (filter === 0) return ''
  const whole = statusName(filter)
  if (statusFromName(whole) === filter) return whole
  return statusNames.filter(name => {
    const bits = statusFromName(name) ?? 0
    return bits !== 0 && (bits & (bits - 1)) === 0 && (bits & filter) !== 0
  }).join(',')
}
