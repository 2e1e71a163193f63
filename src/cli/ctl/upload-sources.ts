import { closeSync, lstatSync, openSync, readSync, type Stats } from 'node:fs'
import { access, constants, lstat, open, readdir, readlink, realpath } from 'node:fs/promises'
import { posix } from 'node:path'
import type { UploadEntry } from '../../client/multipart.ts'
import { ClusterError, errorText } from '../../domain/errors.ts'
import { systemReason } from './system-error.ts'

/** Read at once: large enough for the disk, small enough to hold a few of them. */
const maxReadBytes = 1024 * 1024
/** Up to here a file is read without leaving the thread: for many small files the way to another one is most of the time. */
const smallFileBytes = 64 * 1024

type Environment = Readonly<Record<string, string | undefined>>

export interface UploadOptions {
  readonly recursive: boolean
  /** Also what begins with a dot, inside of folders. */
  readonly hidden: boolean
  readonly noCopy: boolean
  /** Its proxies are used for URLs. */
  readonly environment: Environment
}

/** What one argument of `add` names. */
export interface UploadSource {
  /** The entries below it, folders first, names in the order of their bytes; files are opened one at a time. */
  entries (): AsyncGenerator<UploadEntry>
  /** Bytes of its files, or undefined when they are not known before reading. */
  sizeBytes (): Promise<number | undefined>
}

/**
 * Looks at an argument of `add`: a file, a folder, a link (which is added as one) or a URL.
 * @throws ClusterError `INVALID_PATH` with the reference's text
 */
export async function uploadSource (argument: string, options: UploadOptions): Promise<UploadSource> {
  if (/^https?:/i.test(argument)) return webSource(argument, options)
  if (options.noCopy) throw new ClusterError('INVALID_PATH', 'nocopy option is only valid for URLs')
  const cleaned = posix.normalize(argument).replace(/(?<=.)\/$/, '')
  const path = cleaned === '.' ? await realpath('.') : cleaned
  const stats = await lstat(path).catch((error: unknown) => { throw failure('lstat', path, error) })
  if (stats.isDirectory() && !options.recursive) throw new ClusterError('INVALID_PATH', `${path} is a directory, but Recursive option is not set`)
  if (!isAddable(stats)) throw unrecognized(path, stats)
  if (stats.isFile()) await access(path, constants.R_OK).catch((error: unknown) => { throw failure('open', path, error) })
  // A path such as `../..` has no name of its own.
  const name = posix.basename(/(?:^|\/)\.\.$/.test(path) ? await realpath(path) : path)
  return { entries: () => walk(path, name, stats, options), sizeBytes: () => sizeOf(path, stats, options) }
}

async function * walk (path: string, name: string, stats: Stats, options: UploadOptions): AsyncGenerator<UploadEntry> {
  if (stats.isFile()) {
    yield { name, kind: 'file', content: readFile(path, stats.size) }
  } else if (stats.isSymbolicLink()) {
    const target = await readlink(path).catch((error: unknown) => { throw failure('readlink', path, error) })
    yield { name, kind: 'symlink', content: once(new TextEncoder().encode(target)) }
  } else if (stats.isDirectory()) {
    yield { name, kind: 'directory', content: none() }
    for (const child of await namesIn(path, options)) {
      const childPath = posix.join(path, child)
      const childStats = attempt('lstat', childPath, () => lstatSync(childPath))
      yield * walk(childPath, `${name}/${child}`, childStats, options)
    }
  } else {
    throw unrecognized(path, stats)
  }
}

function isAddable (stats: Stats): boolean { return stats.isFile() || stats.isDirectory() || stats.isSymbolicLink() }

/** Names the kind and the permissions as `ls -l` does. */
function unrecognized (path: string, stats: Stats): ClusterError {
  const kind = stats.isFIFO() ? 'p' : stats.isSocket() ? 'S' : stats.isCharacterDevice() ? 'Dc' : 'D'
  const permissions = [...'rwxrwxrwx'].map((letter, index) => (stats.mode & (0o400 >> index)) === 0 ? '-' : letter).join('')
  return new ClusterError('INVALID_PATH', `unrecognized file type for ${path}: ${kind}${permissions}`)
}

async function namesIn (path: string, { hidden }: UploadOptions): Promise<string[]> {
  const names = await readdir(path).catch((error: unknown) => { throw failure('open', path, error) })
  return names.filter(name => hidden || !name.startsWith('.')).toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
}

function readFile (path: string, sizeBytes: number): AsyncGenerator<Uint8Array> {
  return sizeBytes <= smallFileBytes ? readSmallFile(path) : readLargeFile(path)
}

async function * readSmallFile (path: string): AsyncGenerator<Uint8Array> {
  const chunk = attempt('read', path, () => {
    const file = attempt('open', path, () => openSync(path, 'r'))
    try {
      const buffer = Buffer.allocUnsafe(smallFileBytes + 1)
      let length = 0
      for (let bytesRead = -1; bytesRead !== 0 && length < buffer.length; length += bytesRead) bytesRead = readSync(file, buffer, { offset: length })
      return buffer.subarray(0, length)
    } finally {
      closeSync(file)
    }
  })
  // It has grown since it was looked at: begin again in the other way.
  if (chunk.length > smallFileBytes) yield * readLargeFile(path)
  else yield chunk
}

async function * readLargeFile (path: string): AsyncGenerator<Uint8Array> {
  const file = await open(path, 'r').catch((error: unknown) => { throw failure('open', path, error) })
  const readChunk = async (): Promise<Uint8Array> => {
    // Not used again: the socket may hold it until it is sent.
    const buffer = Buffer.allocUnsafeSlow(maxReadBytes)
    const { bytesRead } = await file.read(buffer, 0, maxReadBytes).catch((error: unknown) => { throw failure('read', path, error) })
    return buffer.subarray(0, bytesRead)
  }
  let next = readChunk()
  try {
    for (;;) {
      const chunk = await next
      if (chunk.length === 0) return
      // The disk works while the socket sends. A failure waits until it is asked for.
      next = readChunk()
      next.catch(() => {})
      yield chunk
    }
  } finally {
    await next.catch(() => {})
    await file.close()
  }
}

async function sizeOf (path: string, stats: Stats, options: UploadOptions): Promise<number> {
  if (!stats.isDirectory()) return stats.size
  let bytes = 0
  for (const child of await namesIn(path, options)) {
    const childPath = posix.join(path, child)
    bytes += await sizeOf(childPath, lstatSync(childPath), options)
  }
  return bytes
}

function webSource (argument: string, options: UploadOptions): UploadSource {
  let url: URL
  try {
    url = new URL(argument)
  } catch (error) {
    throw new ClusterError('INVALID_PATH', `error parsing path: ${errorText(error)}: ${argument}`)
  }
  const name = decodeURIComponent(posix.basename(url.pathname)) || url.hostname
  return {
    async * entries () {
      yield { name, kind: 'file', content: content(url, options.environment), ...options.noCopy ? { location: url.href } : {} }
    },
    sizeBytes: async () => undefined,
  }
}

/** What fetches it is loaded when something is fetched. */
async function * content (url: URL, environment: Environment): AsyncGenerator<Uint8Array> {
  const { download } = await import('./download.ts')
  yield * download(url, environment)
}

async function * once (bytes: Uint8Array): AsyncGenerator<Uint8Array> { yield bytes }
async function * none (): AsyncGenerator<Uint8Array> {}

function attempt<T> (operation: string, path: string, step: () => T): T {
  try {
    return step()
  } catch (error) {
    throw error instanceof ClusterError ? error : failure(operation, path, error)
  }
}

function failure (operation: string, path: string, error: unknown): ClusterError {
  return new ClusterError('INVALID_PATH', `${operation} ${path}: ${systemReason(error)}`, { cause: error })
}
