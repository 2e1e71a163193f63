import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pin } from '../../domain/pin.ts'
import { silentLoggers } from '../../platform/logger.ts'
import { memoryStore } from '../../platform/memory-store.ts'
import { noMetrics } from '../../platform/metrics.ts'
import type { Store } from '../../platform/store.ts'
import { virtualClock } from '../../platform/virtual-clock.ts'
import { FaultyStore } from './faulty-store.fixture.ts'
import { CrdtPeers, cidOf, namesOf, peerOf, pinOf, seededRandom, setOf, type CrdtPeer, type StartOptions } from './crdt-peers.fixture.ts'

const pinned = pinOf(1, { allocations: [peerOf(7)] })
const moved = { ...pinned, allocations: [peerOf(8)] }
const movedOn = { ...pinned, allocations: [peerOf(9)] }

/** Peers with one pin, each of which can change it while nobody else is there. */
class Cluster {
  readonly peers = new CrdtPeers(virtualClock())
  readonly stores: readonly Store[]

  private constructor (stores: readonly Store[]) { this.stores = stores }

  static make (count: number, pin = pinned): Promise<Cluster> { return Cluster.over(Array.from({ length: count }, () => memoryStore()), pin) }

  static async over (stores: readonly Store[], pin = pinned): Promise<Cluster> {
    const cluster = new Cluster(stores)
    const [first] = await cluster.startAll()
    await cluster.peers.done((first as CrdtPeer).consensus.logPin(pin))
    await cluster.peers.clock.advance(1_000)
    await cluster.peers.stop()
    return cluster
  }

  start (n: number, options: StartOptions = {}): Promise<CrdtPeer> { return this.peers.start(n, { ...options, store: this.stores[n] as Store }) }

  startAll (options: StartOptions = {}): Promise<CrdtPeer[]> { return Promise.all(this.stores.map((_, n) => this.start(n, options))) }

  /** What this peer does alone. */
  async alone (n: number, work: (consensus: CrdtPeer['consensus']) => Promise<void>): Promise<void> {
    const peer = await this.start(n)
    await this.peers.done(work(peer.consensus))
    await this.peers.stop()
  }

  /** Lets all peers meet; resolves with the names and allocations of the pins that all have after a minute. */
  async meet (): Promise<Array<[string, Pin['allocations']]>> {
    const all = await this.startAll()
    await this.peers.clock.advance(60_000)
    for (const peer of all) assert.deepEqual(await setOf(peer), await setOf(all[0] as CrdtPeer))
    const pins = (await Array.fromAsync((all[0] as CrdtPeer).consensus.pinset().list({}))).flat()
    assert.equal((await keysOf(this.stores[0] as Store, '/flotilla/suspects')).length, 0, 'nothing stays in doubt')
    return pins.map(({ name, allocations }) => [name, allocations])
  }
}

async function keysOf (store: Store, prefix: string): Promise<string[]> {
  return (await Array.fromAsync(store.keys({ gte: prefix }))).flat().filter(key => key.startsWith(prefix))
}

test('a move does not outlive the unpin of what it moves, and one peer takes it back for all', async () => {
  const cluster = await Cluster.make(4)
  await cluster.alone(0, consensus => consensus.logMove(pinned, moved))
  await cluster.alone(1, consensus => consensus.logUnpin(pinned))
  assert.deepEqual(await cluster.meet(), [])
  const nodes = (await keysOf(cluster.stores[3] as Store, '/c/b/')).filter(key => !key.includes('blocks'))
  assert.equal(nodes.length, 4, 'the pin, the move, the unpin and what takes the move back')
  await cluster.peers.stop()
})

test('moves of a move do not outlive the unpin either', async () => {
  const cluster = await Cluster.make(3)
  await cluster.alone(0, async consensus => {
    await consensus.logMove(pinned, moved)
    await consensus.settled()
    await consensus.logMove(moved, movedOn)
  })
  await cluster.alone(1, consensus => consensus.logUnpin(pinned))
  assert.deepEqual(await cluster.meet(), [])
  await cluster.peers.stop()
})

test('a pin that knew nothing of an unpin wins over it, as ever, and so does what moves it', async () => {
  const cluster = await Cluster.make(3)
  const again = { ...pinned, name: 'again' }
  await cluster.alone(0, async consensus => {
    await consensus.logPin(again)
    await consensus.settled()
    await consensus.logMove(again, { ...again, allocations: [peerOf(8)] })
  })
  await cluster.alone(1, consensus => consensus.logUnpin(pinned))
  assert.deepEqual(await cluster.meet(), [['again', [peerOf(8)]]])
  await cluster.peers.stop()
})

test('a pin that somebody makes beside a move that has to go stays', async () => {
  const cluster = await Cluster.make(4)
  await cluster.alone(0, consensus => consensus.logMove(pinned, moved))
  await cluster.alone(1, consensus => consensus.logUnpin(pinned))
  await cluster.alone(2, consensus => consensus.logPin({ ...pinned, name: 'again' }))
  assert.equal((await cluster.meet()).length, 1)
  await cluster.peers.stop()
  await cluster.alone(3, consensus => consensus.logUnpin(pinned))
  assert.deepEqual(await cluster.meet(), [], 'an unpin that knows of both removes both')
  await cluster.peers.stop()
})

test('an unpin of the pin that stood beside a move takes the move with it', async () => {
  const cluster = await Cluster.make(4)
  await cluster.alone(0, consensus => consensus.logMove(pinned, moved))
  await cluster.alone(1, consensus => consensus.logUnpin(pinned))
  await cluster.alone(2, consensus => consensus.logPin({ ...pinned, name: 'again' }))
  // These two have met, and know nothing of the move.
  await cluster.start(1)
  const two = await cluster.start(2)
  await cluster.peers.clock.advance(1_000)
  await cluster.peers.done(two.consensus.logUnpin(pinned))
  await cluster.peers.stop()
  assert.deepEqual(await cluster.meet(), [])
  await cluster.peers.stop()
})

test('what was found before a restart is done after it', async () => {
  const cluster = await Cluster.make(2)
  await cluster.alone(0, consensus => consensus.logMove(pinned, moved))
  await cluster.alone(1, consensus => consensus.logUnpin(pinned))
  const hesitant = { clock: cluster.peers.clock, random: { ...seededRandom(0), fraction: () => 0.9 }, loggers: silentLoggers, metrics: noMetrics }
  const met = await cluster.startAll({ platform: hesitant })
  await cluster.peers.clock.advance(5_000)
  for (const peer of met) assert.deepEqual(await namesOf(peer), [pinned.name], 'both have merged all')
  await cluster.peers.stop()
  assert.equal((await keysOf(cluster.stores[1] as Store, '/flotilla/suspects')).length, 1)
  const peer = await cluster.start(1)
  await cluster.peers.clock.advance(10_000)
  assert.deepEqual(await namesOf(peer), [])
  await cluster.peers.stop()
})

test('what a merge left in doubt that failed and was on disk all the same is looked at', async () => {
  for (let before = 0; before < 6; before++) {
    const store = new FaultyStore()
    const cluster = await Cluster.over([memoryStore(), store])
    await cluster.alone(0, consensus => consensus.logMove(pinned, moved))
    await cluster.alone(1, consensus => consensus.logUnpin(pinned))
    const peer = await cluster.start(1)
    // It has looked for what an earlier run left by then.
    await cluster.peers.clock.advance(10_000)
    await cluster.start(0)
    store.faults = [...Array<undefined>(before).fill(undefined), 'all']
    await cluster.peers.clock.advance(60_000)
    assert.deepEqual([await namesOf(peer), await keysOf(store, '/flotilla/suspects')], [[], []], `after ${before} batches`)
    await cluster.peers.stop()
  }
})

test('a disk that fails for long is told of once and tried less and less often, and at once when it takes writes again', async () => {
  const store = new FaultyStore()
  const cluster = await Cluster.over([memoryStore(), store])
  await cluster.alone(0, consensus => consensus.logMove(pinned, moved))
  await cluster.alone(1, consensus => consensus.logUnpin(pinned))
  const warnings: string[] = []
  const logger = { ...silentLoggers.component('crdt'), warn: (...entry: unknown[]) => { warnings.push(String(entry.at(-1))) } }
  const slow = { clock: cluster.peers.clock, random: { ...seededRandom(0), fraction: () => 0.9 }, loggers: { component: () => logger }, metrics: noMetrics }
  const peer = await cluster.start(1, { platform: slow })
  await cluster.start(0, { isFollower: true })
  await cluster.peers.clock.advance(5_000)
  store.isFull = true
  let looks = 0
  const keys = store.keys.bind(store)
  store.keys = range => {
    if (range.gt?.startsWith('/flotilla/suspects') === true) looks++
    return keys(range)
  }
  await cluster.peers.clock.advance(10 * 60_000)
  assert.equal(warnings.filter(text => text.includes('could not be taken back')).length, 1)
  assert.ok(looks > 9 && looks < 20, `${looks} looks within ten minutes`)
  store.isFull = false
  await cluster.peers.done(peer.consensus.logPin(pinOf(2)))
  await cluster.peers.clock.advance(10_000)
  assert.deepEqual(await namesOf(peer), ['pin 2'])
  await cluster.peers.stop()
})

test('a follower, whose changes nobody takes, takes nothing back', async () => {
  const cluster = await Cluster.make(2)
  await cluster.alone(0, consensus => consensus.logMove(pinned, moved))
  await cluster.alone(1, consensus => consensus.logUnpin(pinned))
  const followers = await cluster.startAll({ isFollower: true })
  await cluster.peers.clock.advance(60_000)
  for (const peer of followers) {
    assert.deepEqual(await namesOf(peer), [pinned.name])
    assert.deepEqual(await keysOf(peer.store, '/flotilla/suspects'), [], 'what was noted does not pile up')
  }
  await cluster.peers.stop()
})

test('a folder in which the Go program has merged a move learns anew that it is one', async () => {
  const cluster = await Cluster.make(2)
  await cluster.alone(0, consensus => consensus.logMove(pinned, moved))
  await cluster.alone(1, consensus => consensus.logUnpin(pinned))
  const [store] = cluster.stores as [Store]
  const elements = await keysOf(store, '/c/s/s/')
  const marked = (await store.getMany(elements)).map((value, i) => ({ key: elements[i] as string, length: value?.length })).filter(({ length }) => length !== 0)
  assert.equal(marked.length, 1)
  await store.batch([{ type: 'put', key: (marked[0] as { key: string }).key, value: new Uint8Array(0) }], { sync: true })
  const peer = await cluster.start(0)
  peer.consensus.repairSoon()
  await cluster.peers.clock.advance(1_000)
  await cluster.peers.stop()
  assert.deepEqual(await cluster.meet(), [])
  await cluster.peers.stop()
})

for (const batching of [{ maxSize: 0, maxAgeMs: 0 }, { maxSize: 100, maxAgeMs: 10_000 }]) {
  const how = batching.maxSize > 0 ? 'with batching' : 'without batching'

  test(`a move of what is unpinned at the same moment does nothing, ${how}`, async () => {
    const cluster = await Cluster.make(1)
    const { consensus } = await cluster.start(0, { batching })
    await cluster.peers.done(Promise.all([consensus.logUnpin(pinned), consensus.logMove(pinned, moved)]))
    assert.equal(await consensus.pinset().get(pinned.cid), undefined, 'while it waits for its delta')
    await cluster.peers.done(consensus.settled())
    assert.equal(await consensus.pinset().get(pinned.cid), undefined)
    assert.equal(consensus.inspect().unpublishedChanges, 0)
    await cluster.peers.stop()
    assert.equal((await keysOf(cluster.stores[0] as Store, '/flotilla/journal/')).length, 0)
  })

  test(`a move of a pin that is another one meanwhile does nothing, ${how}`, async () => {
    const cluster = await Cluster.make(2)
    const [a, b] = await cluster.startAll({ batching }) as [CrdtPeer, CrdtPeer]
    await cluster.peers.clock.advance(1_000)
    await cluster.peers.done(b.consensus.logPin({ ...pinned, name: 'other' }))
    await cluster.peers.done(b.consensus.settled())
    await cluster.peers.clock.advance(1_000)
    await cluster.peers.done(a.consensus.logMove(pinned, moved))
    await cluster.peers.done(a.consensus.settled())
    const found = await a.consensus.pinset().get(cidOf(1))
    assert.deepEqual([found?.name, found?.allocations], ['other', pinned.allocations])
    await cluster.peers.stop()
  })
}

/** The names that the changes after `sequence` tell, and the number of the last. */
async function changesAfter ({ consensus }: CrdtPeer, peers: CrdtPeers, sequence: number): Promise<{ names: Array<string | undefined>, last: number }> {
  const stop = new AbortController()
  const reading = Array.fromAsync(consensus.changes().read({ signal: stop.signal }))
  await peers.clock.advance(100)
  stop.abort()
  const changes = (await peers.done(reading)).flat().filter(change => change.sequence > sequence)
  return { names: changes.map(change => change.pin?.name), last: changes.at(-1)?.sequence ?? sequence }
}

for (const [what, other] of [['is another one', { ...pinned, name: 'other' }], ['is gone', undefined]] as const) {
  test(`who has seen a move is told when it comes to nothing because the pin ${what}`, async () => {
    const cluster = await Cluster.make(2)
    const a = await cluster.start(0, { batching: { maxSize: 100, maxAgeMs: 10_000 } })
    const b = await cluster.start(1)
    await cluster.peers.clock.advance(1_000)
    await cluster.peers.done(a.consensus.logMove(pinned, moved))
    await cluster.peers.done(other === undefined ? b.consensus.logUnpin(pinned) : b.consensus.logPin(other))
    await cluster.peers.clock.advance(1_000)
    const before = await changesAfter(a, cluster.peers, 0)
    assert.equal(before.names.at(-1), other?.name)
    assert.deepEqual((await a.consensus.pinset().get(pinned.cid))?.allocations, moved.allocations, 'readers see the move')
    await cluster.peers.done(a.consensus.settled())
    assert.equal((await a.consensus.pinset().get(pinned.cid))?.name, other?.name)
    assert.deepEqual((await changesAfter(a, cluster.peers, before.last)).names, [other?.name])
    await cluster.peers.stop()
  })
}

test('a pin and its move in one delta are one pin of the user', async () => {
  const cluster = await Cluster.make(1, pinOf(2))
  const { consensus, store } = await cluster.start(0, { batching: { maxSize: 100, maxAgeMs: 10_000 } })
  await cluster.peers.done(consensus.logPin(pinned))
  await cluster.peers.done(consensus.logMove(pinned, moved))
  assert.deepEqual((await consensus.pinset().get(pinned.cid))?.allocations, moved.allocations, 'while both wait for their delta')
  await cluster.peers.done(consensus.settled())
  assert.deepEqual((await consensus.pinset().get(pinned.cid))?.allocations, moved.allocations)
  assert.ok((await store.getMany(await keysOf(store, '/c/s/s/'))).every(value => value?.length === 0), 'no element is marked')
  await cluster.peers.stop()
})

test('a move survives the crash that comes before its delta', async () => {
  const cluster = await Cluster.make(1)
  const { consensus, network } = await cluster.start(0, { batching: { maxSize: 100, maxAgeMs: 10_000 } })
  await cluster.peers.done(consensus.logMove(pinned, moved))
  await network.stop()
  cluster.peers.running.delete(0)
  const peer = await cluster.start(0)
  await cluster.peers.done(peer.consensus.settled())
  assert.deepEqual((await peer.consensus.pinset().get(pinned.cid))?.allocations, moved.allocations)
  assert.deepEqual((await peer.store.getMany(await keysOf(peer.store, '/c/s/s/'))).map(value => value?.length ?? 0).toSorted((a, b) => a - b), [0, 56], 'the move is marked')
  await cluster.peers.stop()
})
