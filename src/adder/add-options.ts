import { pinOptionsFromQuery } from '../codec/query.ts'
import { ClusterError } from '../domain/errors.ts'
import type { Time } from '../domain/time.ts'
import type { AddOptions } from './adder.ts'

/** The options of `POST /add`: those of the adder and the form of the answer. */
export interface AddRequestOptions extends AddOptions {
  /** True: one JSON line for each event as it happens. False: one array at the end. */
  readonly streamChannels: boolean
}

/**
 * Reads the query of `POST /add` (spec/rest-api.md 8). The first fault in the order of the
 * contract wins. `mode` and `pin-update` make no sense here and are ignored.
 * @throws ClusterError `INVALID_INPUT` with the reference's text
 */
export function addOptionsFromQuery (query: ReadonlyMap<string, string>, now: Time): AddRequestOptions {
  const pin = { ...pinOptionsFromQuery(query, now), mode: 'recursive' as const, pinUpdate: undefined }
  const layout = oneOf(query, 'layout', ['balanced', 'trickle'])
  const format = oneOf(query, 'format', ['unixfs', 'car'])
  const flags = {
    local: flag(query, 'local', false),
    recursive: flag(query, 'recursive', false),
    hidden: flag(query, 'hidden', false),
    wrap: flag(query, 'wrap-with-directory', false),
    shard: flag(query, 'shard', false),
    progress: flag(query, 'progress', false),
  }
  const cidVersion = integer(query, 'cid-version', 0)
  return {
    pin,
    layout,
    chunker: query.get('chunker') || 'size-262144',
    hash: query.get('hash') || 'sha2-256',
    format,
    ...flags,
    cidVersion,
    rawLeaves: flag(query, 'raw-leaves', cidVersion > 0),
    streamChannels: flag(query, 'stream-channels', true),
    nocopy: flag(query, 'nocopy', false),
    noPin: flag(query, 'no-pin', false),
  }
}

/** One of `values`; the first when absent. */
function oneOf<T extends string> (query: ReadonlyMap<string, string>, key: string, values: readonly [T, ...T[]]): T {
  const text = query.get(key) ?? ''
  if (text === '') return values[0]
  const value = values.find(value => value === text)
  if (value === undefined) throw new ClusterError('INVALID_INPUT', `${key} parameter is invalid`)
  return value
}

function flag (query: ReadonlyMap<string, string>, key: string, absent: boolean): boolean {
  const text = query.get(key) ?? ''
  if (text === '') return absent
  if (/^(?:1|t|T|TRUE|true|True)$/.test(text)) return true
  if (/^(?:0|f|F|FALSE|false|False)$/.test(text)) return false
  throw new ClusterError('INVALID_INPUT', `parameter ${key} invalid`)
}

function integer (query: ReadonlyMap<string, string>, key: string, absent: number): number {
  const text = query.get(key) ?? ''
  if (text === '') return absent
  const value = Number(text)
  if (!/^[+-]?\d+$/.test(text) || !Number.isSafeInteger(value)) throw new ClusterError('INVALID_INPUT', `parameter ${key} invalid`)
  return value
}
