import type { Configuration } from '../config/configuration.ts'
import type { PeerId } from '../domain/peer.ts'
import { diskInformer } from '../informer/disk.ts'
import type { Informer } from '../informer/informer.ts'
import { pinCountInformer } from '../informer/pin-count.ts'
import { pinQueueInformer } from '../informer/pin-queue.ts'
import { tagsInformer } from '../informer/tags.ts'
import type { IpfsConnector } from '../ipfs/connector.ts'
import type { Platform } from '../platform/lifecycle.ts'
import type { StateStore } from '../state/state-store.ts'
import type { PinTracker } from '../tracker/tracker.ts'

/** The informers whose sections the file has. */
export function informersOf (configuration: Configuration, parts: { self: PeerId, ipfs: IpfsConnector, tracker: PinTracker, pinset: StateStore, platform: Platform }): Informer[] {
  const { self, ipfs, tracker, pinset, platform } = parts
  const { disk, pinqueue, tags, numpin } = configuration.informer
  const informers: Informer[] = []
  if (configuration.loaded.has('informer.disk')) informers.push(diskInformer({ self, platform, ...disk, repositoryStat: options => ipfs.repositoryStat(options) }))
  if (configuration.loaded.has('informer.pinqueue')) informers.push(pinQueueInformer({ self, platform, ...pinqueue, queueSize: () => tracker.queueSize() }))
  if (configuration.loaded.has('informer.tags')) informers.push(tagsInformer({ self, platform, ...tags }))
  if (configuration.loaded.has('informer.numpin')) informers.push(pinCountInformer({ self, platform, ...numpin, count: () => pinset.count() }))
  return informers
}
