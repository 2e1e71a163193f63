import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { test } from 'node:test'
import { CarReader } from '@ipld/car'
import { encode as encodeCbor } from '@ipld/dag-cbor'
import { importer } from 'ipfs-unixfs-importer'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { CID } from 'multiformats/cid'
import { parseCid, type Cid } from '../../domain/cid.ts'
import type { Block } from '../connector.ts'
import type { EmbeddedConnector } from './embedded-connector.ts'
import { block, loopback, pinOf, rawBlock, streamOf, textOf, withNodes } from './node-for-tests.ts'

const withGateway = (work: (url: string, node: EmbeddedConnector) => Promise<void>): Promise<void> => withNodes([{ gatewayAddress: loopback, listenAddresses: [], requestTimeoutMs: 2_000 }], node => work(node.gatewayUrl() as string, node))

interface ImportSettings { readonly rawLeaves?: boolean, readonly shardSplitThresholdBytes?: number, readonly reduceSingleLeafToSelf?: boolean }

/** Adds files by path; answers the CID of the folder above all, and of each path. */
async function add (node: EmbeddedConnector, files: Readonly<Record<string, Uint8Array>>, settings: ImportSettings = {}): Promise<{ root: Cid, cids: Map<string, Cid> }> {
  const blocks: Block[] = []
  const blockstore = { put: async (cid: CID, bytes: Uint8Array) => { blocks.push({ cid, bytes }); return cid } }
  const cids = new Map<string, Cid>()
  for await (const entry of importer(Object.entries(files).map(([path, content]) => ({ path, content })), blockstore as never, { wrapWithDirectory: true, chunker: fixedSize({ chunkSize: 10_000 }), ...settings })) cids.set(entry.path ?? '', textOf(entry.cid))
  await node.putBlocks(streamOf(blocks))
  return { root: cids.get('') as Cid, cids }
}

const bytesOf = async (response: Response): Promise<Buffer> => Buffer.from(await response.arrayBuffer())

test('files come back byte by byte, whole and in parts, with the headers that browsers need', () => withGateway(async (url, node) => {
  for (const settings of [{}, { rawLeaves: false }, { reduceSingleLeafToSelf: false }] as ImportSettings[]) {
    const files = { 'empty.txt': Buffer.alloc(0), 'small.txt': Buffer.from('some words'), 'deep/large.bin': randomBytes(2_345_678), 'gr\u00fcn & <x>.html': Buffer.from('<html>') }
    const { root, cids } = await add(node, files, settings)
    for (const [path, content] of Object.entries(files)) {
      const response = await fetch(`${url}/ipfs/${root}/${path.split('/').map(encodeURIComponent).join('/')}`)
      assert.equal(response.status, 200, path)
      assert.deepEqual(await bytesOf(response), content)
      assert.equal(response.headers.get('content-length'), String(content.length))
      assert.equal(response.headers.get('etag'), `"${cids.get(path)}"`)
      assert.match(String(response.headers.get('cache-control')), /immutable/)
      const head = await fetch(response.url, { method: 'HEAD' })
      assert.equal(head.headers.get('content-length'), String(content.length))
      assert.equal((await bytesOf(head)).length, 0)
      assert.equal((await fetch(response.url, { headers: { 'if-none-match': `W/"other", "${cids.get(path)}"` } })).status, 304)
    }
    const large = `${url}/ipfs/${root}/deep/large.bin`
    const content = files['deep/large.bin']
    for (const [header, from, to] of [['bytes=0-0', 0, 1], ['bytes=9999-20000', 9999, 20_001], ['bytes=2345000-', 2_345_000, 2_345_678], ['bytes=-5', 2_345_673, 2_345_678]] as const) {
      const part = await fetch(large, { headers: { range: header } })
      assert.equal(part.status, 206)
      assert.equal(part.headers.get('content-range'), `bytes ${from}-${to - 1}/${content.length}`)
      assert.deepEqual(await bytesOf(part), content.subarray(from, to))
    }
    assert.equal((await fetch(large, { headers: { range: 'bytes=2345678-' } })).status, 416)
    assert.equal((await fetch(large, { headers: { range: 'bytes=0-4', 'if-range': '"another"' } })).status, 200)
    assert.equal((await fetch(`${url}/ipfs/${root}/small.txt`)).headers.get('content-type'), 'text/plain; charset=utf-8')
    assert.match(String((await fetch(`${large}?filename=name.png`)).headers.get('content-type')), /image\/png/)
  }
}))

test('folders are listed, or show their index.html; large ones too', () => withGateway(async (url, node) => {
  const { root } = await add(node, { 'site/index.html': Buffer.from('<h1>home</h1>'), 'plain/a & b <c>': Buffer.from('x') })
  const redirect = await fetch(`${url}/ipfs/${root}/site?x=1`, { redirect: 'manual' })
  assert.equal(redirect.status, 301)
  assert.equal(redirect.headers.get('location'), `/ipfs/${root}/site/?x=1`)
  const index = await fetch(`${url}/ipfs/${root}/site/`)
  assert.match(String(index.headers.get('content-type')), /text\/html/)
  assert.equal(await index.text(), '<h1>home</h1>')
  const listing = await (await fetch(`${url}/ipfs/${root}/plain/`)).text()
  assert.match(listing, /href="\.\/a%20%26%20b%20%3Cc%3E">a &#38; b &#60;c&#62;</)

  const many = Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`many/file ${i}`, Buffer.from(`content ${i}`)]))
  const { root: sharded } = await add(node, many, { shardSplitThresholdBytes: 1000 })
  const page = await (await fetch(`${url}/ipfs/${sharded}/many/`)).text()
  assert.equal(page.match(/<tr>/g)?.length, 3000)
  for (const i of [0, 77, 1234, 2999]) assert.equal(await (await fetch(`${url}/ipfs/${sharded}/many/file%20${i}`)).text(), `content ${i}`)
  assert.equal((await fetch(`${url}/ipfs/${sharded}/many/file%203000`)).status, 404)
}))

test('blocks and DAGs come as raw and as CAR', () => withGateway(async (url, node) => {
  const file = randomBytes(100_000)
  const { root, cids } = await add(node, { one: file, two: file, three: randomBytes(30_000) })
  const raw = await fetch(`${url}/ipfs/${root}/one?format=raw`)
  assert.deepEqual(await bytesOf(raw), Buffer.from(await node.getBlock(cids.get('one') as Cid)))
  const car = await fetch(`${url}/ipfs/${root}`, { headers: { accept: 'application/vnd.ipld.car' } })
  assert.match(String(car.headers.get('content-type')), /application\/vnd\.ipld\.car/)
  const reader = await CarReader.fromBytes(await bytesOf(car))
  assert.deepEqual((await reader.getRoots()).map(String), [root])
  const blocks = await Array.fromAsync(reader.blocks())
  assert.equal(new Set(blocks.map(({ cid }) => cid.toString())).size, blocks.length, 'no block twice')
  assert.equal(blocks.length, 1 + 1 + 10 + 1 + 3)
  assert.equal((await fetch(`${url}/ipfs/${root}?format=zip`)).status, 400)
}))

test('what cannot be answered is refused in plain words', () => withGateway(async (url, node) => {
  const { root } = await add(node, { file: Buffer.from('x') })
  const missing = rawBlock('not here').cid
  const cases: Array<[string, number, RegExp, string?]> = [
    ['/', 404, /read content at \/ipfs\/<cid>/], ['/elsewhere', 404, /\/ipfs\/<cid>/], ['/ipns/example.org', 501, /IPNS/], ['/ipfs/notacid', 400, /invalid cid/],
    [`/ipfs/${root}/nothing`, 404, /no link named "nothing" under /], [`/ipfs/${root}/file/below`, 404, /no link named "below"/], [`/ipfs/${root}/%ff`, 400, /well-formed/],
    [`/ipfs/${missing}`, 404, /not on this IPFS node, and it is connected to no other/], [`/ipfs/${root}`, 405, /GET or HEAD/, 'POST'], [`/ipfs/${root}/${'a'.repeat(9000)}`, 414, /too long/],
  ]
  for (const [path, status, message, method = 'GET'] of cases) {
    const response = await fetch(url + path, { method })
    assert.equal(response.status, status, path)
    assert.match(await response.text(), message)
  }
  assert.equal((await fetch(`${url}/ipfs/${root}/file`)).status, 200, 'and goes on')
}))

test('a hole in a file ends the connection instead of the file; hostile files end too', () => withGateway(async (url, node) => {
  const leaf = rawBlock(randomBytes(10_000))
  const file = (sizes: number[], link: Block): Block => block(0x70, dagPb(sizes, link))
  const hole = file([10_000, 10_000], rawBlock(randomBytes(10_000)))
  const wrongSizes = file([5, 10_000], leaf)
  await node.putBlocks(streamOf([leaf, hole, wrongSizes]))
  assert.equal((await fetch(`${url}/ipfs/${hole.cid}`)).status, 404, 'the first block is missing: that is known in time')
  assert.equal((await fetch(`${url}/ipfs/${wrongSizes.cid}`)).status, 404)
  const late = file([10_000, 7], leaf)
  await node.putBlocks(streamOf([late]))
  await assert.rejects(fetch(`${url}/ipfs/${late.cid}`).then(response => response.arrayBuffer()))
  const cbor = block(0x71, encodeCbor({ a: 1 }))
  await node.putBlocks(streamOf([cbor]))
  assert.match(String((await fetch(`${url}/ipfs/${cbor.cid}`)).headers.get('content-type')), /dag-cbor/)
}))

/** A UnixFS file of links to one block with the sizes that it claims. */
function dagPb (sizes: readonly number[], link: Block): Uint8Array {
  const varint = (value: number): number[] => value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)]
  const field = (tag: number, bytes: readonly number[] | Uint8Array): number[] => [tag, ...varint(bytes.length), ...bytes]
  const data = [0x08, 2, 0x18, ...varint(sizes.reduce((sum, size) => sum + size, 0)), ...sizes.flatMap(size => [0x20, ...varint(size)])]
  return Uint8Array.from([...sizes.flatMap(() => field(0x12, field(0x0a, link.cid.bytes))), ...field(0x0a, data)])
}

test('a client that goes away in the middle costs nothing; stopping does not wait for one that stays', async () => {
  let url = ''
  await withGateway(async (given, node) => {
    url = given
    const { root, cids } = await add(node, { large: randomBytes(20_000_000) })
    for (let i = 0; i < 20; i++) {
      const leaving = new AbortController()
      const response = await fetch(`${url}/ipfs/${root}/large`, { signal: leaving.signal })
      await response.body?.getReader().read()
      leaving.abort()
    }
    const { hostname, port } = new URL(url)
    const idle = connect(Number(port), hostname)
    idle.on('error', () => {})
    idle.write(`GET /ipfs/${cids.get('large')} HTTP/1.1\r\nHost: x\r\n\r\n`)
    await new Promise(resolve => { idle.once('readable', resolve) })
    await node.pin(pinOf(parseCid(root)))
  })
  await assert.rejects(fetch(url))
})

test('paths are followed through objects of dag-cbor and dag-json as Kubo does', () => withNodes([{ listenAddresses: [] }], async node => {
  const { root, cids } = await add(node, { 'sub/f': Buffer.from('hi') })
  const link = CID.parse(root)
  const cbor = block(0x71, encodeCbor({ a: link, b: { c: [1, link] }, n: 5 }))
  const json = block(0x0129, Buffer.from(JSON.stringify({ l: [{ '/': root }] })))
  await node.putBlocks(streamOf([cbor, json]))
  assert.equal(await node.resolve(`/ipfs/${cbor.cid}/a/sub/f`), cids.get('sub/f'))
  assert.equal(await node.resolve(`/ipld/${cbor.cid}/b/c/1`), root)
  assert.equal(await node.resolve(`/ipfs/${json.cid}/l/0/sub`), cids.get('sub'))
  assert.equal(await node.resolve(`/ipfs/${cbor.cid}/n`), textOf(cbor.cid), 'a path that ends inside a block is that block')
  for (const path of ['z', 'n/x', 'constructor', 'b/c/2']) await assert.rejects(node.resolve(`/ipfs/${cbor.cid}/${path}`), { code: 'IPFS_ANSWER', message: /no link named/ })
  await assert.rejects(node.resolve('/ipns/example.org/x'), { code: 'UNSUPPORTED' })
}))
