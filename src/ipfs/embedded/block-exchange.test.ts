import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { CID } from 'multiformats/cid'
import { silentLogger } from '../../platform/logger.ts'
import { virtualClock } from '../../platform/virtual-clock.ts'
import { BlockExchange } from './block-exchange.ts'
import { BlockStore } from './block-store.ts'
import { blockKey } from './cid-parts.ts'
import { rawBlock } from './node-for-tests.ts'

const { signal } = new AbortController()

/** An exchange whose other nodes never answer; `asked` says what they were asked for. */
async function withExchange (work: (parts: { store: BlockStore, exchange: BlockExchange, clock: ReturnType<typeof virtualClock>, asked: CID[] }) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'exchange-'))
  try {
    const clock = virtualClock()
    const store = await BlockStore.open({ folder, storageMaxBytes: 1e9, putLeaseMs: 0, clock, logger: silentLogger })
    const asked: CID[] = []
    const retrieve = (cid: CID, ended: AbortSignal): Promise<Uint8Array> => {
      asked.push(cid)
      return new Promise((_resolve, reject) => { ended.addEventListener('abort', () => { reject(ended.reason as Error) }) })
    }
    await work({ store, exchange: new BlockExchange({ store, clock, logger: silentLogger, retrieve, onStored: () => {} }), clock, asked })
    await store.close()
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

test('a block that came after the caller looked and before it asked is found without the network', () => withExchange(async ({ store, exchange, asked }) => {
  const { cid, bytes } = rawBlock('just in between')
  const key = blockKey(cid.multihash.bytes)
  await store.put({ key, multihash: cid.multihash.bytes, bytes })
  exchange.stored(key)
  assert.deepEqual(Buffer.from((await exchange.fetch(cid.bytes, signal)).bytes), Buffer.from(bytes))
  assert.deepEqual(asked, [])
}))

test('a block that comes while others are asked ends the question; an arrival that brought nothing does not end it for good', () => withExchange(async ({ store, exchange, clock, asked }) => {
  const { cid, bytes } = rawBlock('comes later')
  const key = blockKey(cid.multihash.bytes)
  const fetched = exchange.fetch(cid.bytes, signal)
  while (asked.length === 0) await store.locate([key])
  exchange.stored(key)
  while (asked.length === 1) {
    await clock.advance(200)
    await store.locate([key])
  }
  await clock.advance(5_000)
  await store.locate([key])
  assert.equal(asked.length, 2, 'it is asked for once more, and then waited for')
  await store.put({ key, multihash: cid.multihash.bytes, bytes })
  exchange.stored(key)
  const [found] = await Promise.all([fetched, clock.advance(200)])
  assert.deepEqual(Buffer.from(found.bytes), Buffer.from(bytes))
}))
