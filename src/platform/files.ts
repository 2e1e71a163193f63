import { closeSync, fchmodSync, fsyncSync, openSync, realpathSync, renameSync, unlinkSync, writeSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { errorText } from '../domain/errors.ts'

const reasons: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EDQUOT: 'disk quota exceeded',
  EEXIST: 'file exists',
  EFBIG: 'file too large',
  EIO: 'input/output error',
  EISDIR: 'is a directory',
  ELOOP: 'too many levels of symbolic links',
  EMFILE: 'too many open files',
  ENAMETOOLONG: 'file name too long',
  ENOENT: 'no such file or directory',
  ENOSPC: 'no space left on device',
  ENOTDIR: 'not a directory',
  EPERM: 'operation not permitted',
  EROFS: 'read-only file system',
}

/** What went wrong with a file, in the reference's words: `open /x: no such file or directory`. */
export function fileErrorText (operation: string, path: string, error: unknown): string {
  const code = (error as { code?: string }).code ?? ''
  return `${code === 'EISDIR' ? 'read' : operation} ${path}: ${reasons[code] ?? errorText(error)}`
}

/** True when the error says that the file or folder does not exist. */
export function isMissingFile (error: unknown): boolean {
  return (error as { code?: string }).code === 'ENOENT'
}

/**
 * Writes a whole file so that a crash at any moment leaves the old or the new one, never a part:
 * a file beside it is written and synced, then takes its name. A symbolic link stays one.
 * @throws the error of the file system
 */
export function writeFileAtomically (path: string, text: string, mode: number): void {
  const target = finalPath(path)
  const folder = dirname(target)
  const temporary = join(folder, `.${basename(target)}.${process.pid}.tmp`)
  const file = openSync(temporary, 'w', mode)
  try {
    try {
      // The file may be left from a crash, with another mode.
      fchmodSync(file, mode)
      const bytes = Buffer.from(text)
      for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(temporary, target)
  } catch (error) {
    unlinkIfThere(temporary)
    throw error
  }
  syncFolder(folder)
}

function finalPath (path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}

function unlinkIfThere (path: string): void {
  try {
    unlinkSync(path)
  } catch {
    // The first error is the one to report.
  }
}

/** Makes a new name last. Windows cannot open folders and does not need to. */
function syncFolder (folder: string): void {
  if (process.platform === 'win32') return
  const handle = openSync(folder, 'r')
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}
