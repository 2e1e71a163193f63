import { rename, rm } from 'node:fs/promises'
import { PinMessage } from '../codec/messages.ts'
import type { Configuration } from '../config/configuration.ts'
import type { Identity } from '../config/identity.ts'
import { CrdtConsensus } from '../consensus/crdt/crdt-consensus.ts'
import { ClusterError, errorText } from '../domain/errors.ts'
import { systemClock } from '../platform/clock.ts'
import { otherFiles, removeLevelDb } from '../platform/leveldb-files.ts'
import { openLevelDbStore } from '../platform/leveldb-store.ts'
import type { Platform } from '../platform/lifecycle.ts'
import type { Loggers } from '../platform/logger.ts'
import { noMetrics } from '../platform/metrics.ts'
import { systemRandom } from '../platform/random.ts'
import type { Store } from '../platform/store.ts'
import type { StateAccess } from '../state/state-access.ts'
import { datastoreFolder, openDatastore, replacedFolder } from './datastore.ts'

/**
 * The pinset of a stopped CRDT peer; the caller holds the folder's lock.
 * @throws ClusterError as `openDatastore`
 */
export async function openStateAccess (configuration: Configuration, options: { readonly identity: Identity, readonly loggers: Loggers }): Promise<StateAccess> {
  const platform: Platform = { clock: systemClock, random: systemRandom, loggers: options.loggers, metrics: noMetrics }
  const open = async (store: Store): Promise<CrdtConsensus> => {
    const consensus = new CrdtConsensus({
      self: options.identity.id,
      store,
      codec: PinMessage,
      datastoreNamespace: configuration.consensus.crdt.datastoreNamespace,
      trustedPeers: [],
      batching: { maxSize: 0, maxAgeMs: 0 },
      members: () => [],
      platform,
    })
    await consensus.start()
    return consensus
  }
  const folder = datastoreFolder(configuration)
  let consensus = await open(await openDatastore(configuration))

  return {
    pins: () => consensus.pinset().list({}),
    // Into a new folder that takes the old one's place when all is there: a bad line changes nothing.
    async replace (pins) {
      const others = await otherFiles(folder)
      if (others.length > 0) throw new ClusterError('INVALID_CONFIGURATION', `an import replaces the folder of the datastore, and ${folder} also holds ${others.slice(0, 3).join(', ')}: move that elsewhere, or the datastore, and name its folder in datastore.leveldb.folder`)
      const fresh = `${folder}.import`
      await rm(fresh, { recursive: true, force: true })
      const target = await open(await openLevelDbStore(fresh))
      let count = 0
      try {
        count = await target.importPins(pins)
      } catch (error) {
        await target.stop()
        await rm(fresh, { recursive: true, force: true })
        throw error
      }
      await target.stop()
      await consensus.stop()
      try {
        await replaceFolder(folder, fresh)
      } catch (error) {
        await rm(fresh, { recursive: true, force: true })
        throw new ClusterError('STORE_FAILED', `an import replaces the folder of the datastore, and ${folder} cannot be moved (${errorText(error)}): if another disk is mounted there, put the datastore into a folder on it`, { cause: error })
      }
      consensus = await open(await openLevelDbStore(folder))
      return count
    },
    async clear () {
      await consensus.stop()
      await removeStore(folder)
      consensus = await open(await openLevelDbStore(folder))
    },
    close: () => consensus.stop(),
  }
}

/** At every moment one of both folders stands under a name from which {@link openDatastore} takes it. */
async function replaceFolder (folder: string, fresh: string): Promise<void> {
  const old = replacedFolder(folder)
  await removeLeft(folder)
  await rename(folder, old)
  await rename(fresh, folder)
  await removeMoved(folder, old)
}

/**
 * In one step, as far as a start can tell: to remove a large store takes long, and one that is cut off in the midst would
 * be found damaged. Not where other things stand in the folder, or a disk is mounted there.
 */
async function removeStore (folder: string): Promise<void> {
  if ((await otherFiles(folder)).length === 0) {
    await removeLeft(folder)
    try {
      await removeMoved(folder, folder)
      return
    } catch {
      // It cannot be moved.
    }
  }
  await removeLevelDb(folder)
}

/** To remove a large folder takes long. What is left when that is cut off must not be taken back one day when the folder is moved away. */
async function removeMoved (folder: string, old: string): Promise<void> {
  const gone = removedFolder(folder)
  await rename(old, gone)
  await rm(gone, { recursive: true, force: true }).catch(() => {})
}

/** Removes what was left of an import or a cleanup that was cut off. */
async function removeLeft (folder: string): Promise<void> {
  for (const left of [replacedFolder(folder), removedFolder(folder)]) await rm(left, { recursive: true, force: true })
}

function removedFolder (folder: string): string { return `${folder}.removed` }
