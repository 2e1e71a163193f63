import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Key } from 'interface-datastore'
import { peerIdToBytes } from '../../domain/peer-id.ts'
import type { PeerId } from '../../domain/peer.ts'
import { frame, readFrames } from '../bitswap/frames.ts'
import { DhtRecords } from './dht-records.ts'
import { selectIpnsRecord, validateIpnsRecord } from './ipns-record.ts'
import { connectedNetworks, until, type TestNetwork } from './network.fixture.ts'

/** Made by the reference's library (boxo 0.39) with a throw-away key: valid until 2125, or only until 2020. */
const name = '12D3KooWRawPbxPtP1eZaJpumGnyWX2DcUyd3RQnydr3eAto4Az7' as PeerId
const rsaName = 'Qmagt5c6M4trcDKvEWyoX3dSS9LSch5vmV8zvu3Hi2Vt7k' as PeerId
const both = Buffer.from('0a342f697066732f516d554e4c4c73504143437a31764c7851566b5871714c5835523158333435717166486273663637687641334e6e12404e888dcac8703bd76d72ce2b1be2a547c6f3cd7721e0da7d008d7ad25096741377257a4753159a216eb6a4d83269a3311faf1b8842161ddccba1315c4cf9b5001800221e323132352d30312d30325430333a30343a30352e3030303030303637385a28013080b09dc2df014240b3687432e62f0f0a2d3e2ea51ad58dc8bd60e13f608caf21c8e1a1ba81079d6961bbe7f8ff51b0f156291d6356a262fc010315c514f2fe24e264040994652b0c4a8b01a56354544c1b0000000df84758006556616c756558342f697066732f516d554e4c4c73504143437a31764c7851566b5871714c5835523158333435717166486273663637687641334e6e6853657175656e6365016856616c6964697479581e323132352d30312d30325430333a30343a30352e3030303030303637385a6c56616c69646974795479706500', 'hex')
const second = Buffer.from('42401418d2ce3129a75c47118add98af7480ac1784aa6629954fbf4c5e876e1eb0f8ae4851e3da380597e650ca76b2985a4a65e6bdd230c17db247b9790872a9cf0d4a8b01a56354544c1b0000000df84758006556616c756558342f697066732f516d554e4c4c73504143437a31764c7851566b5871714c5835523158333435717166486273663637687641334e6e6853657175656e6365026856616c6964697479581e323132352d30312d30325430333a30343a30352e3030303030303637385a6c56616c69646974795479706500', 'hex')
const later = Buffer.from('42401f1f7b642665a41f0bebc1880edfc1ef9e7486e9cfcfd7ad7a987c7d8a58044fc64918c388f40c9e6c631ff37ad4132a4ca860c0b81eae5c737f6d27b0ae74094a8b01a56354544c1b0000000df84758006556616c756558342f697066732f516d554e4c4c73504143437a31764c7851566b5871714c5835523158333435717166486273663637687641334e6e6853657175656e6365026856616c6964697479581e323132352d30312d30325430343a30343a30352e3030303030303637385a6c56616c69646974795479706500', 'hex')
const expired = Buffer.from('0a342f697066732f516d554e4c4c73504143437a31764c7851566b5871714c5835523158333435717166486273663637687641334e6e1240947f31b8cbca03ebd246b1d1a631fbb59db38d33f7abc39320d81b0791a1b816bcfd9593b9e8819169afd000c3d0915c76671012979d46db94eb0b06318ef30f18002214323032302d30312d30315430303a30303a30305a28033080b09dc2df0142407917eb06bbdf0b208cef51b6bc80636bf67d5bf9563b7d0b17a28545c365735a2f663022f5819913095687d56d81eff3b13e2a38edba9d42c062e269cacc01034a8001a56354544c1b0000000df84758006556616c756558342f697066732f516d554e4c4c73504143437a31764c7851566b5871714c5835523158333435717166486273663637687641334e6e6853657175656e6365036856616c696469747954323032302d30312d30315430303a30303a30305a6c56616c69646974795479706500', 'hex')
const rsa = Buffer.from('3aab02080012a60230820122300d06092a864886f70d01010105000382010f003082010a0282010100d2b5e068ea6d99d386e3c6d52a803f3dd7472d7cdd2c24be9176439b26155a99e9283cb6f01de65fb1bf4c3f8dfe109d4c0dcfa81a3b7e13437a38ecae99c6d769c2ed33eeaf534076a1c2dea4dd21ef6a40592eb862048723522f1eb157e0ea0926766e636a52e023f16adf470aa0da720de0dee800d6e41977073a0e509f449244017c61823321c5c878f26c27aa58c2b8716501e1ae0ac82104ae6617788483ae8a3c66bdf233c8bfa819e88d6433a0989a404c52e5bf504100950b3dba604ad7d71fb281317d42caee4f630643cfdd6a9f135f2656894b1d1b35b249efa9074169132e94dc863ab357d2f84c9eefabcf07ff6c4c88fce02b537c614618c7020301000142800200d6ebb1bf7db266f8c97fcb94f2f1452ad05867917831da0947eae2f96b04dcddf116fe184f0317319381b19f596307e57a5b08bd7b7c3b2aeab042db0b69e8cf8d9a21e3ccfa67584f9996098647ccc5a0576573b8a978c523326fda739f8c25525c8fca88fe4dd9f22a8bb493633a66db4e101f6cf0d1f67269e7c64044e81e7d8260b113830c7c5b1224e08d0c12d2e2adf4349191f0356b8243d1e0c3902125d40d40bf913181f5fc02eb217443c5aa60052d4db2db0102c3efa0c06c211ccef75266f8b5f7083773e65e4e3a4f5e586b8d06938af25bf7941ff11867e47c794246650a1d43355b1a897766a792da6dc2ac585c90531a5e7b534cf040f24a8b01a56354544c1b0000000df84758006556616c756558342f697066732f516d554e4c4c73504143437a31764c7851566b5871714c5835523158333435717166486273663637687641334e6e6853657175656e6365016856616c6964697479581e323132352d30312d30325430333a30343a30352e3030303030303637385a6c56616c69646974795479706500', 'hex')

const now = Date.UTC(2030, 0, 1)
const keyOf = (peer: PeerId): Uint8Array => Buffer.concat([Buffer.from('/ipns/'), peerIdToBytes(peer)])
const field = (number: number, bytes: Uint8Array): Buffer => Buffer.concat([Buffer.of(number << 3 | 2, (bytes.length & 0x7f) | (bytes.length > 0x7f ? 0x80 : 0)), ...bytes.length > 0x7f ? [Buffer.of(bytes.length >> 7)] : [], bytes])

test('records of the reference are taken, in all their forms', async () => {
  for (const record of [both, second, later]) await validateIpnsRecord(keyOf(name), record, now)
  await validateIpnsRecord(keyOf(rsaName), rsa, now)
})

test('records that are false, old, changed or garbage are refused', async () => {
  const refused = async (key: Uint8Array, record: Uint8Array, message: RegExp): Promise<void> => { await assert.rejects(validateIpnsRecord(key, record, now), message) }
  await refused(keyOf(name), expired, /expired/)
  await refused(keyOf(rsaName), both, /its key is not there/)
  await refused(keyOf(name), rsa, /not that of the name/)
  await refused(Buffer.concat([Buffer.from('/pk/'), peerIdToBytes(name)]), both, /no name/)
  await refused(keyOf(name), Buffer.alloc(20_000), /too large/)
  await refused(keyOf(name), Buffer.alloc(0), /not signed/)
  // What is not signed is another value than what is.
  await refused(keyOf(name), Buffer.concat([both, field(1, Buffer.from('/ipfs/other'))]), /something else/)
  // Each byte counts.
  for (let at = 0; at < second.length; at += 3) {
    const changed = Buffer.from(second)
    changed[at] = (changed[at] as number) ^ 1
    await assert.rejects(validateIpnsRecord(keyOf(name), changed, now), `byte ${at}`)
  }
  for (let length = 0; length < second.length; length += 7) await assert.rejects(validateIpnsRecord(keyOf(name), second.subarray(0, length), now))
})

test('the best record is the latest, then the one that lasts longest', () => {
  assert.equal(selectIpnsRecord([both, second, later]), 2)
  assert.equal(selectIpnsRecord([later, second, both]), 0)
  assert.equal(selectIpnsRecord([both]), 0)
})

test('a table keeps a bounded number of records, the newest, and of a name the best', () => {
  const records = new DhtRecords()
  const note = (i: number): Key => new Key(`/dht-lan/provider/${i}`)
  for (let i = 0; i < 20_000; i++) records.put(note(i), Buffer.from([i & 0xff]))
  assert.equal(records.size, 16_384)
  assert.throws(() => records.get(note(0)), { name: 'NotFoundError' })
  assert.deepEqual(records.get(note(19_999)), Buffer.from([19_999 & 0xff]))
  assert.equal([...records.query({ prefix: '/dht-lan/provider/1999' })].length, 10)
  for (let i = 0; i < 3_000; i++) records.put(new Key(`/dht-lan/record/${i}`), Buffer.alloc(10_000))
  assert.ok(records.bytes <= 16 * 1024 * 1024)
  const key = new Key('/dht-lan/record/name')
  const record = (value: Uint8Array): Buffer => Buffer.concat([field(1, keyOf(name)), field(2, value)])
  records.put(key, record(second))
  records.put(key, record(both))
  assert.deepEqual(records.get(key), record(second))
  records.put(key, record(later))
  assert.deepEqual(records.get(key), record(later))
  records.delete(key)
  assert.equal(records.has(key), false)
})

/** Sends one message of Kademlia; resolves with the answer, undefined when there is none. */
async function ask (from: TestNetwork, to: TestNetwork, message: Uint8Array): Promise<Uint8Array | undefined> {
  const stream = await from.network.open(to.self, '/ipfs/lan/kad/1.0.0', {})
  await stream.write(frame(message))
  try {
    for await (const answer of readFrames(stream.incoming, 1e6)) return Buffer.from(answer)
    return undefined
  } catch {
    return undefined
  } finally {
    stream.reset()
  }
}

test('a cluster peer keeps a record that it is sent, and gives it to others; none that is false or old', { timeout: 60_000 }, async t => {
  const [ours, other] = await connectedNetworks(t, 2) as [TestNetwork, TestNetwork]
  await until(() => other.network.speaks(ours.self, '/ipfs/lan/kad/1.0.0'))
  const put = (record: Uint8Array): Promise<Uint8Array | undefined> => ask(other, ours, Buffer.concat([Buffer.of(8, 0), field(2, keyOf(name)), field(3, Buffer.concat([field(1, keyOf(name)), field(2, record)]))]))
  const get = (): Promise<Uint8Array | undefined> => ask(other, ours, Buffer.concat([Buffer.of(8, 1), field(2, keyOf(name))]))
  const changed = Buffer.from(second)
  changed[changed.length - 1] = (changed.at(-1) as number) ^ 1
  for (const record of [changed, expired]) assert.equal(await put(record), undefined)
  assert.equal(Buffer.from(await get() as Uint8Array).includes(changed), false)
  assert.ok(await put(second) !== undefined)
  await put(both)
  assert.ok(Buffer.from(await get() as Uint8Array).includes(second))
})
