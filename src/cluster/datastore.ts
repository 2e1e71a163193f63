import { readdirSync, readlinkSync, realpathSync } from 'node:fs'
import { readdir, rename, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { datastoreOf, type Configuration, type DatastoreName } from '../config/configuration.ts'
import { markReplicaDirty } from '../consensus/crdt/replica-state.ts'
import { ClusterError, errorText } from '../domain/errors.ts'
import { wasOpenedByGo } from '../platform/leveldb-opener.ts'
import { openLevelDbStore } from '../platform/leveldb-store.ts'
import type { Store } from '../platform/store.ts'

/** Files that tell a store of the Go program which is not LevelDB. */
const foreignFiles = [/^marker\./, /\.vlog$/, /^KEYREGISTRY$/]

/**
 * Opens the store of a CRDT peer. It is LevelDB whichever datastore section the file has, so that
 * the files of the Go program work as they are; the section `leveldb` names its folder, the
 * others share the default. When the Go program has had the folder open since, all is looked
 * over: it may have merged changes, and have been stopped before it wrote their heads.
 * @throws ClusterError `INVALID_CONFIGURATION` when the Go program has left a store to which the
 * pins may belong and which this is not, and those of {@link openLevelDbStore}
 */
export async function openDatastore (configuration: Configuration): Promise<Store> {
  const name = datastoreOf(configuration)
  if (name === undefined) throw new ClusterError('INVALID_CONFIGURATION', 'unknown datastore')
  const folder = datastoreFolder(configuration)
  if (isEmpty(folder)) await takeBackReplaced(folder)
  const isForeign = wasOpenedByGo(folder)
  if (name !== 'leveldb') {
    if (isForeign) throw leftBehind(folder, name)
    await refuseForeignStore(configuration, name)
  }
  const store = await openLevelDbStore(folder)
  if (isForeign) await markReplicaDirty(store, configuration.consensus.crdt.datastoreNamespace)
  return store
}

/** Where the store of the peer lies: behind a link, for what takes its place must lie on the same disk. */
export function datastoreFolder (configuration: Configuration): string {
  const folder = datastoreOf(configuration) === 'leveldb' ? configuration.datastore.leveldb.folder : 'leveldb'
  return withoutLink(resolve(configuration.folder, folder))
}

function withoutLink (path: string): string {
  try {
    return realpathSync(path)
  } catch {
    // It is not there. An import that was cut off may have taken it from behind its link.
    try {
      return resolve(dirname(path), readlinkSync(path))
    } catch {
      return path
    }
  }
}

/** Where an import keeps the old store until the new one has its place. */
export function replacedFolder (folder: string): string { return `${folder}.replaced` }

/** After an import that was cut off between its renames, the old store is the one that counts. */
async function takeBackReplaced (folder: string): Promise<void> {
  try {
    await rename(replacedFolder(folder), folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw new ClusterError('STORE_FAILED', `${replacedFolder(folder)}, left from an import that was cut off, cannot take the place of ${folder}: ${errorText(error)}`, { cause: error })
  }
}

/**
 * Starting empty beside a full store would look like the loss of all pins. Starting with what this
 * program had before the Go program took over again would bring back what was unpinned since.
 */
async function refuseForeignStore (configuration: Configuration, name: DatastoreName): Promise<void> {
  const folder = resolve(configuration.folder, configuration.datastore[name].folder)
  const files = await readdir(folder).catch(() => [])
  if (!files.some(file => foreignFiles.some(pattern => pattern.test(file)))) return
  const ours = datastoreFolder(configuration)
  const isFirst = isEmpty(ours)
  if (!isFirst && await lastWritten(folder) <= await lastWritten(ours)) return
  const [when, folders, orElse] = isFirst
    ? ['', 'the folder', 'only move it away when other peers of the cluster have the pins']
    : [` It was used after ${ours}.`, 'both folders', `only move this one away to go on with the pins in ${ours}`]
  throw new ClusterError('INVALID_CONFIGURATION', `${folder} holds a ${name} datastore of the Go program, which cannot be read here.${when} Write its pins to a file with that program ("ipfs-cluster-service state export -f pins.json"), move ${folders} away, then run "ipfs-cluster-service state import pins.json"; or ${orElse}`)
}

/** The Go program reads only the store that its configuration names: this one is of another time, with pins that are gone. */
function leftBehind (folder: string, name: DatastoreName): ClusterError {
  return new ClusterError('INVALID_CONFIGURATION', `${folder} holds a leveldb datastore of the Go program, but service.json has the section datastore.${name}: move the folder away; or put the section datastore.leveldb in the place of that one to go on with the pins in it`)
}

/** When a file of the folder was written last, in milliseconds since the epoch. */
async function lastWritten (folder: string): Promise<number> {
  let last = 0
  for (const file of await readdir(folder)) last = Math.max(last, (await stat(join(folder, file))).mtimeMs)
  return last
}

function isEmpty (folder: string): boolean {
  try {
    return readdirSync(folder).length === 0
  } catch {
    return true
  }
}
