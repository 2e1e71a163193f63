import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { MsgpackWriter } from '../codec/msgpack.ts'
import type { Consensus } from '../consensus/consensus.ts'
import { ClusterError } from '../domain/errors.ts'
import { multiaddressPeer } from '../domain/multiaddress.ts'
import type { Metric } from '../domain/metric.ts'
import { peerIdFromBytes } from '../domain/peer-id.ts'
import type { Multiaddress, PeerId, PeerInformation } from '../domain/peer.ts'
import type { Platform } from '../platform/lifecycle.ts'
import { silentLoggers } from '../platform/logger.ts'
import { loneNetwork } from '../platform/lone-network.ts'
import { noMetrics } from '../platform/metrics.ts'
import type { Network } from '../platform/network.ts'
import { virtualClock } from '../platform/virtual-clock.ts'
import { seededRandom } from '../tracker/tracker.fixture.ts'
import { methods } from '../rpc/methods.ts'
import type { PeerCalls } from '../rpc/peer-calls.ts'
import { Connections } from './connections.ts'
import { greetPeers } from './greetings.ts'
import type { IpfsIdentity } from './ipfs-identity.ts'
import { join } from './join.ts'
import { meetMembers } from './meet-members.ts'
import { Membership } from './peers.ts'
import { linkSwarms } from './swarm-links.ts'

const peerOf = (n: number | string): PeerId => peerIdFromBytes(Uint8Array.from([0, 36, 8, 1, 18, 32, ...createHash('sha256').update(String(n)).digest()]))
const self = peerOf('self')
const addressOf = (peer: PeerId, port = 1): Multiaddress => `/ip4/127.0.0.1/tcp/${port}/p2p/${peer}` as Multiaddress
const through = (relay: PeerId, peer: PeerId): Multiaddress => `${addressOf(relay)}/p2p-circuit/p2p/${peer}` as Multiaddress

/** A network of which each test says who can be reached: dials of others hang. */
function world (reachable: readonly PeerId[]) {
  const clock = virtualClock()
  const platform: Platform = { clock, random: seededRandom(3), loggers: silentLoggers, metrics: noMetrics }
  const known = new Map<PeerId, Multiaddress[]>()
  const connected: PeerId[] = []
  const dials: PeerId[] = []
  const addresses: Multiaddress[] = []
  const listeners = new Set<(peer: PeerId, isConnected: boolean) => void>()
  const network: Network = {
    ...loneNetwork(self),
    peers: () => connected,
    knownPeers: () => [...known.keys()],
    knownAddresses: peer => known.get(peer) ?? [],
    remember: async addresses => {
      for (const address of addresses) {
        const peer = multiaddressPeer(address)
        if (peer !== undefined) known.set(peer, [...known.get(peer) ?? [], address])
      }
    },
    connect: async (address, { signal }) => {
      addresses.push(address)
      const peer = multiaddressPeer(address) ?? peerOf(address)
      dials.push(peer)
      if (!reachable.includes(peer)) await new Promise((_resolve, reject) => { signal?.addEventListener('abort', () => { reject(signal.reason as Error) }) })
      connected.push(peer)
      for (const listener of listeners) listener(peer, true)
      return peer
    },
    onPeer: listener => {
      listeners.add(listener)
      return () => { listeners.delete(listener) }
    },
  }
  const connections = (peerAddresses: readonly Multiaddress[] = [], lowWater = 100) => new Connections({ network, platform, settings: { peerAddresses, dialPeerTimeoutMs: 3_000, connectionManager: { lowWater } } })
  const during = async <T>(promise: Promise<T>, limitMs = 3_600_000): Promise<T> => {
    let isSettled = false
    promise.then(() => { isSettled = true }, () => { isSettled = true })
    await clock.until(() => isSettled, limitMs)
    return promise
  }
  return { clock, platform, network, known, connected, dials, addresses, connections, during }
}

function informationOf (peer: PeerId, changes: Partial<PeerInformation> = {}): PeerInformation {
  return { id: peer, addresses: [addressOf(peer)], clusterPeers: [], clusterPeersAddresses: [], version: '1.1.6', commit: '', rpcProtocolVersion: '', error: '', ipfs: { id: undefined, addresses: [`/ip4/10.0.0.1/tcp/4001/p2p/${peer}` as Multiaddress], error: '' }, peername: `name of ${peer}`, ...changes }
}

test('a start connects to three peers, the configured before the saved ones, past those that cannot be reached', async () => {
  const peers = [0, 1, 2, 3, 4, 5].map(peerOf)
  const { connections, connected, during } = world([1, 2, 4, 5].map(peerOf))
  const made = await during(connections([peers[0], peers[1]].map(peer => addressOf(peer!))).bootstrap([2, 3, 4, 5].map(n => addressOf(peerOf(n))), {}))
  assert.deepEqual(made.toSorted(), [1, 2, 4].map(peerOf).toSorted())
  assert.deepEqual(connected.length, 3)
})

test('an address that names no peer is dialled as it is', async () => {
  const address = '/dnsaddr/cluster.example' as Multiaddress
  const { connections, during } = world([peerOf(address), peerOf(1)])
  assert.deepEqual((await during(connections([address]).bootstrap([addressOf(peerOf(1))], {}))).toSorted(), [peerOf(address), peerOf(1)].toSorted())
})

test('so is it again and again by a peer that is alone: at its start it may have had no network', async () => {
  const address = '/dnsaddr/cluster.example' as Multiaddress
  const reachable: PeerId[] = []
  const { clock, connections, connected, dials, during } = world(reachable)
  const maker = connections([address])
  assert.deepEqual(await during(maker.bootstrap([], {})), [])
  const stop = new AbortController()
  const keeping = maker.keep(stop.signal)
  reachable.push(peerOf(address))
  await clock.advance(10_000)
  assert.deepEqual(connected, [peerOf(address)])
  const before = dials.length
  await clock.advance(60_000)
  assert.equal(dials.length, before)
  stop.abort()
  await keeping
})

test('a start does not wait long for peers that are all gone', async () => {
  const { clock, connections, during } = world([])
  const before = clock.monotonic()
  assert.deepEqual(await during(connections().bootstrap([0, 1, 2].map(n => addressOf(peerOf(n))), {})), [])
  assert.equal(clock.monotonic() - before, 3_000)
})

test('lost peers are connected to again within half a minute, up to the low water', async () => {
  const { clock, known, connections, connected } = world([0, 1, 2, 3].map(peerOf))
  for (const n of [0, 1, 2, 3]) known.set(peerOf(n), [addressOf(peerOf(n))])
  connected.push(peerOf(9))
  const stop = new AbortController()
  const keeping = connections([], 3).keep(stop.signal)
  await clock.advance(29_000)
  assert.equal(connected.length, 1)
  await clock.advance(2_000)
  assert.equal(connected.length, 3)
  await clock.advance(120_000)
  assert.equal(connected.length, 3)
  stop.abort()
  await keeping
})

test('a peer without any connection does not wait so long', async () => {
  const { clock, known, connections, connected, dials } = world([0].map(peerOf))
  known.set(peerOf(1), [addressOf(peerOf(1))])
  const stop = new AbortController()
  const keeping = connections().keep(stop.signal)
  await clock.advance(10_000)
  assert.deepEqual(dials, [peerOf(1)])
  known.set(peerOf(0), [addressOf(peerOf(0))])
  await clock.advance(10_000)
  assert.deepEqual(connected, [peerOf(0)])
  stop.abort()
  await keeping
})

/** A peer that has one connection and looks for others that it knows, of which none can be reached at first. */
function looking (gone: readonly PeerId[]) {
  const reachable: PeerId[] = []
  const { clock, known, connections, connected, dials } = world(reachable)
  connected.push(peerOf('present'))
  for (const peer of gone) known.set(peer, [addressOf(peer)])
  const stop = new AbortController()
  const keeping = connections().keep(stop.signal)
  return {
    clock,
    known,
    reachable,
    connected,
    async dialsWithin (ms: number): Promise<number> {
      const before = dials.length
      await clock.advance(ms)
      return dials.length - before
    },
    async end (): Promise<void> {
      stop.abort()
      await clock.advance(3_000)
      await keeping
    },
  }
}

test('of many peers that are gone for good none keeps a lost one waiting', async () => {
  const { clock, known, reachable, connected, dialsWithin, end } = looking(Array.from({ length: 800 }, (_, n) => peerOf(n)))
  await clock.advance(3_600_000)
  const dials = await dialsWithin(60_000)
  assert.ok(dials <= 200, `${dials} dials in a minute`)
  known.set(peerOf('lost'), [addressOf(peerOf('lost'))])
  reachable.push(peerOf('lost'))
  await clock.advance(120_000)
  assert.ok(connected.includes(peerOf('lost')))
  await end()
})

test('who could not be reached for days is tried every hour, for ever: halves of a cluster know no other way', async () => {
  const { clock, reachable, connected, dialsWithin, end } = looking([peerOf('apart')])
  const early = await dialsWithin(600_000)
  assert.ok(early >= 10, `${early} dials in ten minutes`)
  await clock.advance(3 * 24 * 3_600_000)
  const late = await dialsWithin(24 * 3_600_000)
  assert.ok(late >= 22 && late <= 25, `${late} dials in a day`)
  reachable.push(peerOf('apart'))
  await clock.advance(3_700_000)
  assert.ok(connected.includes(peerOf('apart')))
  await end()
})

test('a configured peer is connected to from time to time although there are enough others', async () => {
  const { clock, known, connections, connected } = world([0, 9].map(peerOf))
  connected.push(peerOf(5), peerOf(6))
  known.set(peerOf(9), [addressOf(peerOf(9))])
  const stop = new AbortController()
  const keeping = connections([addressOf(peerOf(9))], 2).keep(stop.signal)
  await clock.advance(299_000)
  assert.ok(!connected.includes(peerOf(9)))
  await clock.advance(2_000)
  assert.ok(connected.includes(peerOf(9)))
  stop.abort()
  await keeping
})

test('a peer of which more addresses are known than are tried is looked for at those that were told last', async () => {
  const { connections, known, addresses, during } = world([])
  known.set(peerOf(0), Array.from({ length: 40 }, (_, port) => addressOf(peerOf(0), port)))
  await during(connections().connectSome([peerOf(0)], 1, {}))
  assert.deepEqual(addresses, Array.from({ length: 16 }, (_, i) => addressOf(peerOf(0), 39 - i)))
})

test('what the operator has said of a peer is said again from time to time: others may have taken its place', async () => {
  const { clock, connections, known, connected } = world([9].map(peerOf))
  const stop = new AbortController()
  connected.push(peerOf(9))
  const keeping = connections([addressOf(peerOf(9), 7)]).keep(stop.signal)
  known.set(peerOf(9), [1, 2, 3].map(port => addressOf(peerOf(9), port)))
  await clock.advance(301_000)
  assert.ok(known.get(peerOf(9))?.includes(addressOf(peerOf(9), 7)))
  stop.abort()
  await keeping
})

test('who connects is asked who it is, and its own addresses are kept, not those of others that it names', async () => {
  const { clock, platform, network, known } = world([0].map(peerOf))
  const answered: string[] = []
  const stop = new AbortController()
  const greeting = greetPeers({
    network,
    platform,
    calls: { id: async peer => informationOf(peer, { id: peerOf('another'), addresses: [addressOf(peer, 5), addressOf(peerOf(7)), through(peerOf(8), peer), through(peer, peerOf(7))] }) },
    answered: information => { answered.push(information.id) },
    monitor: { hears: () => false, hasTold: () => false },
  }, stop.signal)
  await network.connect(addressOf(peerOf(0)), {})
  await clock.settle()
  assert.deepEqual(answered, [peerOf(0)])
  assert.deepEqual([...known], [[peerOf(0), [addressOf(peerOf(0), 5), through(peerOf(8), peerOf(0))]]])
  stop.abort()
  await greeting
})

test('who has answered is asked again until it tells by itself that it lives, as long as it is connected, and all have their turn', async () => {
  const peers = Array.from({ length: 80 }, (_, n) => peerOf(n))
  const { clock, platform, network, connected } = world(peers)
  const answers = new Map<PeerId, number>()
  const told = new Set<PeerId>()
  const stop = new AbortController()
  const greeting = greetPeers({
    network,
    platform,
    calls: { id: async peer => informationOf(peer) },
    answered: ({ id }) => { answers.set(id, (answers.get(id) ?? 0) + 1) },
    monitor: { hears: () => false, hasTold: (_, peer) => told.has(peer) },
  }, stop.signal)
  for (const peer of peers) {
    await network.connect(addressOf(peer), {})
    await clock.settle()
  }
  await clock.advance(100_000)
  assert.equal(answers.size, 80)
  for (const count of answers.values()) assert.ok(count > 6, `${count} answers in 100 s`)
  told.add(peerOf(0))
  connected.splice(connected.indexOf(peerOf(1)), 1)
  const [first, second, third] = [0, 1, 2].map(n => answers.get(peerOf(n)))
  await clock.advance(100_000)
  assert.deepEqual([answers.get(peerOf(0)), answers.get(peerOf(1))], [first, second])
  assert.notEqual(answers.get(peerOf(2)), third)
  stop.abort()
  await greeting
})

test('who did not answer when it connected is asked again while it says that it is there for longer than is believed', async () => {
  const { clock, platform, network } = world([0, 1].map(peerOf))
  let isThere = false
  const answered: PeerId[] = []
  const stop = new AbortController()
  const greeting = greetPeers({
    network,
    platform,
    calls: {
      id: async peer => {
        if (!isThere) throw new ClusterError('PEER_UNREACHABLE', 'not yet')
        return informationOf(peer)
      },
    },
    answered: ({ id }) => { answered.push(id) },
    monitor: { hears: (_, peer) => peer === peerOf(0), hasTold: () => false },
  }, stop.signal)
  for (const peer of [0, 1].map(peerOf)) await network.connect(addressOf(peer), {})
  await clock.settle()
  isThere = true
  await clock.advance(30_000)
  assert.deepEqual(answered, [peerOf(0), peerOf(0), peerOf(0)])
  stop.abort()
  await greeting
})

test('members that are only heard of are found through others and connected to, and tried again later when that fails', async () => {
  const { clock, platform, network, known, connected, dials, connections } = world([1].map(peerOf))
  connected.push(peerOf(0))
  const stop = new AbortController()
  const maker = connections()
  const meeting = meetMembers({
    network,
    platform,
    calls: { id: async peer => informationOf(peer, { clusterPeersAddresses: [1, 2, 3].map(n => addressOf(peerOf(n))) }) },
    members: async () => [self, peerOf(0), peerOf(1), peerOf(2)],
    connect: (peers, signal) => maker.connectSome(peers, peers.length, { signal }),
    enough: 100,
  }, stop.signal)
  await clock.advance(4_000)
  assert.ok(connected.includes(peerOf(1)))
  // Not a member: nobody but another peer has named it.
  assert.ok(!known.has(peerOf(3)))
  await clock.advance(60_000)
  const tries = dials.filter(peer => peer === peerOf(2)).length
  assert.ok(tries >= 2 && tries <= 3, `${tries} tries within a minute`)
  stop.abort()
  await clock.advance(5_000)
  await meeting
})

test('of two members that hear of each other one connects, the other one only when that does not come', async () => {
  const others = Array.from({ length: 60 }, (_, n) => peerOf(n))
  const { clock, platform, network, known, dials, connections } = world(others)
  for (const peer of others) known.set(peer, [addressOf(peer)])
  const stop = new AbortController()
  const maker = connections()
  const meeting = meetMembers({ network, platform, calls: { id: async peer => informationOf(peer) }, members: async () => [self, ...others], connect: (peers, signal) => maker.connectSome(peers, peers.length, { signal }), enough: 100 }, stop.signal)
  await clock.advance(1_000)
  const mine = others.filter(peer => peer > self)
  assert.ok(mine.length > 0 && mine.length < others.length)
  assert.deepEqual(dials.toSorted(), mine.toSorted())
  await clock.advance(5_000)
  assert.deepEqual(dials.toSorted(), others.toSorted())
  stop.abort()
  await clock.advance(5_000)
  await meeting
})

test('what a peer says of itself in a cluster of a thousand has room in an answer, however many addresses of each are known', async () => {
  const { network, platform } = world([])
  const members = Array.from({ length: 1_000 }, (_, i) => peerOf(i))
  const known = (peer: PeerId): Multiaddress[] => Array.from({ length: 32 }, (_, port) => `${addressOf(peer, port)}/p2p-circuit/p2p/${peer}` as Multiaddress)
  const membership = new Membership({
    self,
    peername: 'a',
    network: { ...network, knownAddresses: known },
    consensus: { peers: async () => members } as unknown as Consensus,
    ipfsIdentity: { now: async () => ({ id: undefined, addresses: [], error: '' }) } as unknown as IpfsIdentity,
    calls: {} as PeerCalls,
    clock: platform.clock,
    answered: () => {},
    vacate: async () => {},
  })
  const information = await membership.self({})
  assert.deepEqual(information.clusterPeersAddresses?.filter(address => address.endsWith(members[0] as PeerId)), known(members[0] as PeerId).slice(-8))
  const writer = new MsgpackWriter()
  methods.id.reply.write(writer, information)
  assert.ok(writer.sizeBytes < methods.id.reply.maxBytes, `${writer.sizeBytes} bytes`)
})

test('joining asks to be taken in, knows the other peer at once and tells the metrics', async () => {
  const { clock, platform, network, during } = world([0].map(peerOf))
  const recorded: Metric[] = []
  const asked: string[] = []
  const monitor = { latest: () => [], record: (metric: Metric) => { recorded.push(metric) } } as unknown as Parameters<typeof join>[0]['monitor']
  const parts: Parameters<typeof join>[0] = {
    network,
    platform,
    monitor,
    pingIntervalMs: 15_000,
    dialTimeoutMs: 3_000,
    calls: { addPeer: async (peer, added) => { asked.push(`${peer} ${added}`); return informationOf(added) } },
    sendMetrics: async () => { asked.push('metrics') },
  }
  assert.equal(await during(join(parts, addressOf(peerOf(0)), {})), peerOf(0))
  assert.deepEqual(asked, [`${peerOf(0)} ${self}`, 'metrics'])
  assert.deepEqual(recorded.map(({ name, peer, expire }) => [name, peer, expire - clock.now()]), [['ping', peerOf(0), 30_000]])
  assert.equal(await during(join(parts, addressOf(self), {})), undefined)
  await assert.rejects(during(join(parts, addressOf(peerOf(1)), {})), (error: unknown) => error instanceof ClusterError && error.code === 'PEER_UNREACHABLE' && /^failed to dial .*: no connection within 3000 ms$/.test(error.message))
})

test('the nodes of members are connected once, those that cannot be asked for again later, those that come back anew', async () => {
  const { clock, platform } = world([])
  const linked: string[] = []
  const asked: PeerId[] = []
  let members = [self, peerOf(0), peerOf(1)]
  const stop = new AbortController()
  const linking = linkSwarms({
    self,
    platform,
    delayMs: 30_000,
    members: async () => members,
    calls: {
      id: async peer => {
        asked.push(peer)
        if (peer === peerOf(1)) throw new ClusterError('PEER_UNREACHABLE', 'gone')
        return informationOf(peer)
      },
    },
    ipfs: { connectSwarm: async addresses => { linked.push(...addresses) } },
  }, stop.signal)
  await clock.advance(29_000)
  assert.deepEqual(asked, [])
  await clock.advance(58_000)
  assert.equal(linked.length, 1)
  assert.equal(asked.filter(peer => peer === peerOf(1)).length, 2)
  members = [self]
  await clock.advance(5_000)
  members = [self, peerOf(0)]
  await clock.advance(5_000)
  assert.equal(linked.length, 2)
  stop.abort()
  await clock.advance(5_000)
  await linking
})
