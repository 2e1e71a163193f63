import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import type { PeerId } from '../domain/peer.ts'
import { MemoryNetworks } from './memory-network.ts'
import type { PeerStream } from './network.ts'
import { virtualClock } from './virtual-clock.ts'

const alice = '12D3KooWGRUVh6gLyjqFQgVNVFNP2xhYDxtTGGaDH2tW6cAkYvNp' as PeerId
const bob = '12D3KooWQE3CWA3MJ1YhrYNP8EE3JErGbrCtpKRkFrWgi45nYAMn' as PeerId

async function pair () {
  const clock = virtualClock()
  const networks = new MemoryNetworks(clock)
  const [a, b] = [networks.join(alice), networks.join(bob)]
  const signal = new AbortController().signal
  await a.start(signal)
  await b.start(signal)
  return { clock, a, b }
}

async function read (stream: PeerStream): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream.incoming) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

test('a stream carries bytes both ways and ends with the half-close, also one that came early', async () => {
  const { clock, a, b } = await pair()
  let served: Promise<void> | undefined
  b.handle('/echo', stream => {
    served = clockTurn(clock).then(async () => {
      await stream.write(Buffer.from(`${stream.peer === alice ? 'alice' : '?'} said ${await read(stream)}`))
      await stream.closeWrite()
    })
  })
  const stream = await a.open(bob, '/echo', {})
  await stream.write(Buffer.from('hello'))
  await stream.closeWrite()
  const answer = read(stream)
  await clock.settle()
  await clock.advance(1)
  assert.equal(await answer, 'alice said hello')
  await served
  await assert.rejects(a.open(bob, '/other', {}), { code: 'PEER_UNREACHABLE' })
})

test('a reset and a peer that stops end streams with an error', async () => {
  const { clock, a, b } = await pair()
  const incoming: PeerStream[] = []
  b.handle('/wait', stream => { incoming.push(stream) })
  for (const end of [(stream: PeerStream) => { stream.reset() }, () => { void b.stop() }]) {
    const stream = await a.open(bob, '/wait', {})
    await clock.settle()
    const reading = assert.rejects(read(stream), { code: 'CANCELLED' })
    end(incoming.pop() as PeerStream)
    await clock.settle()
    await reading
    assert.equal(stream.signal.aborted, true)
    await assert.rejects(stream.write(Buffer.of(1)), { code: 'CANCELLED' })
  }
  assert.deepEqual(a.peers(), [])
})

test('a writer waits for a slow reader', async () => {
  const { clock, a, b } = await pair()
  const incoming: PeerStream[] = []
  b.handle('/slow', stream => { incoming.push(stream) })
  const stream = await a.open(bob, '/slow', {})
  let written = 0
  const writing = (async () => {
    for (; written < 64; written++) await stream.write(new Uint8Array(64 * 1024))
    await stream.closeWrite()
  })()
  await clock.settle()
  assert.ok(written < 10, `${written} chunks were taken without a reader`)
  const reading = read(incoming[0] as PeerStream)
  await clock.settle()
  await writing
  assert.equal((await reading).length, 64 * 64 * 1024)
})

test('gossip reaches all who accept it, blocks are found where they are', async () => {
  const { clock, a, b } = await pair()
  const heard: string[] = []
  a.subscribe('t', ({ from, data }) => { heard.push(`a ${from === alice} ${Buffer.from(data).toString()}`) })
  b.subscribe('t', () => { heard.push('never') }, from => from !== alice)
  await a.publish('t', Buffer.from('x'))
  const bytes = Buffer.from('block')
  const cid = CID.createV1(0x70, createDigest(0x12, createHash('sha256').update(bytes).digest()))
  const blocks = new Map<string, Buffer>()
  b.serveBlocks(async wanted => blocks.get(wanted.toString()))
  const fetched = a.fetchBlock(cid, {})
  await clock.advance(1_000)
  blocks.set(cid.toString(), bytes)
  await clock.advance(1_000)
  assert.deepEqual(await fetched, bytes)
  assert.deepEqual(heard, ['a true x'])
})

function clockTurn (clock: { soon (callback: () => void): void }): Promise<void> {
  return new Promise(resolve => { clock.soon(resolve) })
}
