import { readdirSync } from 'node:fs'
import { readdir, rename } from 'node:fs/promises'
import { resolve } from 'node:path'
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
 * @throws ClusterError `INVALID_CONFIGURATION` when the folder of the section holds a store of the
 * Go program that cannot be read here, and those of {@link openLevelDbStore}
 */
export async function openDatastore (configuration: Configuration): Promise<Store> {
  const name = datastoreOf(configuration)
  if (name === undefined) throw new ClusterError('INVALID_CONFIGURATION', 'unknown datastore')
  const folder = datastoreFolder(configuration)
  if (isEmpty(folder)) await takeBackReplaced(folder)
  if (name !== 'leveldb' && isEmpty(folder)) await refuseForeignStore(configuration, name)
  const isForeign = wasOpenedByGo(folder)
  const store = await openLevelDbStore(folder)
  if (isForeign) await markReplicaDirty(store, configuration.consensus.crdt.datastoreNamespace)
  return store
}

/** Where the store of the peer lies. */
export function datastoreFolder (configuration: Configuration): string {
  const folder = datastoreOf(configuration) === 'leveldb' ? configuration.datastore.leveldb.folder : 'leveldb'
  return resolve(configuration.folder, folder)
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

/** Starting empty beside a full store would look like the loss of all pins. */
async function refuseForeignStore (configuration: Configuration, name: DatastoreName): Promise<void> {
  const folder = resolve(configuration.folder, configuration.datastore[name].folder)
  const files = await readdir(folder).catch(() => [])
  if (!files.some(file => foreignFiles.some(pattern => pattern.test(file)))) return
  throw new ClusterError('INVALID_CONFIGURATION', `${folder} holds a ${name} datastore of the Go program, which cannot be read here: write its pins to a file with that program ("ipfs-cluster-service state export -f pins.json"), move the folder away, then run "ipfs-cluster-service state import pins.json"; or only move it away when other peers of the cluster have the pins`)
}

function isEmpty (folder: string): boolean {
  try {
    return readdirSync(folder).length === 0
  } catch {
    return true
  }
}
