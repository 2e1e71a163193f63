import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ClusterError } from '../domain/errors.ts'
import type { Metric } from '../domain/metric.ts'
import type { Multiaddress, PeerId } from '../domain/peer.ts'
import { silentLogger } from '../platform/logger.ts'
import { noMetrics } from '../platform/metrics.ts'
import { systemRandom } from '../platform/random.ts'
import { virtualClock } from '../platform/virtual-clock.ts'
import { join, type JoinParts } from './join.ts'

const [self, other] = ['12D3KooWSelf', '12D3KooWOther'] as const as readonly [PeerId, PeerId]
const address = `/ip4/192.0.2.1/tcp/9096/p2p/${other}` as Multiaddress

/** A peer that joins another one, and what was done for it. */
function scene (changes: { connect?: () => Promise<PeerId>, addPeer?: () => Promise<never>, sendMetrics?: () => Promise<void> } = {}) {
  const clock = virtualClock()
  const done: string[] = []
  const parts = {
    network: {
      self,
      remember: async (addresses: readonly Multiaddress[]) => { done.push(`remember ${addresses.join()}`) },
      connect: changes.connect ?? (async () => other),
    },
    calls: { addPeer: changes.addPeer ?? (async (peer: PeerId, added: PeerId) => { done.push(`${peer} adds ${added}`) }) },
    monitor: { latest: () => [], record: ({ name, peer, expire }: Metric) => { done.push(`${name} of ${peer} for ${expire - clock.now()}`) } },
    pingIntervalMs: 15_000,
    dialTimeoutMs: 3_000,
    sendMetrics: changes.sendMetrics ?? (async () => { done.push('metrics') }),
    platform: { clock, random: systemRandom, metrics: noMetrics, loggers: { component: () => ({ ...silentLogger, warn: (text: object | string) => { done.push(`warning: ${String(text)}`) } }) } },
  } as unknown as JoinParts
  return { clock, done, join: (to: Multiaddress = address) => join(parts, to, {}) }
}

test('who joins is taken in, knows the other from then on and tells its metrics', async () => {
  const { done, join } = scene()
  assert.equal(await join(), other)
  assert.deepEqual(done, [`remember ${address}`, `${other} adds ${self}`, `ping of ${other} for 30000`, 'metrics'])
})

test('a peer does not join itself', async () => {
  const { done, join } = scene()
  assert.equal(await join(`/ip4/127.0.0.1/tcp/1/p2p/${self}` as Multiaddress), undefined)
  assert.deepEqual(done, [])
})

test('where nobody answers in time the address is remembered all the same: the peer may come later', async () => {
  const { clock, done, join } = scene({ connect: () => new Promise(() => {}) })
  const joining = assert.rejects(join(), { code: 'PEER_UNREACHABLE', message: `failed to dial ${address}: no connection within 3000 ms` })
  await clock.advance(3_000)
  await joining
  assert.deepEqual(done, [`remember ${address}`])
})

test('a refusal is told as it is', async () => {
  const { done, join } = scene({ connect: async () => { throw new ClusterError('PEER_UNREACHABLE', 'connection refused') } })
  await assert.rejects(join(), { message: 'connection refused' })
  const refused = scene({ addPeer: async () => { throw new ClusterError('NOT_AUTHORIZED', 'it does not trust this one') } })
  await assert.rejects(refused.join(), { code: 'NOT_AUTHORIZED' })
  assert.deepEqual([done, refused.done], [[`remember ${address}`], [`remember ${address}`]])
})

test('a peer that is slow to take this one in has half a minute', async () => {
  const { clock, join } = scene({ addPeer: () => new Promise(() => {}) })
  let isOver = false
  const joining = assert.rejects(join(), { code: 'TIMED_OUT' }).then(() => { isOver = true })
  await clock.advance(29_000)
  assert.equal(isOver, false)
  await clock.advance(1_000)
  await joining
})

test('metrics that cannot be told do not undo it', async () => {
  const { done, join } = scene({ sendMetrics: async () => { throw new Error('no network') } })
  assert.equal(await join(), other)
  assert.equal(done.at(-1), 'warning: no network')
})
