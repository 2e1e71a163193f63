import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { StoreOperation } from './store.ts'

/** What an entry takes in LevelDB's buffer besides key and value, in bytes: lengths and number… */
const headerBytes = 14
/** …and its place in the list, more than the average. */
const nodeBytes = 32
/** The buffer grows by pieces of this size; an entry does not go over the end of one, unless it is large and has one of its own. */
const pieceBytes = 4_096
const ownPieceBytes = 1_024
/** The beginnings of a buffer, and to be on the safe side. */
const spareBytes = 64 * 1024

/**
 * Tells which write may be the last of a log. LevelDB goes on with a new log when its buffer is
 * full, without an fsync of the old one, and an fsync after that reaches the new one alone: a loss
 * of power in the moment until the buffer is in a table would leave the new log without what came
 * before it. So the last write of each log is synced; which one that is, is known about.
 */
export class LogTurn {
  readonly #folder: string
  readonly #limitBytes: number
  #log: string
  /** Bytes in LevelDB's buffer, or more. */
  #bytes = 0

  /** For a database that was opened just now. */
  constructor (folder: string, bufferBytes: number) {
    this.#folder = folder
    this.#limitBytes = bufferBytes - spareBytes
    this.#log = newestLog(folder)
  }

  /** Does the write, told whether it has to be synced. */
  async write (operations: readonly StoreOperation[], work: (mustSync: boolean) => Promise<void>): Promise<void> {
    let bytes = 0
    for (const operation of operations) bytes += mostBytes(operation)
    this.#bytes += bytes
    if (this.#bytes <= this.#limitBytes) return work(false)
    const before = this.#logBytes()
    await work(true)
    const after = this.#logBytes()
    if (after === undefined || after === before) this.#look(bytes)
  }

  /** To be called when LevelDB was made to go on with a new log, in which nothing stands yet. */
  turned (): void { this.#look(0) }

  /** The size of the log that was the newest; undefined when it is in a table and gone, or cannot be told. */
  #logBytes (): number | undefined {
    try {
      return statSync(join(this.#folder, this.#log), { throwIfNoEntry: false })?.size
    } catch {
      return undefined
    }
  }

  /**
   * Looks which log is the newest, after a write of so many bytes that went into another one. Not after each
   * write: the folder of a large pinset has tens of thousands of tables.
   */
  #look (bytes: number): void {
    try {
      const log = newestLog(this.#folder)
      if (log === this.#log) return
      this.#log = log
      this.#bytes = bytes
    } catch {
      // What is not known to be in a new log is synced.
    }
  }
}

/** What an operation takes in LevelDB's buffer, or more. */
function mostBytes (operation: StoreOperation): number {
  const entry = operation.key.length + (operation.type === 'put' ? operation.value.length : 0) + headerBytes
  return (entry + nodeBytes) * (entry > ownPieceBytes ? 1 : pieceBytes / (pieceBytes - entry))
}

/** The name of the newest log. */
function newestLog (folder: string): string {
  let newest = ''
  for (const name of readdirSync(folder)) if (name.endsWith('.log') && numberOf(name) > numberOf(newest)) newest = name
  return newest
}

function numberOf (log: string): number { return Number.parseInt(log, 10) || 0 }
