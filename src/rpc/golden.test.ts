import assert from 'node:assert/strict'
import { test } from 'node:test'
import { missingGolden, readGolden } from '../../test/contract/golden.ts'
import { MsgpackWriter } from '../codec/msgpack.ts'
import { MsgpackReader } from '../codec/msgpack-reader.ts'
import { ReplyHeaderValue, ServiceIdValue } from '../codec/peer-messages.ts'
import type { ClusterError } from '../domain/errors.ts'
import { systemClock } from '../platform/clock.ts'
import type { Network } from '../platform/network.ts'
import { rpcProtocol } from '../domain/version.ts'
import { decodeReplyHeader, decodeServiceId, decodeValue } from './framing.ts'
import { lookUp, methods, type CallValue } from './methods.ts'
import { peerOf, rawCall, twoPeers } from './rpc.fixture.ts'
import { rpcCalls } from './rpc-calls.ts'

interface Case { readonly kind: string, readonly client: 'go' | 'ts', readonly server: 'go' | 'ts', readonly service: string, readonly request_hex: string[], readonly response_hex: string[] }

const skip = missingGolden('wire')
const bytesOf = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'))
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const casesOf = (name: string): readonly Case[] => readGolden<{ cases: Case[] }>('wire', name).get(name)?.cases ?? []
const calls = ['gorpc-unary', 'gorpc-stream'].flatMap(casesOf)
const writer = new MsgpackWriter()

/** Times of the reference have nanoseconds, ours microseconds: the last bytes of the others differ, nothing else. */
function assertEncodedAlike<T> (codec: CallValue<T>, hex: string, isExact: boolean, what: string): void {
  const value = decodeValue(codec, bytesOf(hex))
  codec.write(writer, value)
  const again = hexOf(writer.finish())
  if (isExact) assert.equal(again, hex, what)
  else {
    assert.equal(again.length, hex.length, what)
    assert.deepEqual(decodeValue(codec, bytesOf(again)), value, what)
  }
}

const methodNamed = (name: string): { request: CallValue<unknown>, reply: CallValue<unknown> } => {
  const [service = '', method = ''] = name.split('.')
  const found = lookUp(service, method)
  assert.ok(typeof found === 'object', name)
  return methods[found.name] as { request: CallValue<unknown>, reply: CallValue<unknown> }
}
/** What holds a time with nanoseconds. */
const hasTimes = (name: string): boolean => name.startsWith('PinTracker.')

test('recorded calls are read, and what the reference wrote is written back byte by byte', { skip }, () => {
  const seen = new Set<string>()
  for (const { service, client, server, request_hex: [id = '', ...requests], response_hex: response } of calls) {
    seen.add(service)
    const { request, reply } = methodNamed(service)
    const serviceId = decodeServiceId(bytesOf(id))
    assert.equal(`${serviceId.service}.${serviceId.method}`, service)
    ServiceIdValue.write(writer, serviceId)
    assert.equal(hexOf(writer.finish()), id)
    for (const hex of requests) assertEncodedAlike(request, hex, client === 'go', service)
    for (let i = 0; i < response.length; i += 2) {
      const header = decodeReplyHeader(bytesOf(response[i] as string))
      assert.deepEqual(header, { serviceId, error: '', errorType: 0, isOrdered: false })
      ReplyHeaderValue.write(writer, header)
      assert.equal(hexOf(writer.finish()), response[i])
      assertEncodedAlike(reply, response[i + 1] as string, server === 'go' && !hasTimes(service), service)
    }
  }
  assert.ok(seen.size >= 12, [...seen].join(' '))
})

test('a server of ours answers as the reference did, error for error, byte by byte', { skip }, async () => {
  const peers = await twoPeers(systemClock)
  for (const { service, request_hex: request, response_hex: response } of casesOf('gorpc-errors')) {
    const answer = await rawCall(peers.caller, peers.server.self, request.map(bytesOf), { isLeftOpen: true })
    assert.equal(hexOf(answer), response.join(''), service)
  }
  await peers.stop()
})

test('errors of the reference become the codes that they mean', { skip }, async () => {
  const peers = await twoPeers(systemClock)
  const other = peers.networks.join(peerOf(9))
  await other.start(AbortSignal.timeout(1000))
  const codes: string[] = []
  for (const { response_hex: response } of casesOf('gorpc-errors')) {
    const stop = answerWith(other, response.map(bytesOf))
    await assert.rejects(rpcCalls({ network: peers.caller, platform: peers.platform }).id(other.self, {}), (error: ClusterError) => {
      codes.push(error.code)
      assert.equal(error.message, decodeReplyHeader(bytesOf(response[0] as string)).error)
      return true
    })
    stop()
  }
  assert.deepEqual(codes, ['NOT_AUTHORIZED', 'UNSUPPORTED', 'NOT_AUTHORIZED', 'PEER_ANSWER'])
  await peers.stop()
})

/** Answers every call on a network with these bytes. */
function answerWith (network: Network, values: readonly Uint8Array[]): () => void {
  return network.handle(rpcProtocol, stream => {
    void (async () => {
      for (const value of values) await stream.write(value)
      await stream.closeWrite()
    })()
  })
}

test('a key that a header has besides is skipped by a reader that does not know it', () => {
  ReplyHeaderValue.write(writer, { serviceId: { service: 'PinTracker', method: 'StatusAll' }, error: '', errorType: 0, isOrdered: true })
  const reader = new MsgpackReader(writer.finish())
  assert.equal(reader.enterMap(), 2)
  assert.deepEqual([reader.text(), (reader.skip(), reader.text()), reader.boolean()], ['Service', 'Ordered', true])
})
