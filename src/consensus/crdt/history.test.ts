import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ClusterError } from '../../domain/errors.ts'
import { sleep, type Clock } from '../../platform/clock.ts'
import type { Platform } from '../../platform/lifecycle.ts'
import { silentLoggers } from '../../platform/logger.ts'
import { MemoryNetworks } from '../../platform/memory-network.ts'
import { memoryStore } from '../../platform/memory-store.ts'
import { noMetrics } from '../../platform/metrics.ts'
import type { PeerStream } from '../../platform/network.ts'
import { virtualClock } from '../../platform/virtual-clock.ts'
import { peerOf, pinOf, seededRandom } from './crdt-peers.fixture.ts'
import { encodeDeltaNode, type DeltaNode } from './delta.ts'
import { fetchHistory, historyProtocol, serveHistory, type HistoryRequest } from './history.ts'
import { replicaKeys } from './keys.ts'
import { keyOfPin } from './pin-values.ts'

const keys = replicaKeys('/c')
const nameOf = (node: DeltaNode): string => node.blockId.slice(1)

/** A peer that serves the nodes, or does with streams what it is told to, and one that asks. */
async function scene (nodes: readonly DeltaNode[], answer?: (stream: PeerStream, clock: Clock) => void) {
  const clock = virtualClock()
  const platform: Platform = { clock, random: seededRandom(1), loggers: silentLoggers, metrics: noMetrics }
  const networks = new MemoryNetworks(clock)
  const [server, client] = [networks.join(peerOf(0)), networks.join(peerOf(1))]
  const signal = new AbortController().signal
  await server.start(signal)
  await client.start(signal)
  const store = memoryStore(nodes.map(node => ({ key: keys.block(nameOf(node)), value: node.bytes })))
  if (answer === undefined) serveHistory({ network: server, store, keys, platform })
  else server.handle(historyProtocol, stream => { answer(stream, clock) })
  const ask = async (request: HistoryRequest, isMerged: (node: string) => boolean = () => false): Promise<string[]> => {
    const asked = Array.fromAsync(fetchHistory(client, peerOf(0), request, { platform, signal, isMerged })).then(found => found.map(({ node }) => node))
    let isDone = false
    asked.finally(() => { isDone = true }).catch(() => {})
    for (let turns = 0; !isDone && turns < 100; turns++) await clock.advance(1_000)
    return asked
  }
  return { ask, clock, client }
}

function node (priority: number, parents: readonly DeltaNode[]): DeltaNode {
  return encodeDeltaNode({ elements: [{ key: keyOfPin(pinOf(priority)), id: '', value: new Uint8Array(300) }], tombstones: [], priority }, parents.map(({ cid }) => cid))
}

function chain (length: number): DeltaNode[] {
  const nodes: DeltaNode[] = []
  for (let n = 1; n <= length; n++) nodes.push(node(n, nodes.slice(-1)))
  return nodes
}

test('a node comes with all that it follows, down to what is had', async () => {
  const nodes = chain(500)
  const { ask } = await scene(nodes)
  const last = nodes.at(-1) as DeltaNode
  assert.deepEqual(await ask({ wanted: [nameOf(last)], had: [] }), nodes.toReversed().map(nameOf))
  assert.deepEqual(await ask({ wanted: [nameOf(last)], had: [nameOf(nodes[490] as DeltaNode)] }), nodes.slice(491).toReversed().map(nameOf))
  assert.deepEqual(await ask({ wanted: [nameOf(node(9, []))], had: [] }), [], 'what the peer does not have')
})

test('no more is taken than is needed, though the peer does not know what is merged here', async () => {
  const nodes = chain(2_000)
  const { ask } = await scene(nodes)
  const merged = new Set(nodes.slice(0, 1_900).map(nameOf))
  const here = (name: string): boolean => merged.has(name)
  const last = nameOf(nodes.at(-1) as DeltaNode)
  assert.deepEqual(await ask({ wanted: [last], had: [] }, here), nodes.slice(1_900).toReversed().map(nameOf))
  // What the peer does not have is needed still, but does not come.
  const found = await ask({ wanted: [last, nameOf(node(9, []))], had: [] }, here)
  assert.deepEqual(found.slice(0, 100), nodes.slice(1_900).toReversed().map(nameOf))
  assert.ok(found.length < 500)
})

test('of large nodes that are not needed fewer are taken', async () => {
  const nodes: DeltaNode[] = []
  for (let n = 1; n <= 40; n++) nodes.push(encodeDeltaNode({ elements: [{ key: keyOfPin(pinOf(n)), id: '', value: new Uint8Array(1024 * 1024) }], tombstones: [], priority: n }, nodes.slice(-1).map(({ cid }) => cid)))
  const { ask } = await scene(nodes)
  const last = nodes.at(-1) as DeltaNode
  const found = await ask({ wanted: [nameOf(last), nameOf(node(9, []))], had: [] }, () => true)
  assert.ok(found.length >= 8 && found.length <= 10, `${found.length} of 1 MiB each`)
})

test('each node comes once, however many ways lead to it', async () => {
  const root = node(1, [])
  const sides = Array.from({ length: 30 }, (_, n) => encodeDeltaNode({ elements: [], tombstones: [], priority: 100 + n }, [root.cid]))
  const top = node(500, [...sides, root])
  const { ask } = await scene([root, ...sides, top])
  const found = await ask({ wanted: [nameOf(top), nameOf(root)], had: [] })
  assert.equal(found.length, 32)
  assert.equal(new Set(found).size, 32)
})

const framed = (block: Uint8Array, length = block.length): Uint8Array => {
  const header = Buffer.alloc(4)
  header.writeUInt32BE(length)
  return Buffer.concat([header, block])
}

const refused = async (answer: (stream: PeerStream) => void): Promise<string> => {
  const { ask } = await scene([], answer)
  try {
    await ask({ wanted: [1, 3].map(priority => nameOf(node(priority, []))), had: [] })
    return 'nothing'
  } catch (error) {
    return error instanceof ClusterError ? error.code : String(error)
  }
}

test('answers that were not asked for, never end or are cut off are left', async () => {
  const send = (...parts: Uint8Array[]) => (stream: PeerStream): void => {
    void (async () => {
      for (const part of parts) await stream.write(part)
      await stream.closeWrite()
    })().catch(() => {})
  }
  const asked = node(1, [])
  assert.equal(await refused(send(framed(node(2, []).bytes))), 'INVALID_WIRE_DATA')
  assert.equal(await refused(send(framed(asked.bytes), framed(asked.bytes))), 'INVALID_WIRE_DATA', 'the same once more')
  assert.equal(await refused(send(framed(asked.bytes, 2 ** 31))), 'INVALID_WIRE_DATA')
  assert.equal(await refused(send(framed(asked.bytes, 10_000))), 'INVALID_WIRE_DATA')
  assert.equal(await refused(() => {}), 'TIMED_OUT')
  assert.equal(await refused(stream => { stream.reset() }), 'CANCELLED')
  assert.equal(await refused(send()), 'nothing')
})

test('nodes may come in pieces of any size', async () => {
  const nodes = chain(20)
  const bytes = Buffer.concat(nodes.toReversed().map(({ bytes }) => framed(bytes)))
  for (const size of [1, 3, 100, 5_000]) {
    const { ask } = await scene([], stream => {
      void (async () => {
        for (let at = 0; at < bytes.length; at += size) await stream.write(bytes.subarray(at, at + size))
        await stream.closeWrite()
      })().catch(() => {})
    })
    assert.deepEqual(await ask({ wanted: [nameOf(nodes.at(-1) as DeltaNode)], had: [] }), nodes.toReversed().map(nameOf))
  }
})

test('a peer that sends a node now and then is left, one that is slow with much is not', async () => {
  const nodes = chain(100)
  const wanted = [nameOf(nodes.at(-1) as DeltaNode)]
  const every = (pauseMs: number, atOnce: number) => async (stream: PeerStream, clock: Clock): Promise<void> => {
    for (const [n, { bytes }] of nodes.toReversed().entries()) {
      if (n % atOnce === 0) await sleep(clock, pauseMs)
      await stream.write(framed(bytes))
    }
    await stream.closeWrite()
  }
  const answered = async (answer: (stream: PeerStream, clock: Clock) => Promise<void>): Promise<number | string> => {
    const { ask } = await scene([], (stream, clock) => { answer(stream, clock).catch(() => {}) })
    return ask({ wanted, had: [] }).then(found => found.length, (error: ClusterError) => error.code)
  }
  assert.equal(await answered(every(15_000, 1)), 'TIMED_OUT')
  assert.equal(await answered(every(500, 1)), 'TIMED_OUT')
  assert.equal(await answered(every(12_000, 50)), 100)
  assert.equal(await answered(every(300, 1)), 100)
})

test('a request that is too long or cut off is not answered', async () => {
  const clock = virtualClock()
  const platform: Platform = { clock, random: seededRandom(1), loggers: silentLoggers, metrics: noMetrics }
  const networks = new MemoryNetworks(clock)
  const [server, client] = [networks.join(peerOf(0)), networks.join(peerOf(1))]
  await server.start(new AbortController().signal)
  await client.start(new AbortController().signal)
  serveHistory({ network: server, store: memoryStore(), keys, platform })
  for (const request of [Buffer.alloc(0), Buffer.alloc(5, 255), Buffer.alloc(100_000), Buffer.from([0, 0, 0, 1, 1])]) {
    const stream = await client.open(peerOf(0), historyProtocol, {})
    const answered = (async () => {
      await stream.write(request)
      await stream.closeWrite()
      return (await Array.fromAsync(stream.incoming)).length
    })().catch((error: ClusterError) => error.code)
    await clock.advance(1_000)
    assert.equal(await answered, 'CANCELLED')
  }
})

test('who opens many streams keeps no other peer from an answer, and is told of once', async () => {
  const clock = virtualClock()
  const lines: string[] = []
  let refused = 0
  const logger = { ...silentLoggers.component('crdt'), warn: (_: object | string, text?: string) => { lines.push(String(text)) } }
  const platform: Platform = { clock, random: seededRandom(1), loggers: { component: () => logger }, metrics: { ...noMetrics, counter: () => ({ add: count => { refused += count } }) } }
  const networks = new MemoryNetworks(clock)
  const [server, greedy, client] = [networks.join(peerOf(0)), networks.join(peerOf(1)), networks.join(peerOf(2))]
  const { signal } = new AbortController()
  for (const network of [server, greedy, client]) await network.start(signal)
  const [only] = chain(1) as [DeltaNode]
  serveHistory({ network: server, store: memoryStore([{ key: keys.block(nameOf(only)), value: only.bytes }]), keys, platform })
  for (let n = 0; n < 20; n++) await greedy.open(peerOf(0), historyProtocol, {})
  await clock.advance(1)
  assert.equal(refused, 18)
  const asked = Array.fromAsync(fetchHistory(client, peerOf(0), { wanted: [nameOf(only)], had: [] }, { platform, signal, isMerged: () => false }))
  await clock.advance(1_000)
  assert.deepEqual((await asked).map(({ node }) => node), [nameOf(only)])
  await clock.advance(30_000)
  for (let n = 0; n < 5; n++) {
    const stream = await greedy.open(peerOf(0), historyProtocol, {})
    await stream.write(Buffer.alloc(5, 255))
    await stream.closeWrite()
    await clock.advance(1_000)
  }
  assert.deepEqual([refused, lines.length], [23, 1])
})

test('who opens streams and says nothing does not keep others from an answer for long', async () => {
  const [only] = chain(1) as [DeltaNode]
  const { ask, clock, client } = await scene([only])
  const silent = await Promise.all(Array.from({ length: 20 }, () => client.open(peerOf(0), historyProtocol, {})))
  await clock.advance(1_000)
  await assert.rejects(ask({ wanted: [nameOf(only)], had: [] }))
  await clock.advance(60_000)
  assert.deepEqual(await ask({ wanted: [nameOf(only)], had: [] }), [nameOf(only)])
  assert.ok(silent.every(stream => stream.signal.aborted))
})
