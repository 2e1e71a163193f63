import { isAscii } from 'node:buffer'
import type { Readable } from 'node:stream'
import { ClusterError } from '../domain/errors.ts'
import { http } from '../platform/http.ts'
import type { UploadedEntry } from './adder.ts'
import { parseHeaderValue } from './header-value.ts'
import { MultipartReader, type PartHeaders, type PartLimits } from './multipart-reader.ts'

/** Bounds of one upload. */
export interface UploadLimits extends PartLimits {
  /** Longest path, in bytes of UTF-8. */
  readonly maxPathBytes: number
  /** Most folders inside each other. */
  readonly maxDepth: number
}

export const defaultUploadLimits: UploadLimits = {
  // The links of all folders of an upload are kept until they are done, some 250 bytes each: at most 1 GiB.
  maxParts: 2 ** 22,
  // A path of the longest kind, percent-encoded, in one header, and the path on the sender's disk in another.
  maxHeaderBytes: 64 * 1024,
  // Kubo's clients send three.
  maxHeaders: 32,
  // What file systems take.
  maxPathBytes: 4096,
  maxDepth: 256,
}

/** An upload that is read as its entries are asked for. */
export interface Upload extends AsyncIterable<UploadedEntry> {
  /**
   * Reads as far as the first entry, so that a body without any can still be answered with a 400
   * (spec/deviations.md 3). Not needed when the entries are read anyway.
   * @throws ClusterError `INVALID_INPUT`, `CANCELLED`
   */
  begin (): Promise<void>
}

/** Smaller pieces may lie in a slab that the runtime shares out, and are cheap to collect. */
const minReleasedBytes = 32 * 1024

/** Longest boundary; RFC 2046 allows 70 characters. */
const maxBoundaryLength = 256

/**
 * Reads a `multipart/form-data` body as Kubo's clients send it (spec/rest-api.md 8). Streaming:
 * the sender is slowed down to the pace at which entries and contents are read. A body that is
 * cut off ends the content of its last file and then throws `multipart: NextPart: EOF`, as the
 * reference does; a sender that goes away throws `CANCELLED`. The stream is never destroyed here,
 * so that an answer can still be sent.
 * @throws ClusterError `INVALID_INPUT` at once when the content type is not multipart
 */
export function readUpload (stream: AsyncIterable<Uint8Array> | Readable, contentType: string, limits: UploadLimits = defaultUploadLimits): Upload {
  const reader = new MultipartReader(sourceOf(stream), boundaryOf(contentType), limits)
  // What a connection has received belongs to its one reader; anything else may be somebody's.
  const release = stream instanceof http.IncomingMessage ? releaseMemory : undefined
  let first: Promise<PartHeaders | undefined> | undefined
  const firstPart = (): Promise<PartHeaders | undefined> => first ??= reader.nextPart()

  async function * entries (): AsyncGenerator<UploadedEntry> {
    for (let headers = await firstPart(); headers !== undefined; headers = await reader.nextPart()) {
      yield entryOf(headers, reader, limits, release)
    }
  }

  return {
    [Symbol.asyncIterator]: entries,
    async begin () {
      if (await firstPart() === undefined) throw new ClusterError('INVALID_INPUT', 'the upload has no file: send at least one multipart part')
    },
  }
}

function boundaryOf (contentType: string): string {
  const { value, parameters } = parseHeaderValue(contentType)
  if (value !== 'multipart/form-data' && value !== 'multipart/mixed') {
    throw new ClusterError('INVALID_INPUT', 'request Content-Type isn\'t multipart/form-data')
  }
  const boundary = parameters.get('boundary') ?? ''
  if (boundary === '') throw new ClusterError('INVALID_INPUT', 'no multipart boundary param in Content-Type')
  if (boundary.length > maxBoundaryLength) throw new ClusterError('INVALID_INPUT', `multipart boundary is longer than ${maxBoundaryLength} characters`)
  return boundary
}

/** The bytes of a stream; whatever breaks it means that the sender is gone. */
function sourceOf (stream: AsyncIterable<Uint8Array> | Readable): AsyncIterator<Uint8Array> {
  const iterator: AsyncIterator<Uint8Array> = 'iterator' in stream && typeof stream.iterator === 'function'
    ? stream.iterator({ destroyOnReturn: false })
    : stream[Symbol.asyncIterator]()
  return {
    next: () => iterator.next().catch((cause: unknown) => {
      if (cause instanceof ClusterError) throw cause
      throw new ClusterError('CANCELLED', 'the sender went away in the middle of the upload', { cause })
    }),
  }
}

function entryOf (headers: PartHeaders, reader: MultipartReader, limits: UploadLimits, release: UploadedEntry['release']): UploadedEntry {
  const encoding = (headers.get('content-transfer-encoding') ?? '').toLowerCase()
  if (encoding === 'quoted-printable' || encoding === 'base64') {
    throw new ClusterError('INVALID_INPUT', `Content-Transfer-Encoding ${encoding} is not supported: send the bytes as they are`)
  }
  const kind = kindOf(headers.get('content-type') ?? '')
  return {
    path: pathOf(headers.get('content-disposition') ?? '', limits),
    kind,
    absolutePath: absolutePathOf(headers),
    content: { [Symbol.asyncIterator]: () => ({ next: () => nextOf(reader) }) },
    release,
  }
}

/** Frees a large piece at once, if it is all that its memory holds. */
function releaseMemory ({ buffer, byteLength }: Uint8Array): void {
  if (byteLength >= minReleasedBytes && buffer.byteLength === byteLength && buffer instanceof ArrayBuffer) buffer.transfer(0)
}

async function nextOf (reader: MultipartReader): Promise<IteratorResult<Uint8Array>> {
  const value = await reader.read()
  return value === undefined ? { done: true, value: undefined } : { done: false, value }
}

function kindOf (contentType: string): UploadedEntry['kind'] {
  if (contentType === '') return 'file'
  const { value } = parseHeaderValue(contentType)
  if (value === '' || value.startsWith('/')) throw new ClusterError('INVALID_INPUT', 'mime: no media type')
  switch (value) {
    case 'application/x-directory':
    case 'multipart/form-data': return 'directory'
    case 'application/symlink': return 'symlink'
    default: return 'file'
  }
}

/** Where the file is on the sender's disk; only used by `nocopy`. */
function absolutePathOf (headers: PartHeaders): string | undefined {
  const encoded = headers.get('abspath-encoded')
  if (encoded !== undefined && encoded !== '') return unescapeQuery(encoded, 'abspath')
  const plain = headers.get('abspath')
  return plain === undefined || plain === '' ? undefined : decodeUtf8(plain, 'abspath')
}

/** The path of a part: percent-decoded, with `.` and `..` resolved as at a root, so that it never leaves its folder. */
function pathOf (disposition: string, limits: UploadLimits): string {
  const path = unescapeQuery(parseHeaderValue(disposition).parameters.get('filename') ?? '', 'file name')
  if (Buffer.byteLength(path) > limits.maxPathBytes) throw new ClusterError('INVALID_INPUT', `a file name is longer than ${limits.maxPathBytes} bytes: ${path.slice(0, 80)}…`)
  if (path.includes('\0')) throw new ClusterError('INVALID_INPUT', `a file name holds a NUL character: ${JSON.stringify(path.slice(0, 80))}`)
  const segments: string[] = []
  for (const segment of path.split('/')) {
    if (segment === '..') segments.pop()
    else if (segment !== '' && segment !== '.') segments.push(segment)
  }
  if (segments.length > limits.maxDepth) throw new ClusterError('INVALID_INPUT', `more than ${limits.maxDepth} folders inside each other: ${path.slice(0, 80)}…`)
  return segments.join('/')
}

/** Undoes the escaping of a query (`%41`, `+` for a blank) in text of one character a byte. Text that is not escaped correctly is taken as it is. */
function unescapeQuery (bytes: string, what: string): string {
  if (/%(?![0-9a-fA-F]{2})/.test(bytes)) return decodeUtf8(bytes, what)
  const spaced = bytes.replaceAll('+', ' ')
  try {
    // Quick for the names that are: escaped ASCII.
    if (isAscii(Buffer.from(spaced, 'latin1'))) return decodeURIComponent(spaced)
  } catch {
    throw notUtf8(bytes, what)
  }
  return decodeUtf8(spaced.replace(/%([0-9a-fA-F]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16))), what)
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Text from one character a byte. Links hold text: another encoding would silently become another name. */
function decodeUtf8 (bytes: string, what: string): string {
  try {
    return utf8.decode(Buffer.from(bytes, 'latin1'))
  } catch {
    throw notUtf8(bytes, what)
  }
}

function notUtf8 (bytes: string, what: string): ClusterError {
  return new ClusterError('INVALID_INPUT', `a ${what} is not UTF-8: ${JSON.stringify(bytes.slice(0, 80))}`)
}
