import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PeerStream } from '../network.ts'
import { connectedNetworks, type TestNetwork } from './network.fixture.ts'

async function read (stream: PeerStream): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream.incoming) chunks.push(chunk)
  return Buffer.concat(chunks)
}

test('a stream carries bytes both ways and ends with the half-close', async t => {
  const [a, b] = await connectedNetworks(t, 2) as [TestNetwork, TestNetwork]
  b.network.handle('/echo', stream => {
    void (async () => {
      await stream.write(await read(stream))
      await stream.closeWrite()
    })()
  })
  const data = Buffer.alloc(5_000_000, 'some bytes')
  const stream = await a.network.open(b.self, '/echo', {})
  await stream.write(data)
  await stream.closeWrite()
  assert.equal((await read(stream)).equals(data), true)
})
