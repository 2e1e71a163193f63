import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import { parseMultiaddress } from '../../domain/multiaddress.ts'
import { systemClock } from '../../platform/clock.ts'
import { silentLoggers } from '../../platform/logger.ts'
import { noMetrics } from '../../platform/metrics.ts'
import { systemRandom } from '../../platform/random.ts'
import type { Block, IpfsConnector } from '../connector.ts'
import { kuboConnector } from './kubo-connector.ts'

const blockBytes = 262_144

/** A node that takes its time to read, and confirms every block at the end under the hash of what came. */
function slowNode (): ReturnType<typeof createServer> {
  return createServer((request, response) => {
    const boundary = `--${/boundary=(.*)/.exec(request.headers['content-type'] ?? '')?.[1]}`
    ;(async () => {
      const pieces: Buffer[] = []
      for await (const piece of request) {
        pieces.push(piece as Buffer)
        for (let turn = 0; turn < 5; turn++) await setImmediate()
      }
      const body = Buffer.concat(pieces)
      for (const part of partsOf(body, boundary)) {
        const digest = createHash('sha256').update(part).digest()
        response.write(`${JSON.stringify({ Key: CID.createV1(0x55, createDigest(0x12, digest)).toString(), Size: 1 })}\n`)
      }
      response.end()
    })().catch(() => response.destroy())
  })
}

function * partsOf (body: Buffer, boundary: string): Generator<Buffer> {
  for (let at = body.indexOf(boundary), next = 0; (next = body.indexOf(boundary, at + boundary.length)) > 0; at = next) {
    yield body.subarray(body.indexOf('\r\n\r\n', at) + 4, next - 2)
  }
}

/** Runs `use` with a connector to a node on HTTP. */
async function withNode (node: ReturnType<typeof createServer>, use: (ipfs: IpfsConnector) => Promise<void>): Promise<void> {
  node.listen(0, '127.0.0.1')
  await once(node, 'listening')
  const ipfs = kuboConnector({
    nodeMultiaddress: parseMultiaddress(`/ip4/127.0.0.1/tcp/${(node.address() as AddressInfo).port}`),
    ipfsRequestTimeoutMs: 30_000, pinTimeoutMs: 30_000, unpinTimeoutMs: 30_000, repogcTimeoutMs: 30_000, informerTriggerInterval: 0, unpinDisable: false,
  }, { clock: systemClock, random: systemRandom, loggers: silentLoggers, metrics: noMetrics })
  try {
    await use(ipfs)
  } finally {
    await ipfs.stop()
    node.close()
    node.closeAllConnections()
  }
}

function randomBlock (): Block {
  const bytes = systemRandom.bytes(blockBytes)
  return { cid: CID.createV1(0x55, createDigest(0x12, createHash('sha256').update(bytes).digest())), bytes, isChecked: true }
}

test('memory of blocks that went out is free early, and never before', async () => {
  let held = 0
  let mostHeld = 0
  let confirmed = 0
  async function * blocks (): AsyncGenerator<Block> {
    for (let i = 0; i < 200; i++) {
      const block = randomBlock()
      const release = (): void => {
        held--
        block.bytes.fill(0xee)
      }
      mostHeld = Math.max(mostHeld, ++held)
      yield { ...block, release }
    }
  }
  // Bytes that were changed on their way come back under another hash, which is an error.
  await withNode(slowNode(), ipfs => ipfs.putBlocks(blocks(), { onProgress: () => { confirmed++ } }))
  // Of each request the last MiB: one that is open, and those that wait for their end.
  assert.ok(mostHeld <= 16, `${mostHeld} blocks were held at once`)
  assert.equal(held, 0)
  assert.equal(confirmed, 200, 'each block is told of when the node has it')
})

test('a request that is refused when others go on already ends the upload', async () => {
  let requests = 0
  const hasTwo = Promise.withResolvers<void>()
  const node = createServer((request, response) => {
    request.on('error', () => {})
    if (++requests === 2) hasTwo.resolve()
    if (requests > 1) { request.resume(); return }
    request.resume().on('end', () => {
      hasTwo.promise.then(() => {
        response.writeHead(500, { 'Content-Type': 'application/json' })
        response.end(JSON.stringify({ Message: 'no space left on device', Code: 0, Type: 'error' }))
      })
    })
  })
  let wasEnded = false
  async function * endless (): AsyncGenerator<Block> {
    try {
      for (;;) yield randomBlock()
    } finally {
      wasEnded = true
    }
  }
  await withNode(node, ipfs => assert.rejects(ipfs.putBlocks(endless()), { code: 'IPFS_ANSWER', message: /no space left on device/ }))
  assert.ok(wasEnded)
})
