import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PeerId } from '../domain/peer.ts'
import type { RepositoryStat } from '../domain/repository.ts'
import type { Platform } from '../platform/lifecycle.ts'
import { silentLoggers } from '../platform/logger.ts'
import { noMetrics } from '../platform/metrics.ts'
import { systemRandom } from '../platform/random.ts'
import { virtualClock } from '../platform/virtual-clock.ts'
import { diskInformer } from './disk.ts'
import type { Informer } from './informer.ts'
import { pinCountInformer } from './pin-count.ts'
import { pinQueueInformer } from './pin-queue.ts'
import { pinsetDigestInformer } from './pinset-digest.ts'
import { tagsInformer } from './tags.ts'

const self = '12D3KooWGRUVh6gLyjqFQgVNVFNP2xhYDxtTGGaDH2tW6cAkYvNp' as PeerId
const clock = virtualClock()
const platform: Platform = { clock, random: systemRandom, loggers: silentLoggers, metrics: noMetrics }

/** Name, value, weight and validity of each metric. Only tags group peers. */
async function told (informer: Informer): Promise<unknown[]> {
  const metrics = await informer.metrics()
  for (const metric of metrics) assert.deepEqual([metric.peer, metric.expire - clock.now(), metric.partitionable, metric.receivedAt], [self, 30_000, metric.name.startsWith('tag:'), 0])
  return metrics.map(metric => [metric.name, metric.value, metric.weight, metric.valid])
}

const disk = (metricType: 'freespace' | 'reposize', stat: () => Promise<RepositoryStat>) => diskInformer({ self, metricType, metricTtlMs: 30_000, repositoryStat: stat, platform })
const repository = (repoSize: number, storageMax: number) => async (): Promise<RepositoryStat> => ({ repoSize, storageMax, numberOfObjects: 0 })

test('more free space is better, a smaller repository is better', async () => {
  assert.deepEqual(await told(disk('freespace', repository(30, 100))), [['freespace', '70', 70, true]])
  assert.deepEqual(await told(disk('reposize', repository(30, 100))), [['reposize', '30', -30, true]])
})

test('a node without a limit on its repository has so much space that sums of it still fit', async () => {
  assert.deepEqual(await told(disk('freespace', repository(30, 2 ** 64))), [['freespace', '9007199254740991', 2 ** 53 - 1, true]])
})

test('a full repository and a node that does not answer are not valid', async () => {
  assert.deepEqual(await told(disk('freespace', repository(120, 100))), [['freespace', '0', 0, false]])
  assert.deepEqual(await told(disk('freespace', () => Promise.reject(new Error('refused')))), [['freespace', '0', 0, false]])
})

test('queues count in buckets', async () => {
  const queue = (queued: number, weightBucketSize: number) => pinQueueInformer({ self, metricTtlMs: 30_000, weightBucketSize, queueSize: () => queued, platform })
  assert.deepEqual(await told(queue(250, 100)), [['pinqueue', '250', -2, true]])
  assert.deepEqual(await told(queue(250, 0)), [['pinqueue', '250', -250, true]])
  assert.deepEqual(await told(queue(0, 100)), [['pinqueue', '0', 0, true]])
})

test('each tag is a metric; without any there is one that is not valid', async () => {
  assert.deepEqual(await told(tagsInformer({ self, metricTtlMs: 30_000, tags: { region: 'eu', rack: '7' }, platform })), [['tag:region', 'eu', 0, true], ['tag:rack', '7', 0, true]])
  assert.deepEqual(await told(tagsInformer({ self, metricTtlMs: 30_000, tags: {}, platform })), [['tag:none', 'none', 0, false]])
})

test('fewer pins are better', async () => {
  const pins = (count: number) => pinCountInformer({ self, metricTtlMs: 30_000, count: () => count, platform })
  assert.deepEqual(await told(pins(5)), [['numpin', '5', -5, true]])
  assert.deepEqual(await told(pins(0)), [['numpin', '0', 0, true]], 'and not minus zero')
})

test('what a peer says of its pinset is told as it says it', async () => {
  assert.deepEqual(await told(pinsetDigestInformer({ self, name: 'flotilla:digest', metricTtlMs: 30_000, report: () => 'pinset', platform })), [['flotilla:digest', 'pinset', 0, true]])
})
