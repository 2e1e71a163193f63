import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StatusRange } from '../codec/status-ranges.ts'
import { ClusterError } from '../domain/errors.ts'
import { defaultPinOptions } from '../domain/pin.ts'
import { statusName, TrackerStatus, type GlobalPinInfo } from '../domain/status.ts'
import { cidOf } from '../tracker/tracker.fixture.ts'
import { ComposedPeers, type ComposedPeer } from './composed-peers.fixture.ts'

const statusesOf = ({ peerMap }: GlobalPinInfo): Record<string, string> => Object.fromEntries(Object.values(peerMap).map(({ peername, status }) => [peername, statusName(status)]))

async function withPeers (count: number, work: (world: ComposedPeers) => Promise<void>, options: Parameters<typeof ComposedPeers.start>[1] = {}): Promise<void> {
  const world = await ComposedPeers.start(count, options)
  try {
    await work(world)
  } finally {
    await world.stop()
  }
}

/** Lets a pin that one peer has logged come to all and be pinned where it shall. */
async function settle (world: ComposedPeers): Promise<void> { await world.clock.advance(5_000) }

async function listed (world: ComposedPeers, from: ComposedPeer, filter = 0): Promise<GlobalPinInfo[]> {
  return (await world.during(Array.fromAsync(from.cluster.statusAll(filter)))).flat()
}

test('a pin of one peer is held by as many as wanted, and every peer tells the same', () => withPeers(3, async world => {
  const cid = cidOf('two of three')
  const pin = await world.during(world.peer(0).cluster.pin(cid, { ...defaultPinOptions, name: 'two', replicationFactorMin: 2, replicationFactorMax: 2 }))
  assert.equal(pin.allocations?.length, 2)
  await settle(world)
  const expected = Object.fromEntries(world.peers.map(({ id }, i) => [`peer${i}`, pin.allocations?.includes(id) === true ? 'pinned' : 'remote']))
  for (const peer of world.peers) {
    const status = await world.during(peer.cluster.status(cid))
    assert.deepEqual(statusesOf(status), expected)
    assert.equal(status.name, 'two')
    const all = await listed(world, peer)
    assert.deepEqual(all.map(statusesOf), [expected])
    assert.equal(peer.node.pins.has(cid), pin.allocations?.includes(peer.id))
  }
}))

test('a pin for all is listed with all peers, in one order', () => withPeers(3, async world => {
  for (let i = 0; i < 600; i++) await world.during(world.peer(i % 3).cluster.pin(cidOf(i), defaultPinOptions))
  await settle(world)
  const lists = []
  for (const peer of world.peers) lists.push(await listed(world, peer))
  assert.equal(lists[0]?.length, 600)
  assert.deepEqual(lists[1]?.map(({ cid }) => cid), lists[0]?.map(({ cid }) => cid))
  assert.ok(lists.flat().every(info => Object.keys(info.peerMap).length === 3))
  assert.deepEqual((await listed(world, world.peer(0), TrackerStatus.error)), [])
}))

test('what peers tell by ranges of the pinset is what they tell one by one', () => withPeers(3, async world => {
  for (let i = 0; i < 300; i++) await world.during(world.peer(i % 3).cluster.pin(cidOf(i), { ...defaultPinOptions, name: `pin ${i}`, replicationFactorMin: i % 4 - 1 || 1, replicationFactorMax: i % 4 - 1 || 1 }))
  await settle(world)
  // Lost without the peer's doing.
  for (const cid of [...world.peer(1).node.pins.keys()].slice(0, 20)) world.peer(1).node.pins.delete(cid)
  // With a filter peers are asked for each status.
  const all = Object.values(TrackerStatus).reduce((bits, status) => bits | status, 0)
  const lines = await listed(world, world.peer(0))
  assert.deepEqual(lines, await listed(world, world.peer(0), all))
  assert.deepEqual(new Set(lines.flatMap(info => Object.values(statusesOf(info)))), new Set(['pinned', 'remote', 'unexpectedly_unpinned']))
}))

test('a listing that another peer asks for range by range is not held for one that stops asking', () => withPeers(2, async world => {
  for (let i = 0; i < 3; i++) await world.during(world.peer(0).cluster.pin(cidOf(i), defaultPinOptions))
  await settle(world)
  const { tracker } = world.peer(1).peer
  const listed = tracker.listed.bind(tracker)
  let held = 0
  tracker.listed = async function * (options) {
    held++
    try {
      for await (const step of listed(options)) for (const status of step) yield [status]
    } finally {
      held--
    }
  }
  const leave = new AbortController()
  const { promise: ever } = Promise.withResolvers<void>()
  async function * asked (): AsyncGenerator<StatusRange> {
    yield { last: 'A', digest: new Uint8Array(32) }
    await ever
  }
  const ask = (): Promise<unknown> => Array.fromAsync(world.peer(0).peer.calls.statusRanges(world.peer(1).id, asked(), { signal: leave.signal })).catch((error: unknown) => error)
  const answers = Array.from({ length: 10 }, ask)
  await world.clock.advance(1_000)
  assert.equal(held, 10)
  await world.clock.advance(5_000)
  assert.equal(held, 4)
  await world.clock.advance(60_000)
  assert.equal(held, 0)
  answers.push(ask())
  await world.clock.advance(1_000)
  assert.equal(held, 1)
  leave.abort()
  await world.during(Promise.all(answers))
  await world.clock.advance(1)
  assert.equal(held, 0, 'it goes with the call')
}))

test('a peer that is gone: an error while its ping counts, absent afterwards', () => withPeers(3, async world => {
  const cid = cidOf('a')
  await world.during(world.peer(0).cluster.pin(cid, defaultPinOptions))
  await settle(world)
  await world.peer(2).stop()
  const asker = world.peer(0).cluster
  assert.equal(statusesOf(await world.during(asker.status(cid))).peer2, 'cluster_error')
  const seen: GlobalPinInfo[] = []
  await assert.rejects(world.during((async () => { for await (const infos of asker.statusAll(0)) seen.push(...infos) })()), new RegExp(`^ClusterError: ${world.peer(2).id}: `))
  assert.deepEqual(seen.map(statusesOf), [{ peer0: 'pinned', peer1: 'pinned', peer2: 'cluster_error' }])
  const peers = await world.during(Array.fromAsync(asker.peers()))
  assert.equal(peers.length, 3)
  assert.match(peers.find(({ id }) => id === world.peer(2).id)?.error ?? '', /failed to dial/)

  await world.clock.advance(60_000)
  assert.deepEqual((await listed(world, world.peer(0))).map(statusesOf), [{ peer0: 'pinned', peer1: 'pinned' }])
  assert.equal((await world.during(Array.fromAsync(asker.peers()))).length, 2)
}))

test('a peer whose IPFS node is down lists its pins in error, and the list says that it is not whole', () => withPeers(2, async world => {
  const cid = cidOf('a')
  await world.during(world.peer(0).cluster.pin(cid, defaultPinOptions))
  await settle(world)
  world.peer(1).node.isDown = true
  const seen: GlobalPinInfo[] = []
  await assert.rejects(world.during((async () => { for await (const infos of world.peer(0).cluster.statusAll(0)) seen.push(...infos) })()), ClusterError)
  assert.deepEqual(seen.map(statusesOf), [{ peer0: 'pinned', peer1: 'cluster_error' }])
}))

test('a peer whose IPFS node hangs still says who it is', () => withPeers(2, async world => {
  world.peer(1).isNodeHung = true
  const peers = await world.during(Array.fromAsync(world.peer(0).cluster.peers()))
  const hung = peers.find(({ id }) => id === world.peer(1).id)
  assert.equal(hung?.error, '')
  assert.match(hung?.ipfs.error ?? '', /has not answered within 5 s/)
}))

test('a list of peers whose caller goes away ends, and nothing of it fails unheard', () => withPeers(3, async world => {
  for (const asked of world.peers) {
    for (const peer of world.peers) peer.isNodeHung = true
    const gone = new AbortController()
    const listing = assert.rejects(Array.fromAsync(asked.cluster.peers({ signal: gone.signal })), { code: 'CANCELLED' })
    await world.clock.advance(100)
    gone.abort(new ClusterError('CANCELLED', 'the caller has gone away'))
    await world.clock.advance(100)
    await listing
  }
}))

test('recovering all queues again what any peer has lost', () => withPeers(3, async world => {
  const cids = [cidOf(1), cidOf(2)]
  for (const cid of cids) await world.during(world.peer(0).cluster.pin(cid, defaultPinOptions))
  await settle(world)
  world.peer(1).node.pins.delete(cids[0]!)
  world.peer(2).node.pins.delete(cids[0]!)
  await world.clock.advance(60_000)
  const recovered = await world.during(Array.fromAsync(world.peer(0).cluster.recoverAll()))
  assert.deepEqual(recovered.map(({ cid }) => cid), [cids[0]])
  assert.deepEqual(Object.keys(statusesOf(recovered[0]!)).toSorted(), ['peer1', 'peer2'])
  await settle(world)
  assert.ok(world.peer(1).node.pins.has(cids[0]!))
  world.peer(2).node.pins.delete(cids[1]!)
  await world.clock.advance(60_000)
  const one = await world.during(world.peer(0).cluster.recover(cids[1]!))
  assert.deepEqual(Object.keys(statusesOf(one)).toSorted(), ['peer0', 'peer1', 'peer2'])
  await settle(world)
  assert.ok(world.peer(2).node.pins.has(cids[1]!))
}))

test('a peer that does not trust the asking one is left out of all lists that only trusted ones may see', () => withPeers(3, async world => {
  const cid = cidOf('a')
  await world.during(world.peer(0).cluster.pin(cid, defaultPinOptions))
  await settle(world)
  const asker = world.peer(1).cluster
  assert.deepEqual(Object.keys(statusesOf(await world.during(asker.status(cid)))).toSorted(), ['peer0', 'peer1'])
  assert.deepEqual((await listed(world, world.peer(1))).map(info => Object.keys(statusesOf(info)).toSorted()), [['peer0', 'peer1']])
  assert.deepEqual(Object.keys((await world.during(asker.collectGarbage())).peerMap).toSorted(), [world.peer(0).id, world.peer(1).id].toSorted())
  // Who somebody is may be asked by all.
  assert.equal((await world.during(Array.fromAsync(asker.peers()))).filter(({ error }) => error === '').length, 3)
}, { trustedPeers: (ids, index) => index === 2 ? [ids[0]!] : 'all' }))

test('a follower asks only itself for statuses, and refuses to write', () => withPeers(2, async world => {
  const asker = world.peer(0).cluster
  await assert.rejects(asker.pin(cidOf('a'), defaultPinOptions), /this peer is configured to be in follower mode. Write operations are disabled/)
  await assert.rejects(asker.unpin(cidOf('a')), /follower mode/)
  assert.deepEqual(statusesOf(await world.during(asker.status(cidOf('a')))), { peer0: 'unpinned' })
  assert.equal((await world.during(Array.fromAsync(asker.peers()))).length, 2)
}, { settings: { followerMode: true } }))

test('garbage is collected on one peer after the other, and the failure of one counts for it alone', () => withPeers(3, async world => {
  world.peer(0).node.content.set(cidOf('garbage'), 'good')
  world.peer(1).node.isDown = true
  const { peerMap } = await world.during(world.peer(0).cluster.collectGarbage())
  assert.deepEqual(peerMap[world.peer(0).id]?.keys.map(({ cid }) => cid), [cidOf('garbage')])
  assert.notEqual(peerMap[world.peer(1).id]?.error, '')
  assert.equal(peerMap[world.peer(1).id]?.peername, 'peer1')
  assert.deepEqual(peerMap[world.peer(2).id], { peer: world.peer(2).id, peername: 'peer2', keys: [], error: '' })
}))

test('the graph shows all members with their nodes, and those that do not answer without', () => withPeers(3, async world => {
  const whole = await world.during(world.peer(0).cluster.connectGraph())
  const ids = world.peers.map(({ id }) => id)
  assert.deepEqual(Object.values(whole.idToPeername).toSorted(), ['peer0', 'peer1', 'peer2'])
  for (const id of ids) assert.deepEqual(whole.clusterLinks[id]?.toSorted(), ids.filter(other => other !== id).toSorted())
  assert.equal(Object.keys(whole.clusterToIpfs).length, 3)
  assert.deepEqual(Object.values(whole.clusterTrustLinks), [true, true, true])

  await world.peer(2).stop()
  const rest = await world.during(world.peer(0).cluster.connectGraph())
  assert.deepEqual(rest.clusterLinks[ids[2]!], [])
  assert.equal(rest.idToPeername[ids[2]!], undefined)
  assert.deepEqual(rest.clusterLinks[ids[0]!], [ids[1]])
}))

test('a pinset that stays another one than that of another peer is an alert, a metric that only our peers know is none', () => withPeers(3, async world => {
  const { consensus } = world.peer(1).peer
  const { heads } = consensus.inspect()
  assert.deepEqual(heads, [])
  const honest = consensus.digestReport()
  consensus.digestReport = () => JSON.stringify({ ...JSON.parse(honest) as object, digest: 'other', pins: 7 })
  await world.clock.advance(2 * 60_000)
  const [alert, ...others] = world.peer(0).cluster.alerts()
  assert.deepEqual([alert?.name, alert?.peer, alert?.value, others], ['flotilla:divergence', world.peer(1).id, 'wrong set: 7 pins there, 0 here', []])
  await world.peer(2).vanish()
  await world.clock.advance(2 * 60_000)
  assert.deepEqual(world.peer(0).cluster.alerts().filter(({ peer }) => peer === world.peer(2).id).map(({ name }) => name).toSorted(), ['freespace', 'ping', 'pinqueue', 'tag:group'])
}))

test('IPFS nodes are connected to those of all other peers, each once', () => withPeers(3, async world => {
  await world.clock.advance(60_000)
  for (const peer of world.peers) assert.equal(new Set(peer.swarm).size, 2)
  for (const peer of world.peers) assert.equal(peer.swarm.length, 2)
}))

test('peers cannot be removed from a set that has no list of members', () => withPeers(2, async world => {
  await assert.rejects(world.during(world.peer(0).cluster.removePeer(world.peer(1).id)), /crdt consensus component cannot remove peers/)
}))

test('a peer is added by asking it who it is', () => withPeers(2, async world => {
  const added = await world.during(world.peer(0).cluster.addPeer(world.peer(1).id))
  assert.equal(added.peername, 'peer1')
  assert.deepEqual(added.clusterPeers, [world.peer(0).id, world.peer(1).id].toSorted())
  await world.peer(1).stop()
  await assert.rejects(world.during(world.peer(0).cluster.addPeer(world.peer(1).id)), /failed to dial/)
}))
