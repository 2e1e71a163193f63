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
import type { Block } from '../connector.ts'
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

test('memory of blocks that went out is free early, and never before', async () => {
  const server = slowNode()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const ipfs = kuboConnector({
    nodeMultiaddress: parseMultiaddress(`/ip4/127.0.0.1/tcp/${(server.address() as AddressInfo).port}`),
    ipfsRequestTimeoutMs: 30_000, pinTimeoutMs: 30_000, unpinTimeoutMs: 30_000, repogcTimeoutMs: 30_000, informerTriggerInterval: 0, unpinDisable: false,
  }, { clock: systemClock, random: systemRandom, loggers: silentLoggers, metrics: noMetrics })
  let held = 0
  let mostHeld = 0
  async function * blocks (): AsyncGenerator<Block> {
    for (let i = 0; i < 200; i++) {
      const bytes = systemRandom.bytes(blockBytes)
      const digest = createHash('sha256').update(bytes).digest()
      const release = (): void => {
        held--
        bytes.fill(0xee)
      }
      mostHeld = Math.max(mostHeld, ++held)
      yield { cid: CID.createV1(0x55, createDigest(0x12, digest)), bytes, isChecked: true, release }
    }
  }
  try {
    // Bytes that were changed on their way come back under another hash, which is an error.
    await ipfs.putBlocks(blocks())
  } finally {
    await ipfs.stop()
    server.close()
    server.closeAllConnections()
  }
  assert.ok(mostHeld <= 8, `${mostHeld} blocks were held at once`)
})
