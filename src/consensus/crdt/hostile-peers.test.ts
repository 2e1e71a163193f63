import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import * as dagPb from '@ipld/dag-pb'
import fc from 'fast-check'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import { PinMessage } from '../../codec/messages.ts'
import type { Platform } from '../../platform/lifecycle.ts'
import { virtualClock } from '../../platform/virtual-clock.ts'
import { BarePeer, tombstone } from './bare-peer.fixture.ts'
import { decodeBroadcast, encodeBroadcast } from './broadcast-message.ts'
import { CrdtPeers, namesOf, peerOf, pinOf, seededRandom, type CrdtPeer } from './crdt-peers.fixture.ts'
import type { DeltaNode } from './delta.ts'
import { keyOfPin } from './pin-values.ts'

async function scene (): Promise<{ peers: CrdtPeers, a: CrdtPeer, other: BarePeer }> {
  const peers = new CrdtPeers(virtualClock())
  const a = await peers.start(0)
  return { peers, a, other: await BarePeer.start(peers, 1) }
}

function cidOfBytes (bytes: Uint8Array): CID {
  return CID.createV1(0x70, createDigest(0x12, createHash('sha256').update(bytes).digest()))
}

const health = ({ consensus }: CrdtPeer): { missing: number, stored: number, holes: number, isDirty: boolean } => {
  const { unmerged, holes, isDirty } = consensus.inspect()
  return { ...unmerged, holes, isDirty }
}
const well = { missing: 0, stored: 0, holes: 0, isDirty: false }

test('messages that cannot be read are dropped', async () => {
  const { peers, a, other } = await scene()
  const random = seededRandom(1)
  for (const length of [0, 1, 33, 34, 36, 100, 5_000]) await other.say(random.bytes(length))
  await other.say(new Uint8Array(2_000_000))
  await other.say(Uint8Array.of(0x12, 0x20, ...random.bytes(32)))
  await peers.done(a.consensus.logPin(pinOf(1)))
  assert.deepEqual(await namesOf(a), ['pin 1'])
  await peers.stop()
})

test('what is wrong is counted each time and told once of each peer', async () => {
  const peers = new CrdtPeers(virtualClock())
  const counts = new Map<string, number>()
  const lines: string[] = []
  const note = (level: string) => (fields: object | string, message?: string): void => { if (level !== 'debug') lines.push(`${level} ${(fields as { peer?: string }).peer} ${message ?? ''}`) }
  const platform: Platform = {
    clock: peers.clock,
    random: seededRandom(1),
    loggers: { component: () => ({ debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') }) },
    metrics: { counter: name => ({ add: amount => { counts.set(name, (counts.get(name) ?? 0) + amount) } }), gauge: () => ({ set: () => {} }) },
  }
  const [trusted, stranger] = [peerOf(1), peerOf(2)]
  await peers.start(0, { platform, trustedPeers: [trusted] })
  const other = await BarePeer.start(peers, 1)
  const untrusted = await BarePeer.start(peers, 2)
  for (let n = 0; n < 20; n++) {
    await other.say(Uint8Array.of(0xff, n))
    const unreadable = dagPb.encode({ Data: Uint8Array.of(0xff, 0xff, n), Links: [] })
    other.blocks.set(cidOfBytes(unreadable).toString(), unreadable)
    const elements = [{ key: keyOfPin(pinOf(n)), id: '', value: Uint8Array.of(0xff) }, { key: '/no key', id: '', value: Uint8Array.of(1) }]
    await other.tell([cidOfBytes(unreadable), other.node(1, [], [], { elements, tombstones: [{ key: keyOfPin(pinOf(n)), id: '', value: new Uint8Array(0) }] }).cid])
    const good = other.node(1, [], [pinOf(100 + n)])
    await other.say(encodeBroadcast([{ cid: good.cid, block: unreadable }]))
    await untrusted.tell([untrusted.node(1, [], [pinOf(200 + n)]).cid])
    await peers.clock.advance(100)
  }
  const counted = ['unreadable_messages', 'untrusted_messages', 'bad_nodes', 'left_out_elements'].map(name => counts.get(`ipfscluster_crdt_${name}`))
  assert.deepEqual(counted, [20, 20, 40, 60])
  const told = lines.map(line => line.split(' ').slice(0, 2).join(' '))
  assert.deepEqual(told.toSorted(), [`error ${trusted}`, `info ${stranger}`, `warn ${trusted}`, `warn ${trusted}`, `warn ${trusted}`].toSorted(), lines.join('\n'))
  await peers.stop()
})

test('any bytes are either heads or malformed', () => fc.assert(fc.property(fc.uint8Array({ maxLength: 120 }), bytes => {
  try {
    for (const { cid } of decodeBroadcast(bytes)) assert.equal(cid.code, 0x70)
  } catch (error) {
    assert.equal((error as { code: string }).code, 'INVALID_WIRE_DATA')
  }
})))

test('the old form of a message is taken', async () => {
  const { peers, a, other } = await scene()
  await other.say(other.node(1, [], [pinOf(1)]).cid.bytes)
  await other.say(other.node(1, [], [pinOf(2)]).cid.multihash.bytes)
  await peers.clock.advance(1_000)
  assert.deepEqual((await namesOf(a)).toSorted(), ['pin 1', 'pin 2'])
  await peers.stop()
})

test('a block that is not that of its head is not taken for it', async () => {
  const { peers, a, other } = await scene()
  const good = other.node(1, [], [pinOf(1)])
  const forged = other.node(1, [], [pinOf(2)])
  await other.say(encodeBroadcast([{ cid: good.cid, block: forged.bytes }]))
  await peers.clock.advance(1_000)
  assert.deepEqual(await namesOf(a), ['pin 1'])
  assert.deepEqual(health(a), well)
  await peers.stop()
})

test('a node that cannot be read counts as empty, and what follows it is merged', async () => {
  const { peers, a, other } = await scene()
  const garbage = dagPb.encode({ Data: Uint8Array.of(0xff, 0xff, 0xff), Links: [] })
  other.blocks.set(cidOfBytes(garbage).toString(), garbage)
  const noDag = Uint8Array.of(1, 2, 3)
  other.blocks.set(cidOfBytes(noDag).toString(), noDag)
  const bad = [garbage, noDag].map(bytes => ({ cid: cidOfBytes(bytes) }) as DeltaNode)
  const below = other.node(1, [], [pinOf(1)])
  const above = other.node(3, [...bad, below], [pinOf(2)])
  await other.tell([above.cid])
  await peers.clock.advance(1_000)
  assert.deepEqual((await namesOf(a)).toSorted(), ['pin 1', 'pin 2'])
  assert.deepEqual(health(a), well)
  assert.deepEqual(a.consensus.inspect().heads, [above.cid.toString()])
  await other.tell(bad.map(({ cid }) => cid))
  await peers.clock.advance(1_000)
  assert.deepEqual(health(a), well)
  await peers.stop()
})

test('elements that are no pins of their key are left out, the others count', async () => {
  const { peers, a, other } = await scene()
  const value = PinMessage.encodeProtobuf(pinOf(1))
  const node = other.node(1, [], [pinOf(2)], {
    elements: [
      { key: keyOfPin(pinOf(3)), id: '', value },
      { key: keyOfPin(pinOf(4)), id: '', value: Uint8Array.of(0xff) },
      { key: '/not a key', id: '', value },
    ],
    tombstones: [{ key: keyOfPin(pinOf(5)), id: '', value: new Uint8Array(0) }, { key: '/../..', id: '/X', value: new Uint8Array(0) }],
  })
  await other.tell([node.cid])
  await peers.clock.advance(1_000)
  assert.deepEqual(await namesOf(a), ['pin 2'])
  assert.equal(a.consensus.pinset().count(), 1)
  await peers.done(a.consensus.logPin(pinOf(3)))
  await peers.clock.advance(1_000)
  assert.deepEqual((await namesOf(a)).toSorted(), ['pin 2', 'pin 3'])
  await peers.stop()
})

test('a priority beyond all measure does not make later changes unreadable', async () => {
  const { peers, a, other } = await scene()
  const b = await peers.start(2)
  await other.tell([other.node(2 ** 52, [], [pinOf(1)]).cid, other.node(2 ** 52 + 2, [], [pinOf(2)]).cid])
  await peers.clock.advance(1_000)
  for (const n of [3, 4]) {
    await peers.done(a.consensus.logPin(pinOf(n)))
    await peers.clock.advance(100)
  }
  await peers.done(b.consensus.logUnpin(pinOf(3)))
  await peers.clock.advance(100)
  for (const peer of [a, b]) assert.deepEqual((await namesOf(peer)).toSorted(), ['pin 1', 'pin 4'])
  await peers.stop()
})

test('a change made here wins over what it is made of, also where a node follows one of higher priority', async () => {
  const { peers, a, other } = await scene()
  const high = other.node(500, [], [pinOf(1)])
  await other.tell([other.node(2, [high], [pinOf(2)]).cid])
  await peers.clock.advance(1_000)
  await peers.done(a.consensus.logPin(pinOf(1, { name: 'anew' })))
  await peers.clock.advance(1_000)
  assert.deepEqual((await namesOf(a)).toSorted(), ['anew', 'pin 2'])
  await peers.stop()
})

test('a node as large as the Go program may write it is merged', async () => {
  const { peers, a, other } = await scene()
  const pinned = other.node(1, [], [pinOf(1), pinOf(2)])
  const dying = Array.from({ length: 25_000 }, (_, n) => ({ ...tombstone(pinOf(1), pinned), id: `${pinned.blockId.slice(0, -4)}${n.toString(32).padStart(4, '2').toUpperCase().replaceAll(/[0189]/g, 'A')}` }))
  const large = other.node(2, [pinned], [], { tombstones: [...dying, tombstone(pinOf(1), pinned)] })
  assert.ok(large.bytes.length > 3_000_000, `${large.bytes.length} bytes`)
  await other.tell([large.cid])
  await peers.clock.advance(10_000)
  assert.deepEqual([await namesOf(a), health(a)], [['pin 2'], well])
  await peers.stop()
})

test('heads by the thousand do not make nodes that nobody takes: one after the other they are followed', async () => {
  const { peers, a, other } = await scene()
  const heads = Array.from({ length: 2_500 }, (_, n) => other.node(1, [], [pinOf(n)]))
  for (let at = 0; at < heads.length; at += 500) {
    await other.tell(heads.slice(at, at + 500).map(({ cid }) => cid))
    await peers.clock.advance(10_000)
  }
  assert.equal(a.consensus.inspect().headCount, 2_500)
  const counts: number[] = []
  for (let n = 0; n < 4; n++) {
    await peers.done(a.consensus.logPin(pinOf(3_000 + n)))
    await peers.clock.advance(1_000)
    counts.push(a.consensus.inspect().headCount)
  }
  assert.deepEqual(counts, [1_501, 502, 1, 1])
  const b = await peers.start(2)
  await peers.clock.advance(120_000)
  assert.equal((await namesOf(b)).length, 2_504)
  assert.deepEqual(b.consensus.inspect().heads, a.consensus.inspect().heads)
  await peers.stop()
})

test('a peer that tells of a thousand nodes that nobody has does not keep others waiting', async () => {
  const { peers, a, other } = await scene()
  const honest = await BarePeer.start(peers, 2)
  const random = seededRandom(2)
  const nowhere = Array.from({ length: 4_000 }, () => CID.createV1(0x70, createDigest(0x12, random.bytes(32))))
  await other.tell(nowhere)
  await other.tell(nowhere)
  await peers.clock.advance(1_000)
  assert.ok(health(a).missing <= 1_000, `${health(a).missing} are searched for`)
  const below = honest.node(1, [], [pinOf(1)])
  await honest.tell([honest.node(2, [below], [pinOf(2)]).cid])
  await peers.clock.advance(500)
  assert.deepEqual((await namesOf(a)).toSorted(), ['pin 1', 'pin 2'])
  await peers.stop()
})

test('heads that nobody has are forgotten', async () => {
  const { peers, a, other } = await scene()
  const random = seededRandom(3)
  await other.tell(Array.from({ length: 20 }, () => CID.createV1(0x70, createDigest(0x12, random.bytes(32)))))
  await peers.clock.advance(1_000)
  assert.equal(health(a).missing, 20)
  await peers.clock.advance(5 * 60_000)
  assert.deepEqual(health(a), well)
  await peers.stop()
})

test('what follows a node that nobody has waits, then is merged without it; and it is merged when it appears', async () => {
  const { peers, a, other } = await scene()
  const first = other.node(1, [], [pinOf(1)])
  const lost = other.node(2, [first], [pinOf(2)])
  const above = other.node(3, [lost], [pinOf(3)])
  other.blocks.delete(lost.cid.toString())
  await other.tell([above.cid])
  await peers.clock.advance(60_000)
  assert.deepEqual(await namesOf(a), [])
  assert.deepEqual(health(a), { missing: 1, stored: 1, holes: 0, isDirty: false })
  assert.ok(a.consensus.inspect().stalledMs > 50_000)
  await peers.clock.advance(20 * 60_000)
  assert.deepEqual(await namesOf(a), ['pin 3'])
  assert.deepEqual(health(a), { missing: 0, stored: 0, holes: 1, isDirty: true })
  // Somebody comes who has it.
  const finder = await BarePeer.start(peers, 2)
  finder.blocks.set(lost.cid.toString(), lost.bytes)
  await peers.clock.advance(5_000)
  assert.deepEqual((await namesOf(a)).toSorted(), ['pin 1', 'pin 2', 'pin 3'])
  assert.deepEqual(a.consensus.inspect().heads, [above.cid.toString()])
  assert.deepEqual(health(a), { missing: 0, stored: 0, holes: 0, isDirty: true }, 'until the next look over the set')
  await peers.clock.advance(3 * 60 * 60_000)
  assert.deepEqual((await namesOf(a)).toSorted(), ['pin 1', 'pin 2', 'pin 3'])
  assert.deepEqual(health(a), well)
  assert.deepEqual(a.consensus.inspect().heads, [above.cid.toString()])
  await peers.stop()
})

test('nodes that nobody has do not keep those waiting that a peer has by now', async () => {
  const { peers, a, other } = await scene()
  const nodes = Array.from({ length: 60 }, (_, n) => {
    const below = other.node(2 * n + 1, [], [pinOf(2 * n)])
    return { below, above: other.node(2 * n + 2, [below], [pinOf(2 * n + 1)]) }
  })
  for (const { below } of nodes) other.blocks.delete(below.cid.toString())
  for (const { above } of nodes) await other.tell([above.cid])
  await peers.clock.advance(120_000)
  assert.deepEqual([health(a).missing, await namesOf(a)], [60, []])
  for (const { below } of nodes.slice(-10)) other.blocks.set(below.cid.toString(), below.bytes)
  await peers.clock.advance(90_000)
  assert.equal((await namesOf(a)).length, 20)
  await peers.stop()
})

test('a head that nobody has is no hole after a minute because somebody follows it meanwhile', async () => {
  const { peers, a, other } = await scene()
  const lost = other.node(1, [], [pinOf(1)])
  other.blocks.delete(lost.cid.toString())
  await other.tell([lost.cid])
  await peers.clock.advance(20_000)
  await other.tell([other.node(2, [lost], [pinOf(2)]).cid])
  await peers.clock.advance(4 * 60_000)
  assert.deepEqual(health(a), { missing: 1, stored: 1, holes: 0, isDirty: false })
  await peers.clock.advance(20 * 60_000)
  assert.deepEqual([await namesOf(a), health(a)], [['pin 2'], { missing: 0, stored: 0, holes: 1, isDirty: true }])
  await peers.stop()
})

test('thousands of nodes in one row, and side by side, come in whatever order and through a restart', async () => {
  const { peers, a, other } = await scene()
  let last = other.node(1, [], [pinOf(0)])
  const root = last
  for (let n = 1; n < 300; n++) last = other.node(n + 1, [last], n % 2 === 0 ? [pinOf(n)] : [], n % 2 === 0 ? {} : { tombstones: [tombstone(pinOf(n - 1), last)] })
  const side = Array.from({ length: 1_300 }, (_, n) => other.node(2, [root], [pinOf(10_000 + n)]))
  const joined = other.node(3_000, [last, ...side], [pinOf(20_000)])
  other.blocks.delete(root.cid.toString())
  await other.tell([joined.cid, ...side.slice(0, 100).map(({ cid }) => cid)])
  await peers.clock.advance(60_000)
  assert.deepEqual(await namesOf(a), [])
  assert.deepEqual(health(a), { missing: 1, stored: 1_600, holes: 0, isDirty: false })
  await peers.done(a.stop())

  other.blocks.set(root.cid.toString(), root.bytes)
  const again = await peers.start(0, { store: a.store })
  await peers.clock.advance(10_000)
  assert.deepEqual(health(again), well)
  assert.equal(again.consensus.pinset().count(), 1_301)
  assert.deepEqual(again.consensus.inspect().heads, [joined.cid.toString()])
  assert.deepEqual((await Array.fromAsync(a.store.keys({ gte: '/flotilla/walk/', lt: '/flotilla/walk0' }))).flat(), ['/flotilla/walk/summary'])
  await peers.stop()
})
