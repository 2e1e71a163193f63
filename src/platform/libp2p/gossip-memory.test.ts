import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../clock.ts'
import { BandwidthCounter } from './bandwidth.ts'
import { Dht } from './dht.ts'
import { makeHost } from './host.ts'
import { lonelyGossip, testIdentity, testPlatform, testSettings } from './network.fixture.ts'

interface Cache {
  readonly msgs: ReadonlyMap<string, { readonly message: { readonly data: Uint8Array } }>
  put (id: { readonly msgId: Uint8Array, readonly msgIdStr: string }, message: object, isValidated: boolean): boolean
  shift (): void
}
interface Names { readonly size: number, has (id: string): boolean, put (id: string, value?: string): boolean }
interface Insides { readonly mcache: Cache, readonly seenCache: Names, readonly fastMsgIdCache: Names }

/** What the gossip of a host keeps inside. */
async function insides (): Promise<Insides> {
  const { privateKey } = await testIdentity()
  const host = await makeHost({ privateKey, settings: testSettings, bandwidth: new BandwidthCounter(systemClock), peerRouting: new Dht(), platform: testPlatform([]), onStranger: () => {}, onLocalPeer: () => {} })
  const gossip = lonelyGossip()
  gossip.start(host)
  gossip.stop()
  return host.services.pubsub as unknown as Insides
}

const mebibyte = 1024 * 1024
const keep = ({ mcache }: Insides, number: number, data: Uint8Array): boolean => mcache.put({ msgId: Buffer.from(`${number}`), msgIdStr: `${number}` }, { topic: 't', data }, true)
const kept = ({ mcache }: Insides): Uint8Array[] => [...mcache.msgs.values()].map(({ message }) => message.data)
const sum = (numbers: number[]): number => numbers.reduce((total, number) => total + number, 0)

test('messages are kept for those who ask up to a size, the latest of them', async () => {
  const gossip = await insides()
  for (let i = 0; i < 500; i++) assert.equal(keep(gossip, i, new Uint8Array(mebibyte)), true)
  const bytes = sum(kept(gossip).map(({ length }) => length))
  assert.ok(bytes <= 6 * 17 * mebibyte, `${bytes} bytes`)
  for (let i = 484; i < 500; i++) assert.ok(gossip.mcache.msgs.has(`${i}`), `${i}`)
  assert.equal(keep(gossip, 499, new Uint8Array(1)), false)
  for (let i = 1_000; i < 201_000; i++) keep(gossip, i, new Uint8Array(1))
  assert.ok(gossip.mcache.msgs.size <= 100_000, `${gossip.mcache.msgs.size} messages`)
})

test('messages that are few are kept as long as ever, and not the packets that they came in', async () => {
  const gossip = await insides()
  for (let i = 0; i < 1_000; i++) keep(gossip, i, new Uint8Array(64 * 1024).subarray(1_000, 1_000 + i % 100))
  assert.ok(sum([...new Set(kept(gossip).map(({ buffer }) => buffer))].map(({ byteLength }) => byteLength)) < mebibyte)
  for (let heartbeat = 0; heartbeat < 5; heartbeat++) gossip.mcache.shift()
  assert.equal(gossip.mcache.msgs.size, 1_000)
  gossip.mcache.shift()
  assert.equal(gossip.mcache.msgs.size, 0)
})

test('of a flood of messages the names of the latest are remembered', async () => {
  const { seenCache, fastMsgIdCache } = await insides()
  for (const names of [seenCache, fastMsgIdCache]) {
    for (let i = 0; i < 300_000; i++) {
      assert.equal(names.put(`${i}`), false)
      assert.ok(names.size <= 250_000)
    }
    assert.deepEqual([names.has('49999'), names.has('99999'), names.has('299999')], [false, true, true])
    assert.equal(names.put('299999'), true)
  }
})
