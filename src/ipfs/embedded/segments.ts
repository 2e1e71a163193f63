import { close, open, read, write, writev, fdatasync, ftruncate } from 'node:fs'
import { mkdir, open as openHandle, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { BlockSet } from './block-set.ts'
import type { ReadAt } from './segment-record.ts'

/** A file that blocks are appended to, and what is kept about it. */
export interface Segment {
  readonly id: number
  /** Bytes written; those behind belong to nobody. */
  sizeBytes: number
  /** Records written, live or not: the next one's ordinal. */
  records: number
  liveBytes: number
  liveBlocks: number
  /** True after a failed sync: what the kernel holds of the file is then unknown, so nothing more is appended. */
  failed: boolean
}

/** Open files kept for reading: enough for a busy gateway, far below the usual limit of 1024. */
const maxOpenFiles = 128

const openFile = promisify(open)
const closeFile = promisify(close)
const writevFile = promisify(writev)
const writeFile = promisify(write)
const syncFile = promisify(fdatasync)
const truncateFile = promisify(ftruncate)

interface OpenFile { readonly descriptor: Promise<number>, users: number, retired: boolean }

/** The segment files of a folder: opened when needed, closed when others are needed more. */
export class Segments {
  readonly #folder: string
  readonly #table = new Map<number, Segment>()
  /** In order of last use. */
  readonly #open = new Map<number, OpenFile>()
  /** Blocks that are gone although their records still stand; a look-up under way may yet find them. */
  readonly condemned = new BlockSet()
  #nextId = 1

  constructor (folder: string) { this.#folder = folder }

  get (id: number): Segment | undefined { return this.#table.get(id) }
  all (): Segment[] { return [...this.#table.values()] }
  /** The segment with the highest number. */
  last (): Segment | undefined { return this.#table.get(Math.max(...this.#table.keys())) }

  get nextId (): number { return this.#nextId }

  /** Takes a segment that stands on disk into the table. */
  add (segment: Segment): void {
    this.#table.set(segment.id, segment)
    this.pass(segment.id)
  }

  /** No segment gets this number any more. */
  pass (id: number): void { this.#nextId = Math.max(this.#nextId, id + 1) }

  /** Makes the next segment file; its name is on disk when this resolves. */
  async create (): Promise<Segment> {
    const id = this.#nextId++
    const descriptor = await openFile(this.#path(id), 'wx+', 0o600)
    await closeFile(descriptor)
    await this.#syncFolder()
    const segment: Segment = { id, sizeBytes: 0, records: 0, liveBytes: 0, liveBlocks: 0, failed: false }
    this.#table.set(id, segment)
    return segment
  }

  /** Numbers of the segment files that stand in the folder, which is made when absent. */
  async listFiles (): Promise<number[]> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    return (await readdir(this.#folder)).filter(name => /^[0-9a-f]{8}\.blocks$/.test(name)).map(name => parseInt(name, 16)).toSorted((a, b) => a - b)
  }

  async fileBytes (id: number): Promise<number> { return (await stat(this.#path(id))).size }

  /** A function that reads the file of a segment. */
  reader (id: number): ReadAt { return (offset, length) => this.#with(id, descriptor => readFully(descriptor, offset, length)) }

  write (segment: Segment, buffers: readonly Uint8Array[], offset: number): Promise<void> {
    return this.#with(segment.id, descriptor => writeFully(descriptor, buffers, offset))
  }

  sync (segment: Segment): Promise<void> { return this.#with(segment.id, descriptor => syncFile(descriptor)) }

  truncate (segment: Segment): Promise<void> { return this.#with(segment.id, descriptor => truncateFile(descriptor, segment.sizeBytes)) }

  /** Forgets the segment and removes its file; reads under way still get their bytes. */
  async remove (segment: Segment): Promise<void> {
    this.#table.delete(segment.id)
    this.condemned.forget(segment.id)
    const file = this.#open.get(segment.id)
    this.#open.delete(segment.id)
    if (file !== undefined) {
      file.retired = true
      if (file.users === 0) await closeFile(await file.descriptor)
    }
    await rm(this.#path(segment.id), { force: true })
  }

  async close (): Promise<void> {
    const files = [...this.#open.values()]
    this.#open.clear()
    for (const file of files) {
      file.retired = true
      if (file.users === 0) await closeFile(await file.descriptor)
    }
  }

  async #with<T> (id: number, work: (descriptor: number) => Promise<T>): Promise<T> {
    let file = this.#open.get(id)
    if (file === undefined) {
      file = { descriptor: openFile(this.#path(id), 'r+'), users: 0, retired: false }
      const opened = file
      opened.descriptor.catch(() => { if (this.#open.get(id) === opened) this.#open.delete(id) })
      this.#closeIdle()
    } else {
      this.#open.delete(id)
    }
    this.#open.set(id, file)
    file.users++
    try {
      return await work(await file.descriptor)
    } finally {
      file.users--
      if (file.retired && file.users === 0) await closeFile(await file.descriptor)
    }
  }

  #closeIdle (): void {
    if (this.#open.size < maxOpenFiles) return
    for (const [id, file] of this.#open) {
      if (file.users > 0) continue
      this.#open.delete(id)
      file.descriptor.then(closeFile).catch(() => {})
      return
    }
  }

  #path (id: number): string { return join(this.#folder, `${id.toString(16).padStart(8, '0')}.blocks`) }

  async #syncFolder (): Promise<void> {
    // Windows has no such thing: a file's name is on disk when the file is.
    if (process.platform === 'win32') return
    const folder = await openHandle(this.#folder, 'r')
    try {
      await folder.sync()
    } finally {
      await folder.close()
    }
  }
}

function readFully (descriptor: number, offset: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length)
  return new Promise((resolve, reject) => {
    const step = (done: number): void => {
      read(descriptor, buffer, done, length - done, offset + done, (error, count) => {
        if (error !== null) reject(error)
        else if (count === 0 || done + count === length) resolve(buffer.subarray(0, done + count))
        else step(done + count)
      })
    }
    if (length === 0) resolve(buffer)
    else step(0)
  })
}

/** Buffers per system call: the limit of the platform is 1024. */
const buffersPerWrite = 1024

async function writeFully (descriptor: number, buffers: readonly Uint8Array[], offset: number): Promise<void> {
  let at = offset
  for (let first = 0; first < buffers.length; first += buffersPerWrite) {
    const slice = buffers.slice(first, first + buffersPerWrite)
    const wanted = slice.reduce((sum, buffer) => sum + buffer.length, 0)
    const { bytesWritten } = await writevFile(descriptor, slice, at) as unknown as { bytesWritten: number }
    at += wanted
    if (bytesWritten < wanted) await writeRest(descriptor, slice, bytesWritten, at - wanted)
  }
}

/** A disk that fills up takes a part first and says so at the next call only. */
async function writeRest (descriptor: number, buffers: readonly Uint8Array[], written: number, offset: number): Promise<void> {
  let begin = 0
  for (const buffer of buffers) {
    for (let from = Math.max(0, written - begin); from < buffer.length;) {
      const { bytesWritten } = await writeFile(descriptor, buffer, from, buffer.length - from, offset + begin + from) as unknown as { bytesWritten: number }
      from += bytesWritten
    }
    begin += buffer.length
  }
}
