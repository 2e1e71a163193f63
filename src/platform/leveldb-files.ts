import { readFileSync, statSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'

/** Names that LevelDB gives its files, this program's or the Go program's. */
const ownName = /^(CURRENT(\.\w+)?|LOCK|LOG(\.old)?|MANIFEST-\d+|\d+\.(log|ldb|sst|dbtmp))$/

/** What stands in a LevelDB folder without belonging to it: an operator may have put the store where other things are. */
export async function otherFiles (folder: string): Promise<string[]> {
  return (await readdir(folder)).filter(name => !ownName.test(name))
}

/** Removes a store that is closed, and nothing else of its folder. */
export async function removeLevelDb (folder: string): Promise<void> {
  for (const name of await readdir(folder)) if (ownName.test(name)) await rm(join(folder, name))
}

/** Another text after each table and each compaction; empty when there is no telling. */
export function manifestState (folder: string): string {
  try {
    const name = readFileSync(join(folder, 'CURRENT'), 'latin1').trim()
    return `${name} ${statSync(join(folder, name)).size}`
  } catch {
    return ''
  }
}
