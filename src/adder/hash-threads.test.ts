import assert from 'node:assert/strict'
import { availableParallelism } from 'node:os'
import { after, describe, test } from 'node:test'
import { systemClock } from '../platform/clock.ts'
import { virtualClock } from '../platform/virtual-clock.ts'
import { hashFunctionByName } from './hash-functions.ts'
import { hashThreads, type HashedBytes } from './hash-threads.ts'
import { importUnixFs } from './import-unixfs.ts'
import { kuboCids } from './kubo-cids.fixture.ts'
import { collect, generatedContent, plainAddOptions, upload } from './uploads.fixture.ts'

const sha256 = 'sha256'

/** Bytes with memory of their own, between 32 bytes of something else. */
function handedOver (seed: number, length: number): Buffer {
  const memory = Buffer.allocUnsafeSlow(length + 64)
  generatedContent(seed, length).copy(memory, 32)
  return memory.subarray(32, 32 + length)
}

describe('threads that hash', { skip: availableParallelism() < 2 && 'one processor: nobody would help' }, () => {
  const threads = hashThreads(systemClock)
  after(() => threads.stop())

  test('give the memory back with what the caller would have hashed', async () => {
    for (const name of ['sha2-256', 'sha1', 'blake2b-512', 'sha3-512']) {
      const hash = await hashFunctionByName(name)
      const given = [1, 2, 3, 4, 5].map(seed => handedOver(seed, 100_000 + seed))
      const promises = given.map(bytes => threads.hash(hash.algorithm as string, bytes) as Promise<HashedBytes>)
      assert.ok(given.every(bytes => bytes.length === 0), 'the memory is away meanwhile')
      for (const [i, { bytes, digest }] of (await Promise.all(promises)).entries()) {
        const content = generatedContent(i + 1, 100_001 + i)
        assert.ok(content.equals(bytes))
        assert.deepEqual(Buffer.from(digest), Buffer.from(hash.digest(content)), name)
      }
    }
  })

  test('leave alone what is small, or lies in memory that others use', () => {
    const small = handedOver(1, 1000)
    assert.equal(threads.hash(sha256, small), undefined)
    const shared = generatedContent(1, 1_000_000)
    assert.equal(threads.hash(sha256, shared.subarray(0, 100_000)), undefined)
    assert.deepEqual([small.length, shared.length], [1000, 1_000_000])
  })

  test('make the same CIDs as Kubo', async () => {
    const large = kuboCids.filter(({ bytes, folder }) => bytes > 2_000_000 && folder === undefined)
    assert.ok(large.length > 3)
    for (const { bytes, zeros, options, cid } of large) {
      const content = zeros === true ? Buffer.alloc(bytes) : generatedContent(7, bytes)
      const events = await collect(importUnixFs(upload([{ path: 'f', content }]), { ...plainAddOptions, ...options }, { put: () => undefined }, threads))
      const last = events.at(-1)
      assert.equal(last?.kind === 'entry' ? last.cid : undefined, cid, JSON.stringify({ bytes, options }))
    }
  })

  test('tell of one that broke down, and go on with others', async () => {
    await assert.rejects(threads.hash('no such function', handedOver(1, 100_000)) as Promise<HashedBytes>, { code: 'INTERNAL' })
    const { bytes } = await (threads.hash(sha256, handedOver(1, 100_000)) as Promise<HashedBytes>)
    assert.equal(bytes.length, 100_000)
  })

  test('end after a while without work, and start anew with it', async () => {
    const clock = virtualClock()
    const idle = hashThreads(clock)
    for (let round = 0; round < 2; round++) {
      await idle.hash(sha256, handedOver(1, 100_000))
      assert.equal(idle.count(), 1)
      await clock.advance(60_000)
      assert.equal(idle.count(), 0)
    }
    await idle.stop()
  })

  test('tell those who wait for them when they are stopped, and take nothing more', async () => {
    const stopping = hashThreads(systemClock)
    const waiting = stopping.hash(sha256, handedOver(1, 100_000)) as Promise<HashedBytes>
    const rejected = assert.rejects(waiting, { code: 'CANCELLED' })
    await stopping.stop()
    await rejected
    assert.equal(stopping.hash(sha256, handedOver(1, 100_000)), undefined)
  })
})
