import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { IpfsId, PeerId } from '../domain/peer.ts'
import type { Metric } from '../domain/metric.ts'
import { recordOwnMetrics } from './first-metrics.ts'

const peer = '12D3KooWSelf' as PeerId
const metric = (name: string, valid = true): Metric => ({ name, peer, value: '', expire: 1, valid, weight: 0, partitionable: false, receivedAt: 0 })

/** The names of what was recorded where the node answers as `ask` does. */
async function recorded (ask: () => Promise<IpfsId>, signal: AbortSignal): Promise<string[]> {
  const names: string[] = []
  const informer = (...told: Metric[]) => ({ name: '', metricTtlMs: 30_000, metrics: async () => told })
  const parts = { ipfsIdentity: { ask }, ping: informer(metric('ping')), informers: [informer(metric('freespace', false)), informer(metric('tag:a'), metric('tag:b'))], monitor: { record: ({ name }: Metric) => { names.push(name) } } }
  await recordOwnMetrics(parts as unknown as Parameters<typeof recordOwnMetrics>[0], signal)
  return names
}

const answer: IpfsId = { id: undefined, addresses: null, error: '' }

test('a peer knows its own metrics that are valid from the start, and none where its IPFS node does not answer or it stops', async () => {
  const running = new AbortController()
  assert.deepEqual(await recorded(async () => answer, running.signal), ['ping', 'tag:a', 'tag:b'])
  assert.deepEqual(await recorded(async () => { throw new Error('no node') }, running.signal), [])
  assert.deepEqual(await recorded(async () => { running.abort(); return answer }, running.signal), [])
})
