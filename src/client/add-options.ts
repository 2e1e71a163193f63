import { defaultPinOptions, type PinOptions } from '../domain/pin.ts'
import { pinOptionsQuery, sorted, type Query } from './query.ts'

/** The options of an add (spec/rest-api.md 8). */
export interface AddOptions extends PinOptions {
  readonly local: boolean
  readonly recursive: boolean
  readonly hidden: boolean
  readonly wrapWithDirectory: boolean
  readonly format: string
  readonly noPin: boolean
  readonly layout: string
  readonly chunker: string
  readonly rawLeaves: boolean
  readonly cidVersion: number
  readonly hash: string
  /** The content stays where its URL points to; the IPFS node only keeps the reference. */
  readonly noCopy: boolean
}

export const defaultAddOptions: AddOptions = {
  ...defaultPinOptions,
  shardSize: 100 * 1024 * 1024,
  local: false,
  recursive: false,
  hidden: false,
  wrapWithDirectory: false,
  format: 'unixfs',
  noPin: false,
  layout: '',
  chunker: 'size-262144',
  rawLeaves: false,
  cidVersion: 0,
  hash: 'sha2-256',
  noCopy: false,
}

export function addQuery (options: AddOptions): Query {
  return sorted([
    ...pinOptionsQuery(options),
    ['shard', 'false'],
    ['local', String(options.local)],
    ['recursive', String(options.recursive)],
    ['layout', options.layout],
    ['chunker', options.chunker],
    ['raw-leaves', String(options.rawLeaves)],
    ['hidden', String(options.hidden)],
    ['wrap-with-directory', String(options.wrapWithDirectory)],
    ['progress', 'false'],
    ['cid-version', String(options.cidVersion)],
    ['hash', options.hash],
    ['stream-channels', 'true'],
    ['nocopy', String(options.noCopy)],
    ['format', options.format],
    ['no-pin', String(options.noPin)],
  ])
}
