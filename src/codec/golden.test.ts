import assert from 'node:assert/strict'
import { test } from 'node:test'
import { missingGolden, readGolden } from '../../test/contract/golden.ts'
import * as messages from './messages.ts'
import { MsgpackReader } from './msgpack-reader.ts'
import { MsgpackWriter } from './msgpack.ts'
import { pinJsonFromProtobuf } from './pin-json.ts'
import type { SchemaMessage } from './schema.ts'
import { formatTime } from './time.ts'

const skipWire = missingGolden('wire')
const skipHttp = missingGolden('http')

function wire<T> (name: string): readonly T[] {
  const [recording] = readGolden<{ cases: T[] }>('wire', name).values()
  assert.ok(recording !== undefined && recording.cases.length > 0, `${name} has cases`)
  return recording.cases
}

const bytesOf = (hex: string): Uint8Array => Buffer.from(hex, 'hex')
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

test('stored pins are read and written back byte by byte', { skip: skipWire }, () => {
  for (const { hex, cid } of wire<{ hex: string, cid: string }>('pins')) {
    const pin = messages.PinMessage.decodeProtobuf(bytesOf(hex))
    assert.equal(pin.cid, cid)
    assert.equal(hexOf(messages.PinMessage.encodeProtobuf(pin)), hex)
    assert.equal(pinJsonFromProtobuf(bytesOf(hex)), messages.PinMessage.encodeJson(pin))
  }
})

test('values are encoded as the rules say', { skip: skipWire }, () => {
  const writer = new MsgpackWriter()
  for (const { type, value, hex } of wire<{ type: string, value: string, hex: string }>('msgpack')) {
    if (type === 'int') writer.signed(Number(value))
    else if (type === 'string') writer.text('a'.repeat(Number.parseInt(value, 10)))
    else if (type === 'nil slice') writer.nil()
    else if (type === 'empty slice') writer.arrayHeader(0)
    else {
      // The nanoseconds of these two are below what a moment holds: they are read, not written.
      assert.equal(new MsgpackReader(bytesOf(hex)).time(), Number.parseInt(value, 10) * 1000, value)
      continue
    }
    assert.equal(hexOf(writer.finish()), hex, `${type} ${value}`)
  }
})

/** A moment has no offset and no nanoseconds: both sides have theirs in UTC and cut to whole seconds. */
function withoutFractions (json: string): string {
  const utc = json.replace(/"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+\d\d:\d\d)"/g, (_, text: string) => `"${formatTime(Date.parse(text))}"`)
  return utc.replace(/(T\d\d:\d\d:\d\d)\.\d+/g, '$1').replace(/("(?:expire|received_at)":\d+)\d{9}/g, '$1')
}

function assertSameLength<T> (message: SchemaMessage<T>, hex: string): void {
  const value = message.decodeMsgpack(bytesOf(hex))
  const again = message.encodeMsgpack(value)
  // Only moments differ, in their last bytes: everything else is where it was.
  assert.equal(hexOf(again).length, hex.length, message.name)
  assert.deepEqual(message.decodeMsgpack(again), value)
}

test('metrics of other peers are read and written in the same form', { skip: skipWire }, () => {
  for (const { hex, metric } of wire<{ hex: string, metric?: { n: string, v: string, w?: number } }>('metrics')) {
    const decoded = messages.MetricMessage.decodeMsgpack(bytesOf(hex))
    if (metric === undefined) continue
    assert.equal(decoded.name, metric.n)
    assert.equal(decoded.value, metric.v)
    assert.equal(decoded.weight, metric.w ?? 0)
    assertSameLength(messages.MetricMessage, hex)
  }
})

interface Call { readonly service: string, readonly client: string, readonly server: string, readonly request_hex: string[], readonly response_hex: string[] }

const replies: Readonly<Record<string, SchemaMessage<never>>> = {
  'Cluster.ID': messages.PeerInformationMessage,
  'Cluster.IDStream': messages.PeerInformationMessage,
  'Cluster.Peers': messages.PeerInformationMessage,
  'Cluster.PeerAdd': messages.PeerInformationMessage,
  'Cluster.Version': messages.VersionMessage,
  'Cluster.RecoverAllLocal': messages.PinInfoMessage,
  'Cluster.RepoGCLocal': messages.RepositoryCollectionMessage,
  'PinTracker.Status': messages.PinInfoMessage,
  'PinTracker.StatusAll': messages.PinInfoMessage,
  'PinTracker.Recover': messages.PinInfoMessage,
} as unknown as Readonly<Record<string, SchemaMessage<never>>>

test('replies of calls between peers are read, and those of the reference written back', { skip: skipWire }, () => {
  let seen = 0
  for (const call of [...wire<Call>('gorpc-unary'), ...wire<Call>('gorpc-stream')]) {
    const message = replies[call.service]
    if (message === undefined) continue
    for (let at = 1; at < call.response_hex.length; at += 2) {
      const hex = call.response_hex[at] as string
      const value = message.decodeMsgpack(bytesOf(hex))
      if (call.server !== 'go') continue
      assertSameLength(message, hex)
      if (!/"(?:timestamp|created)":"[^0]/.test(message.encodeJson(value).replace(/0001-01-01T00:00:00Z/g, '0'))) assert.equal(hexOf(message.encodeMsgpack(value)), hex, call.service)
      seen++
    }
  }
  assert.ok(seen > 3)
})

interface Recording { readonly request: { method: string, path: string }, readonly response: { status: number, body: string } }

const placeholders: Readonly<Record<string, string>> = {
  MAIN_PEER: '12D3KooWCEBAsqQHFztNKs8ZUosmkDPdCPDCn3kXbN6gPyFLxcs6',
  AUTH_PEER: '12D3KooWGTgnbBWtsH9rgUgaBLhqtPMMU6u9FcD1J9dd8RtEMHE7',
  DOWN_PEER: '12D3KooWBdmLJjhpgJ9KZgLM3f894ff9xyBfPvPjFNn7MKJpyrCe',
  IPFS_PEER: '12D3KooWQE3CWA3MJ1YhrYNP8EE3JErGbrCtpKRkFrWgi45nYAMn',
}

/** The message of a JSON value in a REST answer, by a key that only it has. */
function messageOf (value: Record<string, unknown>): SchemaMessage<never> | undefined {
  const { peer_map: peers } = value
  const firstPeer = typeof peers === 'object' && peers !== null ? Object.values(peers)[0] as Record<string, unknown> | undefined : undefined
  const found = [
    ['user_allocations' in value, messages.PinMessage],
    [firstPeer !== undefined && 'keys' in firstPeer, messages.GlobalRepositoryCollectionMessage],
    ['created' in value && 'peer_map' in value, messages.GlobalPinInfoMessage],
    ['rpc_protocol_version' in value, messages.PeerInformationMessage],
    ['partitionable' in value, messages.MetricMessage],
    ['cluster_links' in value, messages.ConnectGraphMessage],
    ['code' in value && 'message' in value, messages.ErrorMessage],
    [Object.keys(value).length === 1 && typeof value['version'] === 'string', messages.VersionMessage],
    ['cid' in value && 'name' in value && Object.keys(value).every((key) => ['name', 'cid', 'bytes', 'size', 'allocations'].includes(key)), messages.AddedOutputMessage],
  ] as unknown as ReadonlyArray<readonly [boolean, SchemaMessage<never>]>
  return found.find(([matches]) => matches)?.[1]
}

test('bodies of the REST API are read and written back character by character', { skip: skipHttp }, () => {
  const seen = new Map<string, number>()
  for (const prefix of ['rest-', 'down-', 'auth-']) {
    for (const [name, { response }] of readGolden<Recording>('http', prefix)) {
      if (!response.body.startsWith('{') && !response.body.startsWith('[')) continue
      const body = response.body.replace(/<([A-Z_]+)>/g, (whole, key: string) => placeholders[key] ?? whole)
      for (const line of body.split('\n')) {
        if (!line.startsWith('{') || line.includes('<')) continue
        const value = JSON.parse(line) as Record<string, unknown>
        const message = messageOf(value)
        if (message === undefined) continue
        assert.equal(withoutFractions(message.encodeJson(message.decodeJson(value))), withoutFractions(line), name)
        seen.set(message.name, (seen.get(message.name) ?? 0) + 1)
      }
    }
  }
  for (const name of ['Pin', 'GlobalPinInfo', 'ID', 'Error', 'Version', 'AddedOutput', 'RepoGC']) assert.ok([...seen.keys()].some((key) => key.includes(name)), `${name} was seen`)
})
