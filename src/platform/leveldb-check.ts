import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { ClusterError } from '../domain/errors.ts'
import { scanLog } from './leveldb-log.ts'

/** What the manifest says must be there. */
interface Manifest {
  /** The oldest log whose changes stand in no table. */
  readonly log: number
  /** Sizes of the tables in bytes, by number. */
  readonly tables: ReadonlyMap<number, number>
}

/**
 * Looks at a LevelDB folder before LevelDB opens it, for damage that LevelDB passes over in
 * silence or makes worse: it takes a folder without `CURRENT` for a new one and removes the tables
 * in it, skips the damaged part of a log, and removes the tables that a shortened manifest does
 * not name. Reads and changes nothing but this; what a crash may leave is no damage.
 * @throws ClusterError `STORE_DAMAGED`
 */
export function checkLevelDb (folder: string): void {
  const files = new Set(existsSync(folder) ? readdirSync(folder) : [])
  const logs = new Map([...files].filter(name => /^\d+\.log$/.test(name)).map(name => [Number.parseInt(name, 10), name]))
  if (!files.has('CURRENT')) {
    // A crash in the first moment of a new store leaves a manifest at most.
    const leftover = [...files].find(name => /^\d+\.(ldb|sst)$/.test(name)) ?? [...logs.values()][0]
    if (leftover !== undefined) throw damagedStore(folder, `it has ${leftover}, but no file CURRENT`)
    return
  }
  const manifest = readManifest(folder, files)
  if (manifest.log > 0 && !logs.has(manifest.log)) throw damagedStore(folder, `its manifest is cut off, or the log ${fileName(manifest.log, 'log')} is missing`)
  checkTables(folder, files, manifest.tables)
  for (const [number, name] of logs) if (number >= manifest.log) checkLog(folder, name)
}

/** One text for all that is found broken, with the ways out. */
export function damagedStore (folder: string, what: string, options: { readonly cause?: unknown, readonly wayOut?: string } = {}): ClusterError {
  const wayOut = options.wayOut === undefined ? '' : `${options.wayOut}, or `
  return new ClusterError('STORE_DAMAGED', `the datastore in ${folder} is damaged (${what}): ${wayOut}move this folder away, then start again and either restore the pins with "ipfs-cluster-service state import" or let this peer sync from the others`, { cause: options.cause })
}

function readManifest (folder: string, files: ReadonlySet<string>): Manifest {
  const current = readFileSync(join(folder, 'CURRENT'), 'latin1')
  const name = /^(MANIFEST-\d+)\n$/.exec(current)?.[1]
  if (name === undefined) throw damagedStore(folder, 'its file CURRENT does not name a manifest')
  if (!files.has(name)) throw damagedStore(folder, `its manifest ${name} is missing`)
  const { records, damagedAt } = scanLog(readFileSync(join(folder, name)), true)
  if (damagedAt !== undefined) throw damagedStore(folder, `its manifest ${name} is broken at byte ${damagedAt}`)
  const tables = new Map<number, number>()
  let log = 0
  try {
    for (const record of records) log = readEdit(record, tables) ?? log
  } catch (error) {
    throw damagedStore(folder, `its manifest ${name} cannot be read`, { cause: error })
  }
  return { log, tables }
}

function checkTables (folder: string, files: ReadonlySet<string>, tables: ReadonlyMap<number, number>): void {
  for (const [number, sizeBytes] of tables) {
    const name = [fileName(number, 'ldb'), fileName(number, 'sst')].find(name => files.has(name))
    if (name === undefined) throw damagedStore(folder, `its table ${fileName(number, 'ldb')} is missing`)
    const found = statSync(join(folder, name)).size
    if (found < sizeBytes) throw damagedStore(folder, `its table ${name} has only ${found} of ${sizeBytes} bytes`)
  }
}

function checkLog (folder: string, name: string): void {
  const path = join(folder, name)
  const { damagedAt } = scanLog(readFileSync(path), false)
  if (damagedAt !== undefined) throw damagedStore(folder, `${name} is broken at byte ${damagedAt}`, { wayOut: `keep a copy and give up the last changes from there on ("truncate -s ${damagedAt} '${path}'")` })
}

function fileName (number: number, extension: string): string { return `${String(number).padStart(6, '0')}.${extension}` }

/**
 * Reads one change of the manifest (LevelDB's version_edit.cc). Tables that come and go are kept in
 * `tables`; answers the log's number when it is another now.
 * @throws RangeError for bytes that are none
 */
function readEdit (record: Uint8Array, tables: Map<number, number>): number | undefined {
  let at = 0
  let log: number | undefined
  const number = (): number => {
    let value = 0
    for (let factor = 1; ; factor *= 128) {
      const byte = record[at++]
      if (byte === undefined || factor > 2 ** 63) throw new RangeError('a number is cut off')
      value += (byte & 127) * factor
      if (byte < 128) return value
    }
  }
  const skipText = (): void => {
    const length = number()
    if (at + length > record.length) throw new RangeError('a text is cut off')
    at += length
  }
  while (at < record.length) {
    const tag = number()
    switch (tag) {
      case 1: skipText(); break
      case 2: log = number(); break
      case 3: case 4: case 9: number(); break
      case 5: number(); skipText(); break
      case 6: number(); tables.delete(number()); break
      case 7: {
        number()
        const table = number()
        tables.set(table, number())
        skipText()
        skipText()
        break
      }
      default: throw new RangeError(`unknown tag ${tag}`)
    }
  }
  return log
}
