import { escapeQuery } from './query.ts'
import type { RequestBody } from './requests.ts'

/** A file, folder or link to add. A folder comes before what is in it. */
export interface UploadEntry {
  /** Its path inside of what is added, with slashes: `photos/2024/a.jpg`. */
  readonly name: string
  readonly kind: 'file' | 'directory' | 'symlink'
  /** The bytes of a file; for a link the text of its target; nothing for a folder. */
  readonly content: AsyncIterable<Uint8Array>
  /** Where the content stays when it is not to be copied. */
  readonly location?: string
}

/** Smaller pieces, such as the heads of parts and small files, are sent together. */
const minChunkBytes = 64 * 1024

const contentTypes = { file: 'application/octet-stream', directory: 'application/x-directory', symlink: 'application/symlink' } as const

/**
 * The body of an add: one part per entry, made while it is sent, so that nothing but the present
 * chunk is held. `boundary` must be a random text that does not occur in the content.
 */
export function multipartBody (entries: () => AsyncIterable<UploadEntry>, boundary: string): RequestBody {
  return { contentType: `multipart/form-data; boundary=${boundary}`, chunks: () => together(parts(entries(), boundary)) }
}

async function * parts (entries: AsyncIterable<UploadEntry>, boundary: string): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder()
  let separator = ''
  for await (const { name, kind, content, location } of entries) {
    const locationLine = location === undefined ? '' : `Abspath-Encoded: ${escapeQuery(location)}\r\n`
    yield encoder.encode(`${separator}--${boundary}\r\n${locationLine}Content-Disposition: form-data; name="file"; filename="${escapeQuery(name)}"\r\nContent-Type: ${contentTypes[kind]}\r\n\r\n`)
    yield * content
    separator = '\r\n'
  }
  yield encoder.encode(`${separator}--${boundary}--\r\n`)
}

async function * together (pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let pending = new Uint8Array(minChunkBytes)
  let length = 0
  for await (const piece of pieces) {
    if (length + piece.length > minChunkBytes && length > 0) {
      yield pending.subarray(0, length)
      pending = new Uint8Array(minChunkBytes)
      length = 0
    }
    if (piece.length >= minChunkBytes) {
      yield piece
      continue
    }
    pending.set(piece, length)
    length += piece.length
  }
  if (length > 0) yield pending.subarray(0, length)
}
