import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeBroadcast, encodeBroadcast } from '../consensus/crdt/broadcast-message.ts'
import { peerOf } from '../consensus/crdt/crdt-peers.fixture.ts'
import { encodeDeltaNode } from '../consensus/crdt/delta.ts'
import { MemoryNetworks } from '../platform/memory-network.ts'
import { virtualClock } from '../platform/virtual-clock.ts'
import { goWire } from './go-wire.ts'

const topic = 'heads'
const { cid, bytes } = encodeDeltaNode({ elements: [], tombstones: [], priority: 1 }, [])

test('who speaks as the Go program hears and tells heads without their nodes, and opens and answers none of our own protocols', async () => {
  const clock = virtualClock()
  const networks = new MemoryNetworks(clock)
  const [ours, go] = [networks.join(peerOf(1)), goWire(networks.join(peerOf(2)))]
  const heard: string[] = []
  for (const network of [ours, go]) {
    await network.start(new AbortController().signal)
    network.handle('/flotilla/test', () => {})
    network.handle('/test', () => {})
    network.subscribe(topic, ({ from, data }) => { heard.push(`${network.self === go.self ? 'go' : 'ours'} from ${from === go.self ? 'go' : 'ours'}: ${decodeBroadcast(data)[0]?.block?.length ?? 'no node'}`) })
  }
  await ours.publish(topic, encodeBroadcast([{ cid, block: bytes }]))
  await go.publish(topic, encodeBroadcast([{ cid, block: bytes }]))
  await clock.advance(1_000)
  assert.deepEqual(heard.toSorted(), ['go from go: no node', 'go from ours: no node', 'ours from go: no node', `ours from ours: ${bytes.length}`])
  assert.deepEqual([ours.speaks(go.self, '/flotilla/test'), go.speaks(ours.self, '/flotilla/test'), ours.speaks(go.self, '/test')], [false, false, true])
  await assert.rejects(go.open(ours.self, '/flotilla/test', {}), { code: 'PEER_UNREACHABLE' })
})
