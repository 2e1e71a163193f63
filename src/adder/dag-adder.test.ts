import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { getEventListeners } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { cidFromBytes, type Cid } from '../domain/cid.ts'
import { ClusterError, errorText } from '../domain/errors.ts'
import type { AddedOutput, PeerId } from '../domain/peer.ts'
import { defaultPinOptions, type Pin, type PinOptions } from '../domain/pin.ts'
import { decodeQuery } from '../codec/query.ts'
import type { Block } from '../ipfs/connector.ts'
import { silentLoggers } from '../platform/logger.ts'
import { noMetrics } from '../platform/metrics.ts'
import { systemRandom } from '../platform/random.ts'
import { virtualClock } from '../platform/virtual-clock.ts'
import { addOptionsFromQuery } from './add-options.ts'
import type { AddOptions } from './adder.ts'
import { dagAdder } from './dag-adder.ts'
import type { DagAdderParts } from './dag-store.ts'
import { readUpload } from './multipart.ts'
import { collect, generatedContent, pieces, plainAddOptions, upload, type FixtureEntry } from './uploads.fixture.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const self = '12D3KooWSelf' as PeerId
const other = '12D3KooWOther' as PeerId

/** Peers that keep blocks by CID, and what was asked of them. */
function peers (parts: Partial<DagAdderParts> = {}, allocated: readonly PeerId[] = [self]) {
  const blocks = new Map<PeerId, Map<string, Uint8Array>>()
  const pins: Array<{ root: Cid, options: PinOptions, allocations: readonly PeerId[] }> = []
  const items: Pin[] = []
  let allocations = 0
  const adder = dagAdder({
    self,
    destinations: { allocate: async () => { allocations++; return [...allocated] } },
    destinationFor: peer => ({
      peer,
      async putBlocks (stream) {
        const kept = blocks.get(peer) ?? new Map<string, Uint8Array>()
        blocks.set(peer, kept)
        for await (const { cid, bytes } of stream) kept.set(cidFromBytes(cid.bytes), bytes)
      },
    }),
    pinRoot: async (root, options, allocations) => { pins.push({ root, options, allocations }) },
    pinItem: async pin => {
      items.push(pin)
      return { pin, isNew: true }
    },
    platform: { clock: virtualClock(), random: systemRandom, loggers: silentLoggers, metrics: noMetrics },
    ...parts,
  })
  return {
    blocks, pins, items,
    allocations: () => allocations,
    add: (entries: readonly FixtureEntry[], options: Partial<AddOptions> = {}, signal?: AbortSignal) => adder.add(upload(entries), { ...plainAddOptions, ...options }, { signal }),
    adder,
  }
}

function lines (outputs: readonly AddedOutput[]): string[] {
  return outputs.map(({ name, cid, bytes, size }) => cid === undefined ? `… ${name} ${bytes}` : `${name} ${cid} ${size}`)
}

const cidOfA = 'QmNqQKFq7xqQz76aGTihW8UJvRmat52i3rSKjDMmDpHmVi'
const cidOfB = 'Qmd4fAUaWxHDDXXTNFck2xdug2znuyd2Ry8NKbAdkvHqiz'

describe('what comes out', () => {
  test('each file and folder with its whole size, the root last', async () => {
    const { add, pins } = peers()
    const outputs = await collect(add([{ path: 'd/e/f/x', content: 'xxx' }, { path: 'd/e/y', content: 'y' }, { path: 'd/a', content: 'a' }, { path: 'd/e/f/z', content: 'z' }]))
    assert.deepEqual(lines(outputs), [
      'd/e/f/x QmSV6zEuTugz7FuVU3tY7mog2UWJRNAjxPKhhqpKLMY7Xh 11',
      'd/e/y QmTwEE2eSyzcvUctxP2negypGDtj7DQDKVy8s3Rvp6y6Pc 9',
      'd/a QmfDmsHTywy6L9Ne5RXsj5YumDedfBLMvCvmaxjBoe6w4d 9',
      'd/e/f/z QmeKP7rhE6bJnRUPqpRaDsk7K4mREkA9kAoBDK59ApegtF 9',
      'd/e/f QmatsBKnt7Sf2nsPnYk21dAATv52wAwedBZf31imgD7rY4 110',
      'd/e Qmf8BY6JbfnDWsTiSEteEA89u1dQddPySNXQDXjMAnVuZh 209',
      'd QmcSv2Vt8AHN779tmu31cXAuodc3n6s9koY2ZbLyxntowJ 309',
    ])
    assert.deepEqual(pins.map(({ root }) => root), ['QmcSv2Vt8AHN779tmu31cXAuodc3n6s9koY2ZbLyxntowJ'])
    assert.deepEqual(outputs[0]?.allocations, [self])
  })

  test('where a root cannot be pinned no more are, and the add fails', async () => {
    let tried = 0
    let atOnce = 0
    let most = 0
    const { add } = peers({ pinRoot: async () => {
      most = Math.max(most, ++atOnce)
      await new Promise(resolve => { setImmediate(resolve) })
      atOnce--
      if (++tried === 100) throw new ClusterError('STORE_FAILED', 'disk full')
    } })
    await assert.rejects(collect(add(Array.from({ length: 1_000 }, (_, n) => ({ path: `f${n}`, content: `${n}` })))), { code: 'STORE_FAILED' })
    while (atOnce > 0) await new Promise(resolve => { setImmediate(resolve) })
    assert.ok(tried < 200, `${tried} were tried`)
    assert.equal(most, 64)
  })

  test('every root is pinned, and none holds what belongs to another', async () => {
    const { add, pins } = peers()
    const outputs = await collect(add([
      { path: 'd1', kind: 'directory' }, { path: 'd1/a', content: 'aaa' }, { path: 'z', content: 'zzz' }, { path: 'd2', kind: 'directory' }, { path: 'd2/b', content: 'bbb' },
    ]))
    assert.deepEqual(lines(outputs), [
      `d1/a ${cidOfA} 11`,
      'd1 QmU3mkpAazrZp4Zx2GFP4fQd9hmPr5jCN6Tn9PHPPyzXHF 58',
      'z QmSyzuRuKYZYYDVZs788GgBhL8zqgf78kZajRih3pXPdvy 11',
      `d2/b ${cidOfB} 11`,
      'd2 QmULzQXKtro4E1N3E7x2qY9wtfXULWcBexJxp2fWv1r3hL 58',
    ])
    assert.deepEqual(pins.map(({ root }) => root), ['QmU3mkpAazrZp4Zx2GFP4fQd9hmPr5jCN6Tn9PHPPyzXHF', 'QmSyzuRuKYZYYDVZs788GgBhL8zqgf78kZajRih3pXPdvy', 'QmULzQXKtro4E1N3E7x2qY9wtfXULWcBexJxp2fWv1r3hL'])
  })

  test('a wrapping folder has no name and takes files without a name under their CID', async () => {
    const { add, pins } = peers()
    assert.deepEqual(lines(await collect(add([{ path: '', content: 'y' }], { wrap: true }))), [
      ' QmTwEE2eSyzcvUctxP2negypGDtj7DQDKVy8s3Rvp6y6Pc 9',
      ' QmQUv9eW5bstYF5EEGsZn8rnmEkzXM2wg2SEBEzVcgyvky 101',
    ])
    assert.equal(pins.length, 1)
    assert.deepEqual(lines(await collect(add([{ path: 'b', content: 'y' }, { path: 'b', content: 'z' }], { wrap: true }))).at(-1), ' QmaWf3s5VKrhDXUr3omBcnWHq7XEzGZR7PoHZVgwqRG7Kn 56')
  })

  test('a file and a folder of one name are refused', async () => {
    const exists = { code: 'ADD_REFUSED', message: 'directory already has entry by that name' }
    await assert.rejects(collect(peers().add([{ path: 'b/c', content: 'y' }, { path: 'b', content: 'z' }], { wrap: true })), exists)
    await assert.rejects(collect(peers().add([{ path: 'b', content: 'y' }, { path: 'b/c', content: 'z' }], { wrap: true })), exists)
    await assert.rejects(collect(peers().add([{ path: 'd', kind: 'directory' }, { path: 'd', content: 'z' }])), exists)
  })

  test('progress comes every 256 KiB and at the end of each file', async () => {
    const { add } = peers()
    const outputs = lines(await collect(add([{ path: 'a', content: 'x'.repeat(600000) }, { path: 'b' }, { path: 'd/c', content: 'hello' }], { progress: true })))
    assert.deepEqual(outputs, [
      '…  262144', '…  524288', '…  600000', 'a QmWaFjtmiNKM4z2GkDuVqoLhyBdq5amu7cP2jCYYxzvG8F 600194',
      '…  0', 'b QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH 6',
      '… c 5', 'd/c QmWfVY9y3xjsixTgbd9AorQxH7VtMpzfx2HaWtsoUYecaX 13',
      // The reference merges the folder with the files before it; this is the folder alone.
      lines(await collect(add([{ path: 'd/c', content: 'hello' }]))).at(-1),
    ])
  })
})

describe('where it goes', () => {
  test('peers are chosen once, at the first block, and all get all blocks', async () => {
    const { add, allocations, blocks, pins } = peers({}, [self, other])
    const outputs = await collect(add([{ path: 'f', content: generatedContent(3, 1_000_000) }]))
    assert.equal(allocations(), 1)
    assert.equal(blocks.get(self)?.size, 5)
    assert.deepEqual(blocks.get(self), blocks.get(other))
    assert.deepEqual(pins[0]?.allocations, [self, other])
    assert.deepEqual(outputs[0]?.allocations, [self, other])
  })

  test('the memory of stored blocks is used again, and not before every peer has done with it', async () => {
    const content = generatedContent(5, 12_000_000)
    const memories = new Set<ArrayBufferLike>()
    let stored = 0
    const { add } = peers({
      destinationFor: peer => ({
        peer,
        async putBlocks (blocks) {
          const waiting: Block[] = []
          const store = ({ cid, bytes, release }: Block): void => {
            stored++
            memories.add(bytes.buffer)
            assert.equal(Buffer.compare(cid.multihash.digest, createHash('sha256').update(bytes).digest()), 0)
            release?.()
          }
          for await (const block of blocks) {
            waiting.push(block)
            // One peer is always some blocks behind the other.
            if (waiting.length > (peer === self ? 0 : 7)) store(waiting.shift() as Block)
          }
          for (const block of waiting) store(block)
        },
      }),
    }, [self, other])
    assert.equal((await collect(add([{ path: 'f', content }]))).at(-1)?.cid, (await collect(peers().add([{ path: 'f', content }]))).at(-1)?.cid)
    assert.equal(stored, 2 * 47)
    assert.ok(memories.size < 30, `memory was taken ${memories.size} times`)
  })

  test('a refused allocation ends the add and pins nothing', async () => {
    const { add, pins } = peers({ destinations: { allocate: async () => { throw new ClusterError('NOT_ENOUGH_PEERS', 'not enough peers') } } })
    await assert.rejects(collect(add([{ path: 'f', content: 'x' }])), { message: 'not enough peers' })
    assert.deepEqual(pins, [])
  })

  test('without peers in the allocation the blocks go here and everybody pins', async () => {
    const { add, blocks, pins } = peers({}, [])
    const outputs = await collect(add([{ path: 'f', content: 'x' }]))
    assert.deepEqual([...blocks.keys()], [self])
    assert.deepEqual(outputs[0]?.allocations, [])
    assert.deepEqual(pins[0]?.allocations, [])
  })

  test('local: blocks come here only, and this peer takes the place of the last holder', async () => {
    const here = peers({}, [self, other])
    await collect(here.add([{ path: 'f', content: 'x' }], { local: true }))
    assert.deepEqual([...here.blocks.keys()], [self])
    assert.deepEqual(here.pins[0]?.allocations, [self, other])

    const third = '12D3KooWThird' as PeerId
    const elsewhere = peers({}, [other, third])
    await collect(elsewhere.add([{ path: 'f', content: 'x' }], { local: true }))
    assert.deepEqual([...elsewhere.blocks.keys()], [self])
    assert.deepEqual(elsewhere.pins[0]?.allocations, [other, self])

    const byUser = peers({}, [other, third])
    await collect(byUser.add([{ path: 'f', content: 'x' }], { local: true, pin: { ...defaultPinOptions, userAllocations: [other] } }))
    assert.deepEqual([...byUser.blocks.keys()], [self])
    assert.deepEqual(byUser.pins[0]?.allocations, [other, third])
  })

  test('pinned everywhere means no holders; the pin is recursive and replaces nothing', async () => {
    const { add, pins } = peers({}, [self, other])
    await collect(add([{ path: 'f', content: 'x' }], { pin: { ...defaultPinOptions, replicationFactorMin: -1, replicationFactorMax: -1, name: 'n', mode: 'direct', pinUpdate: cidOfA as Cid } }))
    assert.deepEqual(pins, [{ root: pins[0]?.root, options: { ...defaultPinOptions, replicationFactorMin: -1, replicationFactorMax: -1, name: 'n' }, allocations: [] }])
  })

  describe('with a peer that fails', () => {
    const third = '12D3KooWThird' as PeerId
    const options = { pin: { ...defaultPinOptions, replicationFactorMin: 2, replicationFactorMax: 3 } }
    const entries = [{ path: 'f', content: generatedContent(3, 1_000_000) }]
    /** These die at their third block. */
    const dying = (...dead: PeerId[]): Partial<DagAdderParts> => ({
      destinationFor: peer => ({
        peer,
        async putBlocks (blocks) {
          let count = 0
          for await (const _ of blocks) if (++count === 3 && dead.includes(peer)) throw new Error('stream reset')
        },
      }),
    })

    test('the add succeeds while the least number of replicas is there; the pin keeps its holders, who fetch what they miss', async () => {
      const { add, pins } = peers(dying(other), [self, other, third])
      await collect(add(entries, options))
      assert.deepEqual(pins.map(({ allocations }) => allocations), [[self, other, third]])
    })

    test('fewer than that is an error and pins nothing', async () => {
      const { add, pins } = peers(dying(other, third), [self, other, third])
      await assert.rejects(collect(add(entries, options)), { code: 'NOT_ENOUGH_PEERS', message: /^only 1 of at least 2 peers took the blocks: .*stream reset/ })
      assert.deepEqual(pins, [])
    })

    test('the least number may be a default of the cluster', async () => {
      const destinations = { allocate: async () => [self, other, third], minHolders: () => 3 }
      const { add, pins } = peers({ ...dying(other), destinations })
      await assert.rejects(collect(add(entries)), { code: 'NOT_ENOUGH_PEERS' })
      assert.deepEqual(pins, [])
    })

    test('one is enough when every peer pins, when the rest is to fetch anyway, and when nothing is pinned', async () => {
      const everywhere = peers(dying(self, other), [self, other, third])
      await collect(everywhere.add(entries, { pin: { ...defaultPinOptions, replicationFactorMin: -1, replicationFactorMax: -1 } }))
      assert.deepEqual(everywhere.pins.map(({ allocations }) => allocations), [[]])
      const local = peers(dying(other, third), [self, other, third])
      await collect(local.add(entries, { ...options, local: true }))
      assert.deepEqual(local.pins.map(({ allocations }) => allocations), [[self, other, third]])
      const unpinned = peers(dying(other, third), [self, other, third])
      await collect(unpinned.add(entries, { ...options, noPin: true }))
      assert.deepEqual(unpinned.pins, [])
    })

    test('a shard has the same rule', async () => {
      const pin = { ...options.pin, shardSize: 600_000 }
      const one = peers(dying(other), [self, other, third])
      await collect(one.add(entries, { shard: true, pin }))
      assert.deepEqual(one.items[0]?.allocations, [self, other, third])
      const two = peers(dying(other, third), [self, other, third])
      await assert.rejects(collect(two.add(entries, { shard: true, pin })), { code: 'NOT_ENOUGH_PEERS' })
      assert.deepEqual(two.items, [])
    })
  })

  test('no-pin stores and tells the same', async () => {
    const { add, pins, blocks } = peers()
    const entries = [{ path: 'd/a', content: 'aaa' }]
    assert.deepEqual(await collect(add(entries, { noPin: true })), await collect(peers().add(entries)))
    assert.equal(blocks.get(self)?.size, 2)
    assert.deepEqual(pins, [])
  })
})

describe('an add that goes wrong', () => {
  const refused: Array<[Partial<AddOptions>, string]> = [
    [{ hash: 'foo' }, 'hash function name not known'],
    [{ hash: 'sha3-256' }, 'invalid cid: invalid v0 prefix'],
    [{ hash: 'keccak-224', cidVersion: 1 }, 'invalid cid: unknown multihash code 26 (0x1a): no such hash registered'],
    [{ hash: 'md5', cidVersion: 1 }, 'hash function md5 is too weak: IPFS nodes refuse its blocks; use sha2-256'],
    [{ chunker: 'foo' }, 'unrecognized chunker option: foo'],
    [{ chunker: 'size-0' }, 'chunker size must be greater than 0'],
    [{ chunker: 'size-x' }, 'strconv.Atoi: parsing "x": invalid syntax'],
    [{ chunker: 'size-3000000' }, 'chunker parameters may not exceed the maximum chunk size of 2096896'],
    [{ chunker: 'size-1-2' }, 'incorrect chunker string format (expected size-{size})'],
    [{ chunker: 'rabin-15-30-40' }, 'rabin min must be greater than 16'],
    [{ chunker: 'rabin-20-10-30' }, 'incorrect format: rabin-min must be smaller than rabin-avg'],
    [{ chunker: 'rabin-20-30-30' }, 'incorrect format: rabin-avg must be smaller than rabin-max'],
    [{ chunker: 'rabin-m:20-10-30' }, 'first label must be min'],
    [{ chunker: 'rabin-20-30-max' }, 'strconv.Atoi: parsing "max": invalid syntax'],
    [{ chunker: 'rabin-1-2' }, 'incorrect format (expected \'rabin\' \'rabin-[avg]\' or \'rabin-[min]-[avg]-[max]\''],
    [{ cidVersion: 7 }, 'bad CID Version: unknown CID version: 7'],
    [{ cidVersion: -1 }, 'bad CID Version: unknown CID version: -1'],
    [{ nocopy: true }, 'missing file path or URL, can\'t create filestore reference'],
    [{ format: 'car', wrap: true }, 'cannot wrap a CAR file upload'],
  ]
  for (const [options, message] of refused) {
    test(message, async () => {
      const { add, pins, blocks } = peers()
      await assert.rejects(collect(add([{ path: 'f', content: 'x' }], options)), { code: 'ADD_REFUSED', message })
      assert.deepEqual(pins, [])
      assert.equal(blocks.size, 0)
    })
  }

  test('nocopy takes a file that says where it is', async () => {
    const outputs = await collect(peers().add([{ path: 'd', content: 'abc', absolutePath: '/home/me/d' }], { nocopy: true, rawLeaves: true }))
    assert.deepEqual(lines(outputs), ['d bafkreif2pall7dybz7vecqka3zo24irdwabwdi4wc55jznaq75q7eaavvu 3'])
  })

  test('an upload without anything', async () => {
    await assert.rejects(collect(peers().add([])), { code: 'INVALID_INPUT', message: /no file/ })
  })

  test('a chunk that no block can hold', async () => {
    const { add } = peers()
    await assert.rejects(collect(add([{ path: 'f', content: generatedContent(1, 2_200_000) }], { chunker: 'rabin-40' })), { message: 'object size limit exceeded' })
  })

  test('a chunk that a block can hold, but not with what a leaf adds to it', async () => {
    // A chunker that never cuts: the whole file is one leaf.
    const add = (length: number, rawLeaves: boolean) => collect(peers().add([{ path: 'f', content: Buffer.alloc(length) }], { chunker: 'rabin-10', rawLeaves, cidVersion: 1 }))
    assert.equal((await add(2 ** 21, true)).length, 1)
    await assert.rejects(add(2 ** 21, false), { code: 'ADD_REFUSED', message: 'object size limit exceeded' })
    assert.equal((await add(2 ** 21 - 14, false))[0]?.size, 2 ** 21, 'the largest')
    await assert.rejects(add(2 ** 21 - 13, false), { message: 'object size limit exceeded' })
  })

  test('identity keeps no large content', async () => {
    await assert.rejects(collect(peers().add([{ path: 'f', content: 'a'.repeat(400) }], { hash: 'identity', cidVersion: 1, rawLeaves: true })), { code: 'ADD_REFUSED', message: /identity.*limit of 128/ })
  })

  test('all destinations down', async () => {
    const { add, pins } = peers({ destinationFor: peer => ({ peer, putBlocks: async () => { throw new Error('connection refused') } }) })
    await assert.rejects(collect(add([{ path: 'f', content: 'x' }])), { message: 'failed to put block on all destinations' })
    assert.deepEqual(pins, [])
  })

  test('an upload that breaks pins nothing', async () => {
    const { adder, pins } = peers()
    async function * broken () {
      yield { path: 'a', kind: 'file' as const, content: pieces(Buffer.from('x'), 10) }
      throw new ClusterError('CANCELLED', 'gone')
    }
    await assert.rejects(collect(adder.add(broken(), plainAddOptions, {})), { code: 'CANCELLED' })
    assert.deepEqual(pins, [])
  })

  test('a silent upload ends with the signal, and the destinations are told', async () => {
    const told = Promise.withResolvers<void>()
    const { adder, pins } = peers({ destinationFor: peer => ({ peer, putBlocks: async blocks => { await Array.fromAsync(blocks).catch(() => told.resolve()) } }) })
    const controller = new AbortController()
    async function * content () {
      yield generatedContent(1, 300_000)
      controller.abort()
      await new Promise(() => {})
    }
    async function * silent () { yield { path: 'a', kind: 'file' as const, content: content() } }
    await assert.rejects(collect(adder.add(silent(), plainAddOptions, { signal: controller.signal })), { code: 'CANCELLED' })
    await told.promise
    assert.deepEqual(pins, [])
  })

  test('a reader of the answer who stops ends the add', async () => {
    const { add, pins } = peers()
    for await (const output of add([{ path: 'a', content: 'x' }, { path: 'b', content: 'y' }])) {
      assert.equal(output.name, 'a')
      break
    }
    assert.deepEqual(pins, [])
  })

  test('aborted adds leave nothing behind, even when their destinations hang', async () => {
    const { adder } = peers({ destinationFor: peer => ({ peer, putBlocks: async blocks => { for await (const _ of blocks) await new Promise(() => {}) } }) }, [self, other])
    const content = generatedContent(1, 262_144)
    async function addAndAbort (): Promise<void> {
      const controller = new AbortController()
      async function * file () {
        for (let i = 0; i < 8; i++) yield Buffer.from(content)
        controller.abort()
        await new Promise(() => {})
      }
      async function * endless () { yield { path: 'a', kind: 'file' as const, content: file() } }
      await assert.rejects(collect(adder.add(endless(), plainAddOptions, { signal: controller.signal })), { code: 'CANCELLED' })
      assert.deepEqual(getEventListeners(controller.signal, 'abort'), [])
    }
    const held = (): number => {
      collectGarbage()
      const { heapUsed, external } = process.memoryUsage()
      return heapUsed + external
    }
    for (let i = 0; i < 20; i++) await addAndAbort()
    const before = held()
    for (let i = 0; i < 300; i++) await addAndAbort()
    const grown = held() - before
    // One add holds 2 MiB: what leaks shows as 600.
    assert.ok(grown < 20 * 2 ** 20, `${grown} bytes more are held`)
  })

  test('a slow destination slows the upload down', async () => {
    let held = 0
    let most = 0
    const slow: DagAdderParts['destinationFor'] = peer => ({
      peer,
      async putBlocks (blocks) {
        for await (const { bytes } of blocks) {
          most = Math.max(most, held)
          held -= bytes.length
          await new Promise(resolve => { setImmediate(resolve) })
        }
      },
    })
    const { adder } = peers({ destinationFor: slow, windowBytes: 1_000_000 })
    async function * content () {
      for (let i = 0; i < 300; i++) {
        held += 65536
        yield generatedContent(i, 65536)
      }
    }
    async function * big () { yield { path: 'a', kind: 'file' as const, content: content() } }
    await collect(adder.add(big(), plainAddOptions, {}))
    assert.ok(most < 1_000_000 + 3 * 262144, `${most} bytes were in flight`)
  })
})

describe('a sharded add', () => {
  const pin = { ...defaultPinOptions, shardSize: 1_000_000, name: 'sh', replicationFactorMin: 1, replicationFactorMax: 1 }

  test('that fails takes back the pins that it has made, and those alone', async () => {
    const taken: string[] = []
    const { add, items } = peers({
      pinItem: async pin => {
        items.push(pin)
        if (pin.type === 'meta-pin') throw new ClusterError('PIN_REFUSED', 'it is pinned in another way')
        return { pin, isNew: pin.name !== 'sh-shard-1' }
      },
      unpinItem: async pin => {
        taken.push(pin.name)
        if (pin.name === 'sh-shard-2') throw new ClusterError('STORE_FAILED', 'no')
      },
    })
    const file = { path: 'f', content: generatedContent(5, 3_000_000) }
    await assert.rejects(collect(add([file], { shard: true, pin })), { code: 'PIN_REFUSED' })
    assert.deepEqual(items.map(({ name }) => name), ['sh-shard-0', 'sh-shard-1', 'sh-shard-2', 'sh-shard-3', 'sh-clusterDAG', 'sh'])
    assert.deepEqual(taken.splice(0), ['sh-clusterDAG', 'sh-shard-3', 'sh-shard-2', 'sh-shard-0'])

    // Whoever asked goes away when the first shard is told.
    for await (const { name } of add([file], { shard: true, pin })) if (name === 'shard-0') break
    assert.equal(taken.at(-1), 'sh-shard-0')
  })

  test('that succeeds takes nothing back', async () => {
    const taken: Pin[] = []
    const { add } = peers({ unpinItem: async pin => { taken.push(pin) } })
    for await (const { name } of add([{ path: 'f', content: 'x' }], { shard: true, pin })) if (name === 'sh-clusterDAG') break
    assert.deepEqual(taken, [])
  })

  test('pins all that is listed once more at the end: an unpin of other content may have taken it before it knew of the cluster DAG', async () => {
    const { add, items } = peers()
    await collect(add([{ path: 'f', content: generatedContent(5, 3_000_000) }], { shard: true, pin }))
    const parts = ['sh-shard-0', 'sh-shard-1', 'sh-shard-2', 'sh-shard-3', 'sh-clusterDAG']
    assert.deepEqual(items.map(({ name }) => name), [...parts, 'sh', ...parts])
    assert.deepEqual(items.slice(6), items.slice(0, 5))
  })

  test('that fails when it has pinned its parts once more takes back what it has made', async () => {
    const taken: Pin[] = []
    let pins = 0
    const { add } = peers({
      pinItem: async pin => {
        if (++pins === 11) throw new ClusterError('STORE_FULL', 'no')
        return { pin: { ...pin, timestamp: pins }, isNew: pins < 7 }
      },
      unpinItem: async pin => { taken.push(pin) },
    })
    await assert.rejects(collect(add([{ path: 'f', content: generatedContent(5, 3_000_000) }], { shard: true, pin })), { code: 'STORE_FULL' })
    assert.deepEqual(taken.map(({ name, timestamp }) => [name, timestamp]), [['sh', 6], ['sh-clusterDAG', 5], ['sh-shard-3', 10], ['sh-shard-2', 9], ['sh-shard-1', 8], ['sh-shard-0', 7]])
  })

  test('spreads the blocks over shards with peers and pins of their own', async () => {
    const turns: PeerId[][] = [[self], [other], [self, other], [other]]
    const { add, items, blocks, pins } = peers({ destinations: { allocate: async () => turns.shift() as PeerId[] } })
    const outputs = await collect(add([{ path: 'f', content: generatedContent(5, 3_000_000) }], { shard: true, pin }))
    assert.deepEqual(outputs.map(({ name }) => name), ['shard-0', 'shard-1', 'shard-2', 'f', 'shard-3', 'sh-clusterDAG'])
    assert.deepEqual(outputs.filter(({ name }) => name.startsWith('shard-')).map(({ allocations }) => allocations), [[self], [other], [self, other], [other]])
    assert.deepEqual(pins, [])
    const [first, second] = items
    // They are pinned once more at the end.
    items.splice(6)
    assert.deepEqual(items.map(({ type, name, maxDepth }) => [type, name, maxDepth]), [
      ['shard-pin', 'sh-shard-0', 1], ['shard-pin', 'sh-shard-1', 1], ['shard-pin', 'sh-shard-2', 1], ['shard-pin', 'sh-shard-3', 1],
      ['clusterdag-pin', 'sh-clusterDAG', 0], ['meta-pin', 'sh', 0],
    ])
    assert.equal(first?.reference, undefined)
    assert.equal(second?.reference, first?.cid)
    const shardSizes = items.slice(0, 4).map(({ shardSize }) => shardSize)
    assert.ok(shardSizes.every(size => size < 1_000_000), shardSizes.join())
    const root = outputs.find(({ name }) => name === 'f')?.cid
    assert.deepEqual([items[4]?.reference, items[5]?.cid, items[5]?.reference], [root, root, items[4]?.cid])
    assert.ok(blocks.get(self)?.has(items[4]?.cid as string), 'the cluster DAG is stored here')
    assert.ok(blocks.get(other)?.has(items[1]?.cid as string), 'a shard node is stored with its shard')
    assert.deepEqual(items.map(({ mode, replicationFactorMin, replicationFactorMax, allocations }) => [mode, replicationFactorMin, replicationFactorMax, allocations]), [
      ['recursive', 1, 1, [self]], ['recursive', 1, 1, [other]], ['recursive', 1, 1, [self, other]], ['recursive', 1, 1, [other]],
      ['direct', -1, -1, []], ['direct', 1, 1, []],
    ])
  })

  test('to all peers leaves it to them to fetch the blocks from here', async () => {
    const { add, items, blocks } = peers({}, [])
    const outputs = await collect(add([{ path: 'f', content: generatedContent(5, 1_500_000) }], { shard: true, pin: { ...pin, replicationFactorMin: -1, replicationFactorMax: -1 } }))
    assert.deepEqual(outputs.map(({ name }) => name), ['shard-0', 'f', 'shard-1', 'sh-clusterDAG'])
    assert.deepEqual(items.map(({ allocations }) => allocations), Array.from({ length: 7 }, () => []))
    assert.deepEqual([...blocks.keys()], [self])
    for (const { cid } of items) assert.ok(blocks.get(self)?.has(cid))
  })

  test('that shall pin nothing stores and tells the same', async () => {
    const entry = { path: 'f', content: generatedContent(5, 1_500_000) }
    const [pinned, unpinned] = [peers(), peers()]
    const outputs = await collect(pinned.add([entry], { shard: true, pin }))
    assert.deepEqual(await collect(unpinned.add([entry], { shard: true, pin, noPin: true })), outputs)
    assert.deepEqual([...unpinned.blocks.get(self)?.keys() ?? []], [...pinned.blocks.get(self)?.keys() ?? []])
    assert.deepEqual([unpinned.items, unpinned.pins], [[], []])
  })

  test('keeps a block that comes again in one shard only', async () => {
    const { add, blocks } = peers()
    const [first, second] = [1, 2].map(seed => generatedContent(seed, 262_144)) as [Buffer, Buffer]
    const outputs = await collect(add([{ path: 'f', content: Buffer.concat([first, second, first]) }], { shard: true, pin }))
    const dataBytes = [...blocks.get(self) ?? []].filter(([cid]) => !cid.startsWith('bafyrei')).reduce((sum, [, { length }]) => sum + length, 0)
    assert.equal(outputs.at(-1)?.size, dataBytes)
  })

  test('of a shard with more blocks than a node lists pins it one level deeper', async () => {
    const { add, items } = peers()
    await collect(add([{ path: 'f', content: generatedContent(5, 6_000 * 32) }], { shard: true, pin: { ...pin, shardSize: 100_000_000 }, chunker: 'size-32', rawLeaves: true, cidVersion: 1 }))
    assert.deepEqual(items.map(({ type, maxDepth }) => [type, maxDepth]), [['shard-pin', 2], ['clusterdag-pin', 0], ['meta-pin', 0], ['shard-pin', 2], ['clusterdag-pin', 0]])
  })

  const folder = (path: string): FixtureEntry => ({ path, kind: 'directory' })
  const file = (path: string, content: string): FixtureEntry => ({ path, content })
  /** Uploads, and the shard that the reference makes of each: as it is, and with a folder around it. */
  const shardsOfReference: ReadonlyArray<readonly [entries: readonly FixtureEntry[], shard: string, wrapped: string]> = [
    [[file('f', 'a')], 'bafyreib7taxqqlfanrcrrzxk7zplcwq3ar67xrya7ujc3ipwzqxgo4zmdi', 'bafyreig3ervrkutihjupaiwummicwqrltti634qmjabeiz65p64isztu4q'],
    [[folder('d')], 'bafyreicrepaxj7ztwkpj75k7ht56y6hzp76i6usptnquwldwts7uecmiii', 'bafyreicrdh4rfgnnmh2twdpzk3t3yk62vhxv4lzf4cpwlocjdfwjsc4g3y'],
    [[folder('d'), file('d/a', 'a'), folder('d/e'), file('d/e/b', 'b')], 'bafyreihccnttxe5zjy2w5qcka3vy2z6fdrmsavsvku32u2u77nqj3q5kci', 'bafyreiepxvkx4ymjiwhb5engwrx6yjoz6syect3juxl44j6ucsqcxsv35m'],
    [[file('d/a', 'a'), file('d/e/b', 'b')], 'bafyreihccnttxe5zjy2w5qcka3vy2z6fdrmsavsvku32u2u77nqj3q5kci', 'bafyreiepxvkx4ymjiwhb5engwrx6yjoz6syect3juxl44j6ucsqcxsv35m'],
    [[file('d/a/b', 'b'), file('d/c', 'c')], 'bafyreia7adouqc4pvysl64ap3rc3bm7a75bprv4rmcv5oaingvqhovg4lu', 'bafyreiejgzgof342kicq3e6qkxvndiuwuzueeo27qjryoa47doxr5w3f3i'],
    [[folder('d'), folder('d/e'), file('d/f', 'a')], 'bafyreibv3wndp4ogj63c54shfgqzxm6q4g22b7alkn6nbi45fvjhsbtuty', 'bafyreihhetshtsx35nqprpdzyl3hxgtus5n4fuqcs2wne4gvgpx3wzgruq'],
    [[folder('d'), { path: 'd/l', kind: 'symlink', content: 'a' }], 'bafyreicqr5cqex637vev5mxh2ia7wlndpykxt44nq4sqsvxmie6u7zfagy', 'bafyreibshzpmry5s34pjhz6etj5rzyjnqzkiobo7m4deprcoa4s6lda3ja'],
  ]

  test('lists what it makes on the way where the reference does', async () => {
    for (const [entries, shard, wrapped] of shardsOfReference) {
      for (const [wrap, expected] of [[false, shard], [true, wrapped]] as const) {
        const { add, items } = peers()
        await collect(add(entries, { shard: true, wrap, pin, rawLeaves: true, cidVersion: 1 }))
        assert.equal(items[0]?.cid, expected, `${entries.map(({ path }) => path).join(' ')}${wrap ? ', wrapped' : ''}`)
      }
    }
  })

  test('refuses what cannot be', async () => {
    await assert.rejects(collect(peers().add([{ path: 'f', content: 'x' }], { shard: true })), { message: 'block doesn\'t fit in empty shard: shard size too small?' })
    await assert.rejects(collect(peers().add([{ path: 'a', content: 'x' }, { path: 'b', content: 'y' }], { shard: true, pin })), { code: 'ADD_REFUSED', message: /one root/ })
    await assert.rejects(collect(peers({ pinItem: undefined }).add([{ path: 'a', content: 'x' }], { shard: true, pin })), { code: 'UNSUPPORTED' })
  })
})

const golden = resolve(fileURLToPath(new URL('../../', import.meta.url)), process.env.FLOTILLA_GOLDEN ?? '../shared/golden')
const recordings = await readdir(join(golden, 'http')).catch(() => [])

describe('the recordings of the reference', { skip: recordings.length === 0 && 'no recordings here' }, () => {
  interface Recording {
    readonly target: string
    readonly request: { readonly path: string, readonly headers: Record<string, string>, readonly body?: string, readonly bodyBase64?: string }
    readonly response: { readonly status: number, readonly body: string, readonly trailers: Record<string, string> }
  }

  /** What the recorded answer holds: the lines and the error, wherever it stands. */
  function expected ({ response }: Recording): { items: unknown[], error: string | undefined } {
    const values = response.body.split('\n').filter(line => line !== '').map(line => JSON.parse(line) as unknown)
    const [first] = values
    if (response.status !== 200) return { items: [], error: (first as { message: string }).message }
    return { items: Array.isArray(first) ? first : values, error: response.trailers['x-stream-error'] }
  }

  async function replay (recording: Recording): Promise<{ items: unknown[], error: string | undefined }> {
    const items: unknown[] = []
    const { path, headers, body, bodyBase64 } = recording.request
    const isDown = recording.target.startsWith('down')
    const { adder } = peers(isDown ? { destinationFor: peer => ({ peer, putBlocks: async () => { throw new Error('connection refused') } }) } : {}, isDown ? [] : [self])
    try {
      const options = addOptionsFromQuery(decodeQuery(path.split('?')[1] ?? ''), 0)
      const stream = pieces(bodyBase64 === undefined ? Buffer.from(body ?? '') : Buffer.from(bodyBase64, 'base64'), 64)
      for await (const { name, cid, bytes, size, allocations } of adder.add(readUpload(stream, headers['Content-Type'] as string), options, {})) {
        items.push({ name, cid: cid ?? null, ...bytes > 0 && { bytes }, ...size > 0 && { size }, ...allocations.length > 0 && { allocations: allocations.map(() => '<MAIN_PEER>') } })
      }
      return { items, error: undefined }
    } catch (error) {
      return { items, error: errorText(error) }
    }
  }

  for (const file of recordings.filter(name => /^(rest|down)-add(?!-(pinopts|replication)|.*-after).*\.json$/.test(name))) {
    test(file, async () => {
      const recording = JSON.parse(await readFile(join(golden, 'http', file), 'utf8')) as Recording
      const { items, error } = await replay(recording)
      const wanted = expected(recording)
      assert.equal(error, wanted.error)
      // Without streaming an error takes the place of what was done before.
      if (!(recording.request.path.includes('stream-channels=false') && error !== undefined)) assert.deepEqual(items, wanted.items)
    })
  }
})
