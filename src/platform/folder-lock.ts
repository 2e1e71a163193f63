import { closeSync, mkdirSync, openSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { ClusterError, errorText } from '../domain/errors.ts'
import { fileErrorText } from './files.ts'

export const lockFileName = 'cluster.lock'

/** A folder that this process has for itself. */
export interface FolderLock {
  /** Gives the folder back. Safe to call twice. */
  release (): void
}

/**
 * What is held keeps its handle here: a handle that nobody refers to would be collected, and the
 * lock would go with it.
 */
const held = new Map<string, DatabaseSync>()

/** The file may be replaced by another process that ends just now; then once more is enough, or twice. */
const maxAttempts = 3

/** The result code of SQLite for a file that another process has locked. */
const sqliteBusy = 5

/**
 * Takes `cluster.lock` in `folder` for this process; the folder (0700) and the file are made when
 * absent. The lock is one of the operating system on byte ranges of the file (POSIX fcntl): it
 * conflicts with the Go program's lock on the whole file, in both directions, and is gone at once
 * when the process dies, however it dies. Node has no call for such a lock, but its SQLite takes one
 * for an exclusive transaction; the file stays empty.
 *
 * POSIX drops a process's locks on a file when the process closes any handle to it: nothing else
 * may open this file while the lock is held.
 * @throws ClusterError `FOLDER_LOCKED` with the contract's text (spec/cli.md 1.8)
 */
export async function lockFolder (folder: string): Promise<FolderLock> {
  const path = join(resolve(folder), lockFileName)
  if (held.has(path)) throw refused(path, `lock ${path}: lock is already held by us`)
  const { DatabaseSync } = await import('node:sqlite')
  for (let attempt = 1; ; attempt++) {
    const before = makeLockFile(folder, path)
    const handle = lockFile(DatabaseSync, path)
    // The Go program removes the file when it lets go: what we locked may have lost its name.
    if (inodeOf(path) === before) {
      held.set(path, handle)
      return { release: () => { release(path, handle) } }
    }
    handle.close()
    if (attempt === maxAttempts) throw refused(path, `lock ${path}: someone else has the lock`)
  }
}

function release (path: string, handle: DatabaseSync): void {
  if (held.get(path) !== handle) return
  held.delete(path)
  handle.close()
}

/** Makes the empty file when it is absent and answers which one it is. */
function makeLockFile (folder: string, path: string): bigint {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const stat = statSync(path, { throwIfNoEntry: false })
    if (stat === undefined) closeSync(openSync(path, 'a', 0o644))
    else if (stat.size > 0) throw refused(path, `can't Lock file ${JSON.stringify(path)}: has non-zero size`)
    return inodeOf(path) ?? makeLockFile(folder, path)
  } catch (error) {
    if (error instanceof ClusterError) throw error
    throw refused(path, fileErrorText('lock', path, error), error)
  }
}

function inodeOf (path: string): bigint | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false })?.ino
}

function lockFile (Database: typeof DatabaseSync, path: string): DatabaseSync {
  let handle: DatabaseSync | undefined
  try {
    handle = new Database(path, { timeout: 0 })
    // Without this a journal stands beside the file for as long as the transaction is open.
    handle.exec('PRAGMA journal_mode = MEMORY')
    handle.exec('BEGIN EXCLUSIVE')
    return handle
  } catch (error) {
    handle?.close()
    const isBusy = (error as { errcode?: number }).errcode === sqliteBusy
    throw refused(path, isBusy ? `lock ${path}: someone else has the lock` : `lock ${path}: ${permissionText(error)}`, error)
  }
}

/** SQLite says of a file that it may not open or write only that it could not. */
function permissionText (error: unknown): string {
  const text = errorText(error)
  return /unable to open database file|readonly database/.test(text) ? 'permission denied' : text
}

function refused (path: string, reason: string, cause?: unknown): ClusterError {
  const program = 'ipfs-cluster-service'
  return new ClusterError('FOLDER_LOCKED', `${reason}. If no other ${program} process is running, remove ${path}, or make sure that the config folder is writable for the user running ${program}.`, { cause })
}
