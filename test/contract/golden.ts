import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const projectRoot = fileURLToPath(new URL('../..', import.meta.url))
/** Recordings of the reference, kept outside of the project. */
const root = resolve(projectRoot, process.env.FLOTILLA_GOLDEN ?? '../shared/golden')

/** Where a recording or a tool lies. */
export function goldenPath (name: string): string { return join(root, name) }

/** Why tests of a folder of recordings are skipped, or false when it is there. */
export function missingGolden (folder: string): string | false {
  return existsSync(join(root, folder)) ? false : `no recordings in ${join(root, folder)} (FLOTILLA_GOLDEN)`
}

/** The recordings of a folder whose names begin with `prefix`, by name. Empty when there are none. */
export function readGolden<T> (folder: string, prefix: string): Map<string, T> {
  if (missingGolden(folder) !== false) return new Map()
  const names = readdirSync(join(root, folder)).filter(name => name.startsWith(prefix) && name.endsWith('.json')).toSorted()
  return new Map(names.map(name => [name.replace(/\.json$/, ''), JSON.parse(readFileSync(join(root, folder, name), 'utf8')) as T]))
}
