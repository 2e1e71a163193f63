import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as dagCbor from '@ipld/dag-cbor'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import fc from 'fast-check'
import { ClusterError } from '../domain/errors.ts'
import type { Block } from '../ipfs/connector.ts'
import { hashFunctionByName } from './hash-functions.ts'
import { importCar } from './import-car.ts'
import { importUnixFs, type ImportEvent } from './import-unixfs.ts'
import { collect, generatedContent, pieces, plainAddOptions, upload } from './uploads.fixture.ts'

function varint (value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)]
}

function section (...parts: Uint8Array[]): Buffer {
  const bytes = Buffer.concat(parts)
  return Buffer.concat([Buffer.from(varint(bytes.length)), bytes])
}

function car (roots: readonly CID[], blocks: readonly Block[]): Buffer {
  return Buffer.concat([section(dagCbor.encode({ version: 1, roots })), ...blocks.map(({ cid, bytes }) => section(cid.bytes, bytes))])
}

/** An archive of version 2 around one of version 1, with padding before it and an index after it. */
function carVersion2 (inner: Buffer, paddingBytes = 7): Buffer {
  const header = Buffer.alloc(40)
  header.writeBigUInt64LE(BigInt(11 + 40 + paddingBytes), 16)
  header.writeBigUInt64LE(BigInt(inner.length), 24)
  header.writeBigUInt64LE(BigInt(11 + 40 + paddingBytes + inner.length), 32)
  return Buffer.concat([Buffer.from('0aa16776657273696f6e02', 'hex'), header, Buffer.alloc(paddingBytes), inner, Buffer.from('an index')])
}

async function block (codec: number, bytes: Uint8Array, hashName = 'sha2-256'): Promise<Block> {
  const hash = await hashFunctionByName(hashName)
  return { cid: CID.createV1(codec, createDigest(hash.code, hash.digest(bytes))), bytes }
}

async function read (bytes: Uint8Array, pieceBytes = 1000): Promise<{ events: ImportEvent[], blocks: Block[] }> {
  const blocks: Block[] = []
  const entry = { path: 'x.car', kind: 'file' as const, content: pieces(bytes, pieceBytes) }
  const events = await collect(importCar((async function * () { yield entry })(), { wrap: false }, { put: block => { blocks.push(block); return undefined } }))
  return { events, blocks }
}

function refuses (bytes: Uint8Array, message: string | RegExp): Promise<void> {
  return assert.rejects(read(bytes), { code: 'ADD_REFUSED', message })
}

const leaf = await block(0x55, Buffer.from('car block'))

describe('an archive', () => {
  test('gives its blocks and its root', async () => {
    for (const bytes of [car([leaf.cid], [leaf]), carVersion2(car([leaf.cid], [leaf])), carVersion2(car([leaf.cid], [leaf]), 0)]) {
      for (const pieceBytes of [1, 7, 1000]) {
        const { events, blocks } = await read(bytes, pieceBytes)
        assert.deepEqual(blocks.map(({ cid, bytes }) => [String(cid), Buffer.from(bytes).toString()]), [[String(leaf.cid), 'car block']])
        assert.deepEqual(events, [{ kind: 'entry', name: 'x.car', cid: String(leaf.cid), bytes: 9, sizeBytes: 0, root: true }])
      }
    }
  })

  test('of a UnixFS file tells the size of its content', async () => {
    const blocks: Block[] = []
    const [added] = await collect(importUnixFs(upload([{ path: 'f', content: generatedContent(1, 600_000) }]), plainAddOptions, { put: block => { blocks.push(block); return undefined } }))
    const root = blocks.at(-1) as Block
    const { events } = await read(car([root.cid], blocks))
    assert.deepEqual(events, [{ kind: 'entry', name: 'x.car', cid: added?.kind === 'entry' ? added.cid : '', bytes: blocks.reduce((sum, { bytes }) => sum + bytes.length, 0), sizeBytes: 600_000, root: true }])
  })

  test('may hold part of a DAG, any codec and any hash function', async () => {
    const blocks = await Promise.all([block(0x71, dagCbor.encode({ a: 1 })), block(0x0129, Buffer.from('{}')), block(0x55, Buffer.from('b2'), 'blake2b-256'), block(0x55, Buffer.from('id'), 'identity')])
    assert.equal((await read(car([leaf.cid], blocks))).blocks.length, 4)
  })

  test('may have shortened digests, as long as IPFS nodes take them', async () => {
    const shortened = (digest: Uint8Array, code = 0x12): Block => ({ cid: CID.createV1(0x55, createDigest(code, digest)), bytes: leaf.bytes })
    const digest = leaf.cid.multihash.digest
    assert.equal((await read(car([leaf.cid], [shortened(digest.subarray(0, 20)), shortened(digest.subarray(0, 31))]))).blocks.length, 2)
    await refuses(car([leaf.cid], [shortened(digest.subarray(0, 19))]), /^mismatch in content integrity/)
    await refuses(car([leaf.cid], [shortened(digest.subarray(1, 21))]), /^mismatch in content integrity/)
    const content = Buffer.from('longer than the shortest digest')
    await refuses(car([leaf.cid], [{ ...shortened(content.subarray(0, 20), 0), bytes: content }]), /^mismatch in content integrity/)
  })

  test('of anything but a UnixFS file tells no size', async () => {
    const { encode, prepare } = await import('@ipld/dag-pb')
    const { UnixFS } = await import('ipfs-unixfs')
    const sizes = await Promise.all([undefined, Buffer.from('no UnixFS'), new UnixFS({ type: 'directory' }).marshal(), new UnixFS({ type: 'file', data: Buffer.from('abc') }).marshal()].map(async data => {
      const root = await block(0x70, encode(prepare(data === undefined ? {} : { Data: data })))
      return (await read(car([root.cid], [root, leaf]))).events.map(event => event.kind === 'entry' && event.sizeBytes)
    }))
    assert.deepEqual(sizes, [[0], [0], [0], [3]])
    const notDagPb = await block(0x70, Buffer.from('no dag-pb'))
    assert.deepEqual((await read(car([notDagPb.cid], [notDagPb]))).events.map(event => event.kind === 'entry' && event.sizeBytes), [0])
  })

  test('is read no faster than its blocks are taken', async () => {
    const blocks = await Promise.all(Array.from({ length: 10 }, (_, n) => block(0x55, Buffer.from(`block ${n}`))))
    const root = blocks[0] as Block
    let taken = 0
    let goOn = (): void => {}
    const reading = collect(importCar(upload([{ path: 'x', content: car([root.cid], blocks) }]), { wrap: false }, { put: () => { taken++; return new Promise(resolve => { goOn = resolve }) } }))
    for (let n = 1; n <= blocks.length; n++) {
      for (let turn = 0; turn < 5; turn++) await new Promise(resolve => { setImmediate(resolve) })
      assert.equal(taken, n)
      goOn()
    }
    await reading
  })

  test('ends at its padding', async () => {
    assert.equal((await read(Buffer.concat([car([leaf.cid], [leaf]), Buffer.alloc(10)]))).blocks.length, 1)
  })
})

describe('refused', () => {
  const whole = car([leaf.cid], [leaf])

  test('what is no archive', async () => {
    await refuses(Buffer.from(''), 'EOF')
    await refuses(Buffer.from('not a car'), 'unexpected EOF')
    await refuses(section(Buffer.from([0xff])), /^invalid header: /)
    await refuses(section(dagCbor.encode({ version: 3 })), 'invalid car version: 3')
    await refuses(section(dagCbor.encode({ roots: [] })), 'invalid header: no version')
    await refuses(section(dagCbor.encode({ version: 1, roots: ['x'] })), 'invalid header: a root is no CID')
    await refuses(Buffer.concat([Buffer.from('0aa16776657273696f6e02', 'hex'), Buffer.alloc(40)]), /the data has no place/)
  })

  test('no root, two roots, no block', async () => {
    await refuses(car([], [leaf]), 'empty car, no roots')
    await refuses(car([leaf.cid, leaf.cid], [leaf]), 'only CAR files with a single root are supported')
    await refuses(car([leaf.cid], []), 'the CAR file holds no block')
  })

  test('an archive that is cut off inside of a section', async () => {
    const headerBytes = car([leaf.cid], []).length
    for (let length = 1; length < whole.length; length++) {
      await refuses(whole.subarray(0, length), length === headerBytes ? 'the CAR file holds no block' : 'unexpected EOF')
    }
  })

  test('an archive of version 2 that is cut off, or that holds another of version 2', async () => {
    const version2 = carVersion2(whole)
    const end = version2.length - 'an index'.length
    const headerEnd = end - whole.length + car([leaf.cid], []).length
    for (let length = 1; length < end; length++) {
      const message = length === headerEnd ? 'the CAR file holds no block' : length === headerEnd - car([leaf.cid], []).length ? 'EOF' : 'unexpected EOF'
      await refuses(version2.subarray(0, length), message)
    }
    assert.equal((await read(version2.subarray(0, end))).blocks.length, 1, 'the index may be missing')
    await refuses(carVersion2(version2), 'invalid car version: 2')
  })

  test('a block that is not what its CID says', async () => {
    const wrong = await block(0x55, Buffer.from('car blocK'))
    await refuses(car([leaf.cid], [{ cid: leaf.cid, bytes: wrong.bytes }]), `mismatch in content integrity, name: ${leaf.cid}, data: ${wrong.cid}`)
    const unknown: Block = { cid: CID.createV1(0x55, createDigest(0x1a, new Uint8Array(28))), bytes: leaf.bytes }
    await refuses(car([leaf.cid], [unknown]), 'unknown multihash code 26 (0x1a): no such hash registered')
  })

  test('sections that are too long or lead out of the data', async () => {
    await refuses(Buffer.concat([whole, Buffer.from('ffffffff0f', 'hex')]), /MaxAllowedSectionSize/)
    await refuses(Buffer.from('808080808080808080808001', 'hex'), /does not end/)
    const version2 = carVersion2(whole)
    version2.writeBigUInt64LE(BigInt(whole.length - 1), 11 + 24)
    await refuses(version2, /beyond the data/)
  })

  test('a folder, and a file inside of one', async () => {
    for (const entry of [{ path: 'd', kind: 'directory' as const }, { path: 'd/x.car' }]) {
      await assert.rejects(collect(importCar(upload([entry]), { wrap: false }, { put: () => undefined })), { message: 'expected CAR file is not of type file' })
    }
  })

  test('damage anywhere ends in an error of ours or leaves every block true', async () => {
    await fc.assert(fc.asyncProperty(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
      const bytes = Buffer.from(whole)
      bytes[at] = (bytes[at] as number) ^ change
      try {
        const { blocks } = await read(bytes)
        for (const { cid, bytes } of blocks) assert.deepEqual(Buffer.from(bytes), Buffer.from(leaf.bytes), String(cid))
      } catch (error) {
        assert.ok(error instanceof ClusterError, String(error))
      }
    }), { numRuns: 500 })
  })
})
