import type { Configuration } from '../config/configuration.ts'
import type { CrdtConsensus } from '../consensus/crdt/crdt-consensus.ts'
import { digestMetricName } from '../consensus/crdt/divergence-watch.ts'
import type { PeerId } from '../domain/peer.ts'
import { diskInformer } from '../informer/disk.ts'
import type { Informer } from '../informer/informer.ts'
import { pinCountInformer } from '../informer/pin-count.ts'
import { pinQueueInformer } from '../informer/pin-queue.ts'
import { pinsetDigestInformer } from '../informer/pinset-digest.ts'
import { tagsInformer } from '../informer/tags.ts'
import type { IpfsConnector } from '../ipfs/connector.ts'
import type { Platform } from '../platform/lifecycle.ts'
import type { PinTracker } from '../tracker/tracker.ts'

/** As for `ping` (spec/components.md 1.2), in milliseconds. */
const digestTtlMs = 30_000

/** The informers whose sections the file has, and what peers tell each other of their pinsets. */
export function informersOf (configuration: Configuration, parts: { self: PeerId, ipfs: IpfsConnector, tracker: PinTracker, consensus: CrdtConsensus, platform: Platform }): Informer[] {
  const { self, ipfs, tracker, consensus, platform } = parts
  const { disk, pinqueue, tags, numpin } = configuration.informer
  const informers: Informer[] = []
  if (configuration.loaded.has('informer.disk')) informers.push(diskInformer({ self, platform, ...disk, repositoryStat: options => ipfs.repositoryStat(options) }))
  if (configuration.loaded.has('informer.pinqueue')) informers.push(pinQueueInformer({ self, platform, ...pinqueue, queueSize: () => tracker.queueSize() }))
  if (configuration.loaded.has('informer.tags')) informers.push(tagsInformer({ self, platform, ...tags }))
  if (configuration.loaded.has('informer.numpin')) informers.push(pinCountInformer({ self, platform, ...numpin, count: () => consensus.pinset().count() }))
  informers.push(pinsetDigestInformer({ self, platform, name: digestMetricName, metricTtlMs: digestTtlMs, report: () => consensus.digestReport() }))
  return informers
}
