import type { ClassicLevel } from 'classic-level'
import { mkdirSync, rmSync } from 'node:fs'
import { open, readdir, rm, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { ClusterError, errorText } from '../domain/errors.ts'
import { checkLevelDb, damagedStore } from './leveldb-check.ts'
import { manifestState } from './leveldb-files.ts'
import { LogTurn } from './leveldb-log-turn.ts'
import type { BatchOptions, StoreOperation } from './store.ts'

/** Memory for blocks read, in bytes; grows no further. */
const blockCacheBytes = 32 * 1024 * 1024
/** Memory for writes before they become a file, in bytes (twice this at most). */
const writeBufferBytes = 8 * 1024 * 1024
/** What an opening writes besides the tables that it makes of the logs: a manifest, a log, a first few changes. */
const spareBytes = 1024 * 1024
/** The room is tried with pieces of this size. */
const pieceBytes = 1024 * 1024
const roomFile = 'room.tmp'
/** Takes an fsync along, where there is nothing to write: a batch without operations does not get as far as LevelDB. */
const nothingToWrite: StoreOperation[] = [{ type: 'del', key: '/flotilla/nothing' }]
/** Behind all keys. */
const behindAllKeys = '\uffff'

export type Database = ClassicLevel<string, Uint8Array>

/**
 * A LevelDB folder, open through one database after the other. After a write that failed (a full
 * disk), LevelDB either refuses all others for good or, worse, writes on behind a torn record, so
 * that the next opening loses what comes after it. So nothing is written any more then: reads go
 * on, and the first write that finds room on the disk opens the folder anew.
 */
export class LevelDbHandle {
  readonly #folder: string
  readonly #make: () => Database
  #database: Database
  #logs: LogTurn
  /** Ends when all writes so far have. */
  #writes: Promise<unknown> = Promise.resolve()
  #mustReopen = false
  #writeCount = 0
  /** How many writes there were at the last {@link rest}, and when the log was emptied last. */
  #countAtRest = 0
  #countWhenEmpty = 0
  /** The manifest of a moment in which nothing in the log was older than it. */
  #manifest: string
  #reopening: Promise<void> | undefined
  #damage: ClusterError | undefined
  #openings = 1
  readonly #listeners: Array<() => void> = []
  #isClosed = false

  private constructor (folder: string, make: () => Database, database: Database) {
    this.#folder = folder
    this.#make = make
    this.#database = database
    this.#logs = new LogTurn(folder, writeBufferBytes)
    this.#manifest = manifestState(folder)
  }

  /** @throws ClusterError `FOLDER_LOCKED`, `STORE_DAMAGED`, `STORE_FULL`, `STORE_FAILED` */
  static async open (folder: string): Promise<LevelDbHandle> {
    // At the first use only: the commands that need no store start without it.
    const { ClassicLevel: Level } = await import('classic-level')
    const make = (): Database => new Level<string, Uint8Array>(folder, {
      keyEncoding: 'utf8',
      valueEncoding: 'view',
      cacheSize: blockCacheBytes,
      writeBufferSize: writeBufferBytes,
    })
    return new LevelDbHandle(folder, make, await openDatabase(folder, make))
  }

  /** The database as it is now; it may be closed. */
  get database (): Database { return this.#database }

  /** Grows with each opening. */
  get openings (): number { return this.#openings }

  onOpenedAnew (listener: () => void): void { this.#listeners.push(listener) }

  /** Reads; waits while the folder is being opened anew, and reads again from the new database when the old one was closed meanwhile. */
  async read<T> (work: (database: Database) => Promise<T>): Promise<T> {
    for (;;) {
      if (this.#reopening !== undefined) await this.#reopening.catch(() => {})
      // The last opening failed half way: nothing can be read before another one succeeds.
      if (this.#mustReopen && this.#database.status !== 'open') await this.#inTurn(async () => {})
      const database = this.#database
      try {
        return await work(database)
      } catch (error) {
        const isReplaced = database !== this.#database || database.status !== 'open'
        if (this.#isClosed || !isReplaced) throw storeError(error, this.#folder)
      }
    }
  }

  /**
   * Writes, one after the other: a write must not come behind one that failed. With `opening` only
   * when {@link openings} still is that.
   */
  batch (operations: readonly StoreOperation[], { sync, opening }: BatchOptions): Promise<void> {
    const written = sync && operations.length === 0 ? nothingToWrite : operations
    return this.#inTurn(database => this.#logs.write(written, mustSync => database.batch(written as StoreOperation[], { sync: sync || mustSync })), opening)
  }

  #inTurn (work: (database: Database) => Promise<void>, opening?: number): Promise<void> {
    if (this.#isClosed) return Promise.reject(new ClusterError('STORE_FAILED', `the datastore in ${this.#folder} is closed`))
    const written = this.#writes.then(() => this.#write(work, opening))
    this.#writes = written.catch(() => {})
    return written
  }

  /** Waits for the writes under way. Safe to call twice. */
  async close (): Promise<void> {
    this.#isClosed = true
    await this.#writes
    await this.#emptyLog()
    await this.#database.close()
  }

  /** See {@link Store.rest}: a process that is killed leaves its log as it is. */
  async rest (): Promise<void> {
    const isAtRest = this.#writeCount === this.#countAtRest
    this.#countAtRest = this.#writeCount
    if (!isAtRest || this.#writeCount === this.#countWhenEmpty || this.#isClosed || this.#mustReopen || manifestState(this.#folder) === this.#manifest) return
    // A write that fails would have the folder opened anew, for nothing.
    if (!await hasRoomForTable(this.#folder)) return
    await this.#inTurn(async database => {
      // Nothing may come into the new log before the old one is on disk.
      await database.batch(nothingToWrite, { sync: true })
      await this.#emptyLog()
    })
  }

  /**
   * Puts what the log holds into a table. The Go program's LevelDB passes over all in a log that is
   * older than the last table or compaction: it would lose what this one has written.
   */
  async #emptyLog (): Promise<void> {
    if (this.#writeCount === this.#countWhenEmpty || this.#mustReopen || this.#database.status !== 'open') return
    // A range without keys compacts nothing, but empties the buffer before. What fails stays in the log.
    await this.#database.compactRange(behindAllKeys, behindAllKeys).catch(() => {})
    this.#countWhenEmpty = this.#writeCount
    this.#logs.turned()
    this.#manifest = manifestState(this.#folder)
  }

  async #write (work: (database: Database) => Promise<void>, opening: number | undefined): Promise<void> {
    if (this.#damage !== undefined) throw this.#damage
    if (this.#mustReopen) await this.#reopen()
    if (opening !== undefined && opening !== this.#openings) throw new ClusterError('STORE_FAILED', `the datastore in ${this.#folder} was opened anew: try again`)
    this.#writeCount++
    try {
      await work(this.#database)
    } catch (error) {
      const failure = storeError(error, this.#folder)
      this.#mustReopen = true
      this.#noteDamage(failure)
      throw failure
    }
  }

  async #reopen (): Promise<void> {
    // LevelDB needs room to open: better reads alone than nothing at all.
    if (this.#database.status === 'open') await requireRoom(this.#folder)
    const reopening = this.#replaceDatabase()
    this.#reopening = reopening
    try {
      await reopening
      this.#mustReopen = false
      this.#openings++
      for (const listener of this.#listeners) listener()
    } catch (error) {
      this.#noteDamage(error)
      throw error
    } finally {
      this.#reopening = undefined
    }
  }

  async #replaceDatabase (): Promise<void> {
    await this.#database.close()
    this.#database = await openDatabase(this.#folder, this.#make)
    this.#logs = new LogTurn(this.#folder, writeBufferBytes)
  }

  /** Damage does not go away by opening again. */
  #noteDamage (error: unknown): void {
    if (error instanceof ClusterError && error.code === 'STORE_DAMAGED') this.#damage = error
  }
}

async function openDatabase (folder: string, make: () => Database): Promise<Database> {
  try {
    // Without a wait up to the opening: what loads meanwhile would hold up each of them.
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    checkLevelDb(folder)
    // Left when the process was killed while it tried the room.
    rmSync(join(folder, roomFile), { force: true })
    const database = make()
    await database.open()
    return database
  } catch (error) {
    throw storeError(error, folder)
  }
}

async function hasRoomForTable (folder: string): Promise<boolean> {
  const { bavail, bsize } = await statfs(folder)
  return bavail * bsize >= 2 * writeBufferBytes + spareBytes
}

/**
 * Makes sure that the logs can be turned into tables.
 * @throws ClusterError `STORE_FULL`, `STORE_FAILED`
 */
async function requireRoom (folder: string): Promise<void> {
  try {
    let needed = spareBytes
    for (const name of await readdir(folder)) {
      if (/^(\d+\.log|MANIFEST-\d+)$/.test(name)) needed += Math.ceil((await stat(join(folder, name))).size * 1.1)
    }
    const { bavail, bsize } = await statfs(folder)
    if (bavail * bsize < needed) throw fullStore(folder)
    await tryRoom(join(folder, roomFile), needed)
  } catch (error) {
    throw storeError(error, folder)
  }
}

/** Quotas do not show in the figures of the file system, nor do its own troubles: only a write tells. */
async function tryRoom (path: string, sizeBytes: number): Promise<void> {
  const file = await open(path, 'w', 0o600)
  try {
    const piece = new Uint8Array(pieceBytes)
    for (let left = sizeBytes; left > 0; left -= pieceBytes) await file.write(piece, 0, Math.min(left, pieceBytes))
  } finally {
    await file.close().catch(() => {})
    await rm(path, { force: true })
  }
}

/** What LevelDB, or the file system below it, throws, as an error that tells the operator what to do. */
export function storeError (error: unknown, folder: string): ClusterError {
  if (error instanceof ClusterError) return error
  const causes: unknown[] = [error]
  if (error instanceof Error && error.cause !== undefined) causes.push(error.cause)
  const text = causes.map(errorText).join(': ')
  const codes = causes.map(cause => (cause as { code?: string }).code ?? '')
  if (codes.includes('LEVEL_LOCKED')) return new ClusterError('FOLDER_LOCKED', `the datastore in ${folder} is in use by another process`, { cause: error })
  if (/No space left|ENOSPC|Disk quota|EDQUOT/i.test(text)) return fullStore(folder, error)
  if (codes.includes('LEVEL_CORRUPTION') || /Corruption|corrupt|does not exist \(create_if_missing|missing files|CURRENT file|not a .*sstable|bad block/i.test(text)) return damagedStore(folder, text, { cause: error })
  return new ClusterError('STORE_FAILED', `the datastore in ${folder} failed: ${text}`, { cause: error })
}

function fullStore (folder: string, cause?: unknown): ClusterError {
  return new ClusterError('STORE_FULL', `the disk under ${folder} is full: free some space`, { cause })
}
