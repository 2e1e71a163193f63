import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import { ClusterError } from '../domain/errors.ts'
import type { PeerId } from '../domain/peer.ts'
import type { Block } from '../ipfs/connector.ts'
import { sleep } from '../platform/clock.ts'
import { silentLogger, type Logger } from '../platform/logger.ts'
import { virtualClock } from '../platform/virtual-clock.ts'
import type { BlockDestination } from './block-lane.ts'
import { blockStream } from './block-sink.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

function block (number: number, sizeBytes = 1000): Block {
  const digest = new Uint8Array(32)
  new DataView(digest.buffer).setUint32(28, number)
  return { cid: CID.createV1(0x55, createDigest(0x12, digest)), bytes: new Uint8Array(sizeBytes) }
}

function numbers (blocks: readonly Block[]): number[] {
  return blocks.map(({ cid }) => new DataView(cid.multihash.digest.buffer, cid.multihash.digest.byteOffset).getUint32(28))
}

/** A destination that keeps what it gets; `pace` is waited for before each block. */
function destination (name: string, pace: (block: Block) => Promise<void> | void = () => {}): BlockDestination & { readonly got: Block[], readonly signal: () => AbortSignal | undefined } {
  const got: Block[] = []
  let seen: AbortSignal | undefined
  return {
    peer: name as PeerId,
    got,
    signal: () => seen,
    async putBlocks (blocks, { signal }) {
      seen = signal
      for await (const block of blocks) {
        await pace(block)
        got.push(block)
      }
    },
  }
}

function gate (): { readonly opened: Promise<void>, open (): void } {
  const { promise, resolve } = Promise.withResolvers<void>()
  return { opened: promise, open: resolve }
}

const forever = (): Promise<void> => new Promise(() => {})
const settings = { clock: virtualClock(), logger: silentLogger }
const allFailed = { code: 'IPFS_UNREACHABLE', message: 'failed to put block on all destinations' }

async function putAll (stream: { put (block: Block): Promise<void> | undefined }, blocks: readonly Block[]): Promise<void> {
  for (const block of blocks) await stream.put(block)
}

describe('blocks of one DAG', () => {
  test('reach every destination in their order', async () => {
    const peers = [destination('a'), destination('b', () => Promise.resolve()), destination('c')]
    const stream = blockStream(peers, settings)
    await putAll(stream, Array.from({ length: 100 }, (_, i) => block(i)))
    await stream.close()
    for (const peer of peers) assert.deepEqual(numbers(peer.got), [...Array(100).keys()])
  })

  test('go only once when they repeat at once or over one other', async () => {
    const peer = destination('a')
    const stream = blockStream([peer], settings)
    await putAll(stream, [1, 1, 2, 1, 3, 2, 1, 1].map(number => block(number)))
    await stream.close()
    assert.deepEqual(numbers(peer.got), [1, 2, 3, 1])
  })

  test('wait in a bounded window, at the pace of the slowest', async () => {
    const gates = Array.from({ length: 50 }, gate)
    let passed = 0
    const slow = destination('slow', () => (gates[passed++] as ReturnType<typeof gate>).opened)
    const quick = destination('quick')
    const clock = virtualClock()
    const stream = blockStream([slow, quick], { ...settings, clock, windowBytes: 10_000 })
    let put = 0
    const putting = (async () => {
      for (; put < 50; put++) await stream.put(block(put))
      await stream.close()
    })()
    for (const { open } of gates) {
      await clock.settle()
      const inFlightBytes = (put + 1 - slow.got.length) * 1000
      assert.ok(inFlightBytes <= 11_000, `${inFlightBytes} bytes in flight`)
      open()
    }
    await putting
    assert.equal(slow.got.length, 50)
    assert.equal(quick.got.length, 50)
  })

  test('are forgotten when the destination has taken them, also when it always lags behind', async () => {
    const passing: BlockDestination = {
      peer: 'slow' as PeerId,
      async putBlocks (blocks) { for await (const _ of blocks) await new Promise(resolve => { setImmediate(resolve) }) },
    }
    const stream = blockStream([passing], { ...settings, windowBytes: 10_000 })
    const made: Array<WeakRef<Block>> = []
    for (let number = 0; number < 500; number++) {
      const next = block(number)
      made.push(new WeakRef(next))
      await stream.put(next)
    }
    collectGarbage()
    const kept = made.filter(block => block.deref() !== undefined).length
    assert.ok(kept < 50, `${kept} of 500 blocks are kept`)
    await stream.close()
  })

  test('tiny blocks fill the window too', async () => {
    const stream = blockStream([destination('a', forever)], { ...settings, windowBytes: 10_000 })
    let put = 0
    while (stream.put(block(put, 1)) === undefined) put++
    assert.ok(put < 100, `${put} blocks were taken`)
    stream.abort(undefined)
  })
})

describe('a destination that fails', () => {
  test('is dropped with a warning while another is left', async () => {
    const warnings: unknown[] = []
    const logger: Logger = { ...silentLogger, warn: (...line: unknown[]) => { warnings.push(line) } }
    const bad = destination('bad', block => { if (numbers([block])[0] === 5) throw new Error('disk full') })
    const good = destination('good')
    const stream = blockStream([bad, good], { ...settings, logger, windowBytes: 5000 })
    await putAll(stream, Array.from({ length: 30 }, (_, i) => block(i)))
    await stream.close()
    assert.equal(good.got.length, 30)
    assert.equal(bad.signal()?.aborted, true)
    assert.deepEqual(warnings.map(line => (line as [object, string])[0]), [{ peer: 'bad', error: 'disk full' }])
  })

  test('ends the stream when it was the last', async () => {
    const fail = (): never => { throw new Error('refused') }
    const stream = blockStream([destination('a', fail), destination('b', fail)], settings)
    await stream.put(block(1))
    await assert.rejects(stream.close(), { ...allFailed, details: { failures: ['a: refused', 'b: refused'] } })
    assert.throws(() => stream.put(block(2)), allFailed)
  })

  test('frees an upload that waits for it', async () => {
    const { opened, open } = gate()
    const stream = blockStream([destination('a', () => opened.then(() => { throw new Error('gone') }))], { ...settings, windowBytes: 100 })
    const waiting = stream.put(block(1))
    open()
    await assert.rejects(async () => waiting, allFailed)
  })

  test('may also do so by stopping early', async () => {
    const lazy: BlockDestination = { peer: 'lazy' as PeerId, putBlocks: async () => {} }
    const stream = blockStream([lazy], settings)
    await stream.put(block(1))
    await assert.rejects(stream.close(), { ...allFailed, details: { failures: ['lazy: lazy stopped taking blocks before the end'] } })
  })

  test('by silence is given up in time, while blocks wait and at the end', async () => {
    for (const windowBytes of [100, 1_000_000]) {
      const clock = virtualClock()
      const silent = destination('silent', forever)
      const good = destination('good')
      const stream = blockStream([silent, good], { ...settings, clock, windowBytes, stallTimeoutMs: 60_000 })
      let done = false
      const putting = (async () => {
        await putAll(stream, [1, 2, 3].map(number => block(number)))
        await stream.close()
        done = true
      })()
      await clock.advance(59_000)
      assert.equal(done, false)
      await clock.advance(20_000)
      await putting
      assert.deepEqual(numbers(good.got), [1, 2, 3])
      assert.ok(silent.signal()?.aborted)
    }
  })

  test('is not one that goes on storing what it has taken, as long as it says so', async () => {
    const clock = virtualClock()
    const busy: BlockDestination = {
      peer: 'busy' as PeerId,
      async putBlocks (blocks, { onProgress }) {
        const taken = await Array.fromAsync(blocks)
        for (const _ of taken) {
          await sleep(clock, 50_000)
          onProgress?.()
        }
      },
    }
    const stream = blockStream([busy], { ...settings, clock, stallTimeoutMs: 60_000 })
    await putAll(stream, Array.from({ length: 30 }, (_, i) => block(i)))
    let isStored = false
    const closing = stream.close().then(() => { isStored = true })
    await clock.advance(30 * 50_000)
    assert.equal(isStored, true)
    await closing
  })

  test('is not one whose upload pauses', async () => {
    const clock = virtualClock()
    const peer = destination('a')
    const stream = blockStream([peer], { ...settings, clock, stallTimeoutMs: 1000 })
    await stream.put(block(1))
    await clock.advance(1_000_000)
    await stream.put(block(2))
    await stream.close()
    assert.equal(peer.got.length, 2)
  })
})

describe('without any destination', () => {
  test('the stream fails at its end, or when a window was put in vain', async () => {
    const stream = blockStream([], settings)
    await stream.put(block(1))
    await assert.rejects(stream.close(), allFailed)
    const endless = blockStream([], { ...settings, windowBytes: 5000 })
    await assert.rejects(putAll(endless, Array.from({ length: 10 }, (_, i) => block(i))), allFailed)
  })
})

describe('giving up', () => {
  test('by the signal frees the upload and tells the destinations', async () => {
    const controller = new AbortController()
    const peer = destination('a', forever)
    const stream = blockStream([peer], { ...settings, signal: controller.signal, windowBytes: 100 })
    const waiting = stream.put(block(1))
    controller.abort()
    await assert.rejects(async () => waiting, { code: 'CANCELLED' })
    await assert.rejects(stream.close(), { code: 'CANCELLED' })
    assert.equal(peer.signal()?.aborted, true)
  })

  test('before the start puts nothing', async () => {
    const stream = blockStream([destination('a')], { ...settings, signal: AbortSignal.abort() })
    assert.throws(() => stream.put(block(1)), (error: unknown) => error instanceof ClusterError && error.code === 'CANCELLED')
  })

  test('reaches a destination that waits for blocks', async () => {
    const ended = Promise.withResolvers<unknown>()
    const peer: BlockDestination = { peer: 'a' as PeerId, putBlocks: async blocks => { await Array.fromAsync(blocks).catch(ended.resolve) } }
    const stream = blockStream([peer], settings)
    await stream.put(block(1))
    stream.abort(new Error('given up'))
    assert.match(String(await ended.promise), /given up/)
  })
})
