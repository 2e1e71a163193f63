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
      await removeLevelDb(folder)
      consensus = await open(await openLevelDbStore(folder))
    },
    close: () => consensus.stop(),
  }
}

/** At every moment one of both folders stands under a name from which {@link openDatastore} takes it. */
async function replaceFolder (folder: string, fresh: string): Promise<void> {
  const old = replacedFolder(folder)
  const gone = `${folder}.removed`
  for (const left of [old, gone]) await rm(left, { recursive: true, force: true })
  await rename(folder, old)
  await rename(fresh, folder)
  // To remove a large one takes long. What is left when that is cut off must not be taken back one day when the folder is moved away.
  await rename(old, gone)
  await rm(gone, { recursive: true, force: true }).catch(() => {})
}
