import { defaultPinOptions } from '../domain/pin.ts'
import type { AddOptions, UploadedEntry } from './adder.ts'

/** Bytes that look random and are the same everywhere: xorshift32 from `seed`. */
export function generatedContent (seed: number, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  let state = seed | 1
  for (let i = 0; i < length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes[i] = state >>> 11
  }
  return bytes
}

export const plainAddOptions: AddOptions = {
  pin: defaultPinOptions,
  layout: 'balanced',
  chunker: 'size-262144',
  hash: 'sha2-256',
  format: 'unixfs',
  local: false,
  recursive: false,
  hidden: false,
  wrap: false,
  shard: false,
  progress: false,
  nocopy: false,
  noPin: false,
  rawLeaves: false,
  cidVersion: 0,
}

export interface FixtureEntry {
  readonly path: string
  readonly kind?: UploadedEntry['kind']
  readonly content?: Uint8Array | string
  readonly absolutePath?: string
}

/** An upload of `entries`, each content in pieces of `pieceBytes`. */
export async function * upload (entries: readonly FixtureEntry[], pieceBytes = 65536): AsyncGenerator<UploadedEntry> {
  for (const { path, kind = 'file', content = '', absolutePath } of entries) {
    yield { path, kind, absolutePath, content: pieces(Buffer.from(content), pieceBytes) }
  }
}

/** `bytes` in pieces of at most `pieceBytes`. */
export async function * pieces (bytes: Uint8Array, pieceBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes)
}

/** A multipart body with the boundary `bound`, as Kubo's clients write it. */
export function multipartBody (entries: readonly FixtureEntry[]): Buffer {
  const contentTypes = { file: 'application/octet-stream', directory: 'application/x-directory', symlink: 'application/symlink' }
  const parts = entries.map(({ path, kind = 'file', content = '', absolutePath }) => Buffer.concat([
    Buffer.from(`--bound\r\nContent-Disposition: form-data; name="file"; filename="${encodeURIComponent(path)}"\r\nContent-Type: ${contentTypes[kind]}\r\n`),
    Buffer.from(absolutePath === undefined ? '\r\n' : `Abspath: ${absolutePath}\r\n\r\n`),
    Buffer.from(content),
    Buffer.from('\r\n'),
  ]))
  return Buffer.concat([...parts, Buffer.from('--bound--\r\n')])
}

export const multipartType = 'multipart/form-data; boundary=bound'

export async function collect<T> (items: AsyncIterable<T>): Promise<T[]> {
  return Array.fromAsync(items)
}
