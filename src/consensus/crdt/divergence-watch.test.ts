import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PeerId } from '../../domain/peer.ts'
import { virtualClock, type VirtualClock } from '../../platform/virtual-clock.ts'
import { sleep } from '../../platform/clock.ts'
import type { ExchangeOptions } from './crdt-consensus.ts'
import { CrashStore } from './crash-store.fixture.ts'
import { cidOf, CrdtPeers, namesOf, peerOf, pinOf, type CrdtPeer, type StartOptions } from './crdt-peers.fixture.ts'
import { DivergenceWatch, encodeReport, type Divergence, type SetReport } from './divergence-watch.ts'
import { silentLoggers } from '../../platform/logger.ts'
import { noMetrics } from '../../platform/metrics.ts'
import { systemRandom } from '../../platform/random.ts'

interface Watched { readonly clock: VirtualClock, readonly watch: DivergenceWatch, readonly told: Divergence[], helped: number, own: SetReport, reports: Array<{ peer: PeerId, value: string }> }

const report = (heads: string, digest: string): SetReport => ({ heads, headCount: 1, digest, pins: 1, unmergedNodes: 0 })

function watched (own: SetReport, isTrusted: (peer: PeerId) => boolean = () => true): Watched {
  const clock = virtualClock()
  const scene: Watched = {
    clock,
    told: [],
    helped: 0,
    own,
    reports: [],
    watch: new DivergenceWatch({
      own: () => scene.own,
      reports: () => scene.reports,
      isTrusted,
      self: peerOf(0),
      onDivergence: divergence => { scene.told.push(divergence) },
      onOtherHeads: () => { scene.helped++ },
      platform: { clock, random: systemRandom, loggers: silentLoggers, metrics: noMetrics },
    }),
  }
  scene.watch.start()
  return scene
}

test('equal sets, and other digests of other heads on the way, are no divergence', async () => {
  const scene = watched(report('a', '1'))
  for (let n = 0; n < 100; n++) {
    // The other is always a little behind.
    scene.reports = [{ peer: peerOf(1), value: encodeReport(scene.own) }]
    await scene.clock.advance(10_000)
    scene.own = report(`a${n}`, `1${n}`)
    scene.watch.noteState()
    await scene.clock.advance(10_000)
  }
  assert.deepEqual(scene.told, [])
  scene.watch.stop()
})

test('other pins under the same heads are told once they have lasted, and again when they come again', async () => {
  const scene = watched(report('a', '1'))
  scene.reports = [{ peer: peerOf(1), value: encodeReport(report('a', '2')) }]
  await scene.clock.advance(20_000)
  assert.deepEqual(scene.told, [])
  await scene.clock.advance(40_000)
  assert.deepEqual(scene.told.map(({ peer, kind }) => [peer, kind]), [[peerOf(1), 'wrong set']])
  await scene.clock.advance(600_000)
  assert.equal(scene.told.length, 1)
  scene.reports = []
  await scene.clock.advance(20_000)
  scene.reports = [{ peer: peerOf(1), value: encodeReport(report('a', '2')) }]
  await scene.clock.advance(60_000)
  assert.equal(scene.told.length, 2)
  scene.watch.stop()
})

test('a wrong set is also seen in a state that this peer has left since', async () => {
  const scene = watched(report('a', '1'))
  scene.own = report('b', '2')
  scene.watch.noteState()
  scene.reports = [{ peer: peerOf(1), value: encodeReport(report('a', '9')) }]
  await scene.clock.advance(60_000)
  assert.deepEqual(scene.told.map(({ kind }) => kind), ['wrong set'])
  scene.watch.stop()
})

test('other heads are told when nothing changes any more, after what may help was done once', async () => {
  const scene = watched(report('a', '1'))
  scene.reports = [{ peer: peerOf(1), value: encodeReport(report('x', '2')) }]
  await scene.clock.advance(50_000)
  assert.deepEqual([scene.told, scene.helped], [[], 0])
  await scene.clock.advance(50_000)
  assert.deepEqual([scene.told, scene.helped], [[], 1])
  await scene.clock.advance(200_000)
  assert.deepEqual([scene.told.map(({ kind }) => kind), scene.helped], [['other heads'], 1])
  scene.watch.stop()
})

test('nor are they told while one of both brings in what it lacks, which may take hours', async () => {
  const scene = watched(report('a', '1'))
  for (let n = 0; n < 100; n++) {
    scene.reports = [{ peer: peerOf(1), value: encodeReport({ ...report('x', '2'), unmergedNodes: n }) }]
    await scene.clock.advance(60_000)
  }
  for (let n = 0; n < 100; n++) {
    scene.own = { ...scene.own, unmergedNodes: n }
    await scene.clock.advance(60_000)
  }
  assert.deepEqual(scene.told, [])
  await scene.clock.advance(240_000)
  assert.deepEqual(scene.told.map(({ kind }) => kind), ['other heads'])
  scene.watch.stop()
})

test('reports that cannot be read, of this peer, and of peers that are not trusted do not count', async () => {
  const scene = watched(report('a', '1'), peer => peer !== peerOf(2))
  const other = encodeReport(report('a', '2'))
  scene.reports = [{ peer: peerOf(0), value: other }, { peer: peerOf(2), value: other }, ...['', 'null', '{}', '[1]', '{"heads":1,"digest":"1"}'].map((value, n) => ({ peer: peerOf(10 + n), value }))]
  await scene.clock.advance(600_000)
  assert.deepEqual(scene.told, [])
  scene.watch.stop()
})

test('a peer whose values are wrong sees it from another one\'s report, and repairs them', async () => {
  const peers = new CrdtPeers(virtualClock())
  const told: Array<[number, string]> = []
  const running = new Map<number, CrdtPeer>()
  const reporting = (n: number): StartOptions => ({
    exchange: {
      reports: () => [...running].filter(([other]) => other !== n).map(([, peer]) => ({ peer: peer.id, value: peer.consensus.digestReport() })),
      onDivergence: ({ kind }) => { told.push([n, kind]) },
    },
  })
  for (const n of [0, 1]) running.set(n, await peers.start(n, { ...reporting(n), store: new CrashStore() }))
  const [a, b] = [running.get(0) as CrdtPeer, running.get(1) as CrdtPeer]
  for (let n = 0; n < 5; n++) await peers.done(a.consensus.logPin(pinOf(n)))
  await peers.clock.advance(100_000)
  assert.deepEqual(told, [])

  await peers.done(b.stop())
  const key = cidOf(3).slice(1).toUpperCase()
  // Also the figures that were kept are made of what is there.
  await b.store.batch([{ type: 'del', key: `/c/s/k/${key}/v` }, { type: 'del', key: `/c/s/k/${key}/p` }, { type: 'del', key: '/flotilla/format' }], { sync: true })
  running.set(1, await peers.start(1, { ...reporting(1), store: b.store }))
  const again = running.get(1) as CrdtPeer
  assert.notEqual(again.consensus.digestReport(), a.consensus.digestReport())
  await peers.clock.advance(120_000)
  assert.deepEqual(told.toSorted(), [[0, 'wrong set'], [1, 'wrong set']])
  assert.deepEqual(await namesOf(again), await namesOf(a))
  assert.equal(again.consensus.digestReport(), a.consensus.digestReport())
  await peers.stop()
})

test('a newcomer to which a long chain comes one node after the other, as from peers of the Go program, is not told to be cut off', async () => {
  const peers = new CrdtPeers(virtualClock())
  const told: Array<[number, string]> = []
  const running: CrdtPeer[] = []
  const exchangeOf = (n: number): Partial<ExchangeOptions> => ({
    reports: () => running.flatMap((peer, other) => other === n ? [] : [{ peer: peer.id, value: peer.consensus.digestReport() }]),
    onDivergence: ({ kind }) => { told.push([n, kind]) },
  })
  const old = await peers.start(0, { exchange: exchangeOf(0) })
  running.push(old)
  const count = 30
  for (let n = 0; n < count; n++) {
    await peers.done(old.consensus.logPin(pinOf(n)))
    await peers.clock.advance(200)
  }
  await peers.clock.advance(30_000)
  const isHistory = (protocol: string): boolean => protocol.includes('history')
  running.push(await peers.start(1, {
    exchange: exchangeOf(1),
    network: network => ({
      ...network,
      open: (peer, protocol, options) => isHistory(protocol) ? Promise.reject(new Error('not spoken')) : network.open(peer, protocol, options),
      fetchBlock: async (cid, options) => {
        await sleep(peers.clock, 20_000, options.signal)
        return network.fetchBlock(cid, options)
      },
    }),
  }))
  await peers.clock.advance(count * 20_000 - 60_000)
  assert.equal(running[1]?.consensus.pinset().count(), 0, 'it is still on its way')
  await peers.clock.advance(120_000)
  assert.equal(running[1]?.consensus.pinset().count(), count)
  assert.deepEqual(told, [])
  await peers.stop()
})

test('a peer that takes what a third one says of another only hears of it soon, without an alert: so it is while trusted_peers is being changed', async () => {
  const peers = new CrdtPeers(virtualClock())
  const told: string[] = []
  const running: CrdtPeer[] = []
  const trusted = [['*'], [peerOf(0), peerOf(1)], ['*']] as const
  for (const [n, trustedPeers] of trusted.entries()) {
    running.push(await peers.start(n, {
      trustedPeers,
      exchange: {
        rebroadcastIntervalMs: n === 2 ? 10_000 : 60_000,
        reports: () => running.flatMap((peer, other) => other === n ? [] : [{ peer: peer.id, value: peer.consensus.digestReport() }]),
        onDivergence: ({ kind }) => { told.push(kind) },
      },
    }))
  }
  await peers.clock.advance(60_000)
  for (let n = 0; n < 6; n++) {
    await peers.done((running[2] as CrdtPeer).consensus.logPin(pinOf(n)))
    await peers.clock.advance(100_000)
    assert.equal(running[1]?.consensus.pinset().count(), n + 1)
    await peers.clock.advance(200_000)
  }
  assert.deepEqual(told, [])
  await peers.stop()
})

test('a peer that did not hear of what another one has gets it when the reports of both show it', async () => {
  const peers = new CrdtPeers(virtualClock())
  const told: Array<[number, string]> = []
  const running: CrdtPeer[] = []
  let isDeaf = false
  for (const n of [0, 1]) {
    running.push(await peers.start(n, {
      exchange: {
        rebroadcastIntervalMs: 24 * 3_600_000,
        reports: () => running.flatMap((peer, other) => other === n ? [] : [{ peer: peer.id, value: peer.consensus.digestReport() }]),
        onDivergence: ({ kind }) => { told.push([n, kind]) },
      },
      network: network => ({ ...network, subscribe: (topic, handler, accept) => network.subscribe(topic, message => { if (!isDeaf) handler(message) }, accept) }),
    }))
  }
  const [a, b] = running as [CrdtPeer, CrdtPeer]
  await peers.clock.advance(60_000)
  isDeaf = true
  await peers.done(a.consensus.logPin(pinOf(1)))
  await peers.clock.advance(1_000)
  isDeaf = false
  await peers.clock.advance(50_000)
  assert.deepEqual(await namesOf(b), [])
  await peers.clock.advance(50_000)
  assert.deepEqual(await namesOf(b), ['pin 1'])
  await peers.clock.advance(600_000)
  assert.deepEqual(told, [])
  await peers.stop()
})
