import { parseCid, type Cid } from '../domain/cid.ts'
import { ClusterError, errorText } from '../domain/errors.ts'
import { multiaddressPeer, parseMultiaddress } from '../domain/multiaddress.ts'
import type { Multiaddress, PeerId } from '../domain/peer.ts'
import { parsePeerId } from '../domain/peer-id.ts'
import type { PinMode } from '../domain/pin.ts'
import type { Time } from '../domain/time.ts'
import { parseDuration } from './duration.ts'
import { formatTime, parseTime } from './time.ts'

/** A decoded query: of a repeated key the first value, as the contract has it. */
export type Query = ReadonlyMap<string, string>

/** How a field stands in a query. Empty values count as absent. */
export interface QueryForm<T> {
  /** The keys it is read from. */
  readonly keys: readonly string[]
  /** @throws ClusterError `INVALID_INPUT` with the text of spec/rest-api.md 3 */
  readonly read: (query: Query, now: Time) => T
  /** The pairs that say the same. */
  readonly write: (value: T) => ReadonlyArray<readonly [key: string, value: string]>
}

export function textParameter (key: string): QueryForm<string> {
  return { keys: [key], read: (query) => wellFormed(query.get(key) ?? ''), write: (value) => [[key, value]] }
}

/** What is stored is UTF-8: the reference fails to store anything else, and so tells it in these words. */
function wellFormed (text: string): string {
  if (!text.isWellFormed()) throw invalid('string field contains invalid UTF-8')
  return text
}

/** A replication factor; `replication` sets both and wins. */
export function factorParameter (key: string): QueryForm<number> {
  return {
    keys: [key, 'replication'],
    read (query) {
      const text = query.get('replication') || query.get(key) || ''
      if (text === '') return 0
      const value = /^[+-]?\d+$/.test(text) ? Number(text) : NaN
      // Stored in 32 bits: the reference takes more and stores something else.
      if (value !== (value | 0)) throw invalid(`parameter ${key} invalid`)
      return value + 0
    },
    write: (value) => [[key, String(value)]],
  }
}

export const modeParameter: QueryForm<PinMode> = {
  keys: ['mode'],
  read: (query) => query.get('mode') === 'direct' ? 'direct' : 'recursive',
  write: (value) => [['mode', value]],
}

export const shardSizeParameter: QueryForm<number> = {
  keys: ['shard-size'],
  read (query) {
    const text = query.get('shard-size') || '0'
    const value = /^\d+$/.test(text) ? Number(text) : NaN
    if (!Number.isSafeInteger(value)) throw invalid('parameter shard_size is invalid')
    return value
  },
  write: (value) => [['shard-size', String(value)]],
}

export const allocationsParameter: QueryForm<readonly PeerId[] | null> = {
  keys: ['user-allocations'],
  read (query) {
    const text = query.get('user-allocations') || ''
    return text === '' ? null : text.split(',').flatMap(readablePeer)
  },
  write: (value) => [['user-allocations', (value ?? []).join(',')]],
}

/** Peer IDs that cannot be read are dropped, as the reference does. */
function readablePeer (text: string): PeerId[] {
  try {
    return [parsePeerId(text)]
  } catch {
    return []
  }
}

/** Shortest time to live that is taken. */
const minExpiryMs = 1000

/** The epoch is long over, too, where a {@link Time} of 0 says that there is no expiry. */
function withEpoch (time: Time, text: string): Time {
  return time === 0 && /^19(?:69|70)-/.test(text) ? -1 : time
}

export const expiryParameter: QueryForm<Time> = {
  keys: ['expire-at', 'expire-in'],
  read (query, now) {
    const at = query.get('expire-at') || ''
    if (at !== '') return explained('expire-at cannot be parsed: ', () => withEpoch(parseTime(at), at))
    const within = query.get('expire-in') || ''
    if (within === '') return 0
    const ms = explained('expire-in cannot be parsed: ', () => parseDuration(within))
    if (ms < minExpiryMs) throw invalid('expire-in duration too short')
    return now + ms
  },
  write: (value) => value === 0 ? [] : [['expire-at', formatTime(value)]],
}

const metadataPrefix = 'meta-'

export const metadataParameter: QueryForm<Readonly<Record<string, string>> | null> = {
  keys: [`${metadataPrefix}*`],
  read (query) {
    const entries: Array<readonly [string, string]> = []
    for (const [key, value] of query) {
      if (key.startsWith(metadataPrefix) && key !== metadataPrefix) entries.push([wellFormed(key.slice(metadataPrefix.length)), wellFormed(value)])
    }
    return Object.fromEntries(entries)
  },
  write: (value) => Object.entries(value ?? {}).flatMap(([key, text]) => key === '' ? [] : [[metadataPrefix + key, text] as const]),
}

export const updateParameter: QueryForm<Cid | undefined> = {
  keys: ['pin-update'],
  read (query) {
    const text = query.get('pin-update') || ''
    return text === '' ? undefined : explained('error decoding update option parameter: ', () => parseCid(text))
  },
  write: (value) => value === undefined ? [] : [['pin-update', value]],
}

export const originsParameter: QueryForm<readonly Multiaddress[] | null> = {
  keys: ['origins'],
  read (query) {
    const text = query.get('origins') || ''
    return text === '' ? null : text.split(',').map(readOrigin)
  },
  write: (value) => value === null || value.length === 0 ? [] : [['origins', value.join(',')]],
}

function readOrigin (text: string): Multiaddress {
  const address = explained('error decoding multiaddress: ', () => parseMultiaddress(text))
  if (multiaddressPeer(address) === undefined) throw invalid('multiaddress does not contain peer ID: protocol not found in multiaddr')
  return address
}

function explained<T> (prefix: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw invalid(prefix + errorText(error), error)
  }
}

function invalid (message: string, cause?: unknown): ClusterError {
  return new ClusterError('INVALID_INPUT', message, { cause })
}
