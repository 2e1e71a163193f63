import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { ClusterError } from '../domain/errors.ts'
import { parseMultiaddress } from '../domain/multiaddress.ts'
import type { Block, IpfsConnector } from '../ipfs/connector.ts'
import { kuboConnector } from '../ipfs/kubo/kubo-connector.ts'
import { systemClock } from '../platform/clock.ts'
import { silentLoggers } from '../platform/logger.ts'
import { noMetrics } from '../platform/metrics.ts'
import { systemRandom } from '../platform/random.ts'
import { blockOf, peerOf, twoPeers } from './rpc.fixture.ts'

const server = peerOf(2)

/** A node on HTTP of which `answer` decides, and the connector to it. */
async function nodeThat (answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<{ readonly ipfs: IpfsConnector, close (): Promise<void> }> {
  const node: Server = createServer(answer)
  node.listen(0, '127.0.0.1')
  await once(node, 'listening')
  const ipfs = kuboConnector({
    nodeMultiaddress: parseMultiaddress(`/ip4/127.0.0.1/tcp/${(node.address() as AddressInfo).port}`),
    ipfsRequestTimeoutMs: 30_000, pinTimeoutMs: 30_000, unpinTimeoutMs: 30_000, repogcTimeoutMs: 30_000, informerTriggerInterval: 0, unpinDisable: false,
  }, { clock: systemClock, random: systemRandom, loggers: silentLoggers, metrics: noMetrics })
  return {
    ipfs,
    async close () {
      await ipfs.stop()
      node.closeAllConnections()
      node.close()
    },
  }
}

test('the memory of a block that was sent is free, and what arrives is what was sent', async () => {
  const peers = await twoPeers(systemClock)
  const blocks = Array.from({ length: 40 }, (_, i) => blockOf(systemRandom.bytes(100_000 + i)))
  let released = 0
  async function * lent (): AsyncGenerator<Block> {
    for (const { cid, bytes } of blocks) {
      const memory = Buffer.from(bytes)
      const release = (): void => {
        released++
        memory.fill(0xee)
      }
      yield { cid, bytes: memory, release }
    }
  }
  await peers.calls.putBlocks(server, lent(), {})
  assert.equal(released, blocks.length)
  for (const [i, { bytes }] of peers.service.blocks.entries()) assert.equal(Buffer.compare(bytes, (blocks[i] as Block).bytes), 0)
  await peers.stop()
})

test('a caller that breaks off leaves no half request at the IPFS node', async () => {
  const begun = Promise.withResolvers<void>()
  const brokenOff = Promise.withResolvers<boolean>()
  const node = await nodeThat(request => {
    request.resume().once('data', () => { begun.resolve() }).once('close', () => { brokenOff.resolve(!request.complete) })
    request.on('error', () => {})
  })
  const peers = await twoPeers(systemClock)
  const ended = Promise.withResolvers<unknown>()
  peers.service.putBlocks = (blocks, options) => {
    const storing = node.ipfs.putBlocks(blocks, options)
    storing.catch(ended.resolve)
    return storing
  }
  const controller = new AbortController()
  async function * endless (): AsyncGenerator<Block> {
    for (let i = 0; i < 5; i++) yield blockOf(systemRandom.bytes(200_000))
    await begun.promise
    controller.abort(new ClusterError('CANCELLED', 'the upload was given up'))
    await new Promise(() => {})
  }
  await assert.rejects(peers.calls.putBlocks(server, endless(), { signal: controller.signal }), { code: 'CANCELLED', message: 'the upload was given up' })
  assert.equal(await brokenOff.promise, true)
  assert.equal((await ended.promise as ClusterError).code, 'CANCELLED')
  await peers.stop()
  await node.close()
})

test('the refusal of the IPFS node comes back to the caller, who stops', async () => {
  const node = await nodeThat((request, response) => {
    request.once('data', () => {
      response.writeHead(500, { 'Content-Type': 'application/json' })
      response.end(JSON.stringify({ Message: 'no space left on device', Code: 0, Type: 'error' }))
    })
    request.on('error', () => {})
  })
  const peers = await twoPeers(systemClock)
  peers.service.putBlocks = (blocks, options) => node.ipfs.putBlocks(blocks, options)
  let wasEnded = false
  async function * endless (): AsyncGenerator<Block> {
    try {
      for (;;) yield blockOf(systemRandom.bytes(200_000))
    } finally {
      wasEnded = true
    }
  }
  await assert.rejects(peers.calls.putBlocks(server, endless(), {}), { message: /no space left on device/ })
  await new Promise(resolve => { setImmediate(resolve) })
  assert.ok(wasEnded)
  await peers.stop()
  await node.close()
})
