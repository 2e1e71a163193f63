import assert from 'node:assert/strict'
import { mkdtemp, open, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { encode as encodeCbor } from '@ipld/dag-cbor'
import { encode as encodePb } from '@ipld/dag-pb'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import { virtualClock } from '../../platform/virtual-clock.ts'
import { blockLinks } from './block-links.ts'
import { BlockSet } from './block-set.ts'
import { requestedRange } from './byte-range.ts'
import { cidParts, codecs } from './cid-parts.ts'
import { contentType } from './content-type.ts'
import { LinkStack } from './link-stack.ts'
import { murmur3 } from './murmur3.ts'
import { Operations } from './operations.ts'
import { Slots } from './slots.ts'
import { StallWatch } from './stall-watch.ts'
import { decodeUnixfs } from './unixfs.ts'

const cids = fc.tuple(fc.constantFrom(0x55, 0x70, 0x71, 0x0129), fc.uint8Array({ minLength: 32, maxLength: 32 })).map(([codec, digest]) => CID.createV1(codec, createDigest(0x12, digest)))

test('the links of a block are those that its codec writes', () => {
  fc.assert(fc.property(fc.letrec(tie => ({
    node: fc.oneof({ depthSize: 'small' }, cids, fc.string(), fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean(), fc.constant(null), fc.uint8Array(), fc.array(tie('node'), { maxLength: 6 }), fc.dictionary(fc.string(), tie('node'), { maxKeys: 6 })),
  })).node, node => {
    const found = new Set<string>()
    const rest: unknown[] = [node]
    while (rest.length > 0) {
      const value = rest.pop()
      const cid = CID.asCID(value)
      if (cid !== null) found.add(cid.toString())
      else if (typeof value === 'object' && value !== null && !(value instanceof Uint8Array)) rest.push(...Object.values(value))
    }
    assert.deepEqual(new Set(blockLinks(codecs.dagCbor, encodeCbor(node)).map(bytes => CID.decode(bytes).toString())), found)
  }))
  fc.assert(fc.property(fc.array(cids), links => {
    const bytes = encodePb({ Data: Buffer.from('data'), Links: links.map(Hash => ({ Name: '', Tsize: 1, Hash })) })
    assert.deepEqual(blockLinks(codecs.dagPb, bytes).map(link => CID.decode(link).toString()), links.map(String))
    const json = Buffer.from(JSON.stringify({ a: links.map(link => ({ '/': link.toString() })), b: { '/': { bytes: 'AAA' } } }))
    assert.deepEqual(blockLinks(codecs.dagJson, json).map(link => CID.decode(link).toString()), links.map(String))
  }))
  assert.deepEqual(blockLinks(codecs.raw, Buffer.from('anything')), [])
  assert.throws(() => blockLinks(0x1234, Buffer.from('')), { code: 'IPFS_ANSWER', message: /no decoder registered for multicodec code 4660/ })
})

test('bytes from anybody are links or a clear error, however deep they pretend to be', () => {
  fc.assert(fc.property(fc.constantFrom(codecs.dagPb, codecs.dagCbor, codecs.dagJson), fc.uint8Array({ maxLength: 300 }), (codec, bytes) => {
    try {
      blockLinks(codec, bytes)
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'IPFS_ANSWER')
    }
  }))
  const deep = Buffer.alloc(1_000_000, 0x81)
  deep[deep.length - 1] = 0x01
  assert.deepEqual(blockLinks(codecs.dagCbor, deep), [])
  assert.throws(() => blockLinks(codecs.dagCbor, Uint8Array.of(0x9b, 0, 0, 0x0f, 0xff, 0xff, 0xff, 0xff, 0xff)), { code: 'IPFS_ANSWER' })
  fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), bytes => {
    try {
      cidParts(bytes)
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'INVALID_CID')
    }
  }))
})

test('a stack of links gives each back once with its depth, from memory or from its file', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'links-'))
  try {
    await fc.assert(fc.asyncProperty(fc.array(fc.tuple(fc.array(fc.uint8Array({ minLength: 4, maxLength: 60 }), { maxLength: 20 }), fc.integer({ min: -1, max: 3 }), fc.nat({ max: 15 })), { maxLength: 60 }), async steps => {
      const stack = new LinkStack(join(folder, 'spill'), 200)
      const describe = (cid: Uint8Array, depth: number): string => `${depth}:${Buffer.from(cid).toString('hex')}`
      const pushed: string[] = []
      const popped: string[] = []
      const pop = async (): Promise<boolean> => {
        await stack.settle()
        const link = stack.pop()
        if (link !== undefined) popped.push(describe(link.cid, link.depth))
        return link !== undefined
      }
      for (const [links, depth, pops] of steps) {
        stack.push(links, depth)
        pushed.push(...links.map(link => describe(link, depth)))
        for (let i = 0; i < pops; i++) await pop()
      }
      while (await pop()) assert.ok(popped.length <= pushed.length)
      assert.ok(stack.isEmpty)
      assert.deepEqual(popped.toSorted(), pushed.toSorted())
      await stack.close()
    }), { numRuns: 60 })
    assert.deepEqual(await readdir(folder), [], 'no file is left')
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('links are read whatever size their maker says is below them', () => {
  const [link] = fc.sample(cids, { numRuns: 1, seed: 1 }) as [CID]
  for (const Tsize of [2 ** 49 - 1, 2 ** 49, Number.MAX_SAFE_INTEGER]) {
    const bytes = encodePb({ Data: Buffer.of(8, 1), Links: [{ Name: 'petabytes', Tsize, Hash: link }] })
    assert.deepEqual(blockLinks(codecs.dagPb, bytes).map(found => CID.decode(found).toString()), [link.toString()])
    assert.deepEqual(decodeUnixfs(bytes).links.map(({ name, totalBytes }) => [name, totalBytes]), [['petabytes', Tsize]])
  }
})

test('links of one block that are more than the memory has room for are written once, and come in their order', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'links-'))
  const handle = await open(join(folder, 'any'), 'w')
  const prototype = Object.getPrototypeOf(handle) as { write (buffer: Buffer, offset: number, length: number, position: number): Promise<unknown> }
  await handle.close()
  await rm(join(folder, 'any'))
  const { write } = prototype
  let writtenBytes = 0
  prototype.write = function (buffer, offset, length, position) {
    // As a disk does that fills up and has room again.
    const taken = Math.min(length, 700)
    writtenBytes += taken
    return write.call(this, buffer, offset, taken, position)
  }
  try {
    const stack = new LinkStack(join(folder, 'spill'), 4_000)
    const links = Array.from({ length: 1_000 }, (_, n) => Buffer.from(`link number ${n}`))
    stack.push(links, -1)
    const popped: string[] = []
    while (!stack.isEmpty) {
      await stack.settle()
      for (let n = 0; n < 10; n++) {
        const link = stack.pop()
        if (link !== undefined) popped.push(Buffer.from(link.cid).toString())
      }
    }
    await stack.close()
    assert.deepEqual(popped, links.map(String))
    assert.ok(writtenBytes < 20_000, `${writtenBytes} bytes were written for ${Buffer.concat(links).length}`)
    assert.deepEqual(await readdir(folder), [])
  } finally {
    prototype.write = write
    await rm(folder, { recursive: true })
  }
})

test('a set of blocks behaves like a set', () => {
  const locations = fc.record({ segment: fc.integer({ min: 1, max: 3 }), ordinal: fc.nat({ max: 5000 }), offset: fc.constant(0), sizeBytes: fc.constant(0) })
  fc.assert(fc.property(fc.array(locations), fc.array(locations), (first, second) => {
    const name = ({ segment, ordinal }: { segment: number, ordinal: number }): string => `${segment}/${ordinal}`
    const model = new Set<string>()
    const [set, other] = [new BlockSet(), new BlockSet()]
    for (const location of first) {
      assert.equal(set.add(location), !model.has(name(location)))
      model.add(name(location))
    }
    for (const location of second) other.add(location)
    set.addAll(other)
    const both = new Set([...model, ...second.map(name)])
    for (const location of [...first, ...second]) assert.ok(set.has(location))
    for (let ordinal = 0; ordinal < 5000; ordinal += 37) assert.equal(set.has({ segment: 2, ordinal, offset: 0, sizeBytes: 0 }), both.has(`2/${ordinal}`))
    set.forget(2)
    for (const location of first) assert.equal(set.has(location), location.segment !== 2)
  }))
})

test('murmur3 gives the known answers', () => {
  const of = (content: string): string => murmur3(Buffer.from(content)).toString(16).padStart(16, '0')
  assert.equal(of(''), '0000000000000000')
  assert.equal(of('hello'), 'cbd8a7b341bd9b02')
  assert.equal(of('The quick brown fox jumps over the lazy dog'), 'e34bbc7bbc071b6c')
})

test('ranges of bytes are read as HTTP means them', () => {
  const cases: Array<[string | undefined, ReturnType<typeof requestedRange>]> = [
    [undefined, undefined], ['bytes=0-4', { from: 0, to: 5 }], ['bytes=5-', { from: 5, to: 10 }], ['bytes=-3', { from: 7, to: 10 }], ['bytes=-99', { from: 0, to: 10 }],
    ['bytes=2-99', { from: 2, to: 10 }], ['bytes=10-', 'unsatisfiable'], ['bytes=-0', 'unsatisfiable'], ['bytes=4-2', undefined], ['bytes=-', undefined],
    ['bytes=0-1,4-5', undefined], ['lines=1-2', undefined], ['bytes=a-b', undefined],
  ]
  for (const [header, expected] of cases) assert.deepEqual(requestedRange(header, 10), expected, String(header))
})

test('types are known by name, then by content', () => {
  assert.equal(contentType('a.HTML', Buffer.from('')), 'text/html; charset=utf-8')
  assert.equal(contentType('', Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')), 'image/png')
  assert.equal(contentType('', Buffer.from('  <!DOCTYPE html><p>')), 'text/html; charset=utf-8')
  assert.equal(contentType('', Buffer.from('plain words, gr\u00fcn')), 'text/plain; charset=utf-8')
  assert.equal(contentType('constructor.constructor', Uint8Array.of(0, 1, 2)), 'application/octet-stream')
})

test('slots are given in order, and back when the work fails or the signal ends the wait', async () => {
  const slots = new Slots(2)
  const never = new AbortController().signal
  const order: number[] = []
  const { promise: gate, resolve: openGate } = Promise.withResolvers<void>()
  const running = [0, 1, 2, 3].map(i => slots.run(never, async () => {
    order.push(i)
    await gate
    if (i === 0) throw new Error('failed')
  }).catch(() => {}))
  await Promise.resolve()
  assert.equal(slots.isContended, true)
  const leaving = new AbortController()
  const left = slots.run(leaving.signal, async () => { order.push(9) })
  leaving.abort(new Error('gone'))
  await assert.rejects(left, /gone/)
  openGate()
  await Promise.all(running)
  assert.deepEqual(order, [0, 1, 2, 3])
  assert.equal(slots.isContended, false)
})

test('what takes too long ends, with a limit of 0 it never does', async () => {
  const clock = virtualClock()
  const operations = new Operations(clock)
  const untilAborted = (signal: AbortSignal): Promise<void> => new Promise((_, reject) => { signal.addEventListener('abort', () => { reject(signal.reason) }) })
  const limited = assert.rejects(operations.run({ timeoutMs: 5_000, what: 'waiting' }, untilAborted), { code: 'TIMED_OUT', message: 'waiting took longer than 5 s' })
  let ended = false
  const unlimited = assert.rejects(operations.run({ timeoutMs: 0, what: 'waiting' }, untilAborted).finally(() => { ended = true }), { code: 'CANCELLED' })
  const stalled: string[] = []
  const watches = [5_000, 0].map(timeoutMs => new StallWatch(clock, timeoutMs, () => { stalled.push(`after ${timeoutMs}`) }))
  for (const watch of watches) watch.progress()
  await clock.advance(4_000)
  for (const watch of watches) watch.progress()
  await clock.advance(4_000)
  assert.deepEqual(stalled, [], 'progress begins the wait anew')
  await clock.advance(86_400_000)
  assert.deepEqual(stalled, ['after 5000'])
  for (const watch of watches) watch.close()
  assert.equal(ended, false)
  await limited
  await operations.stop()
  await unlimited
})
