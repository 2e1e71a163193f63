import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { encode as encodeCbor } from '@ipld/dag-cbor'
import { encode as encodePb, type PBLink } from '@ipld/dag-pb'
import { blake2b } from '@noble/hashes/blake2.js'
import { UnixFS } from 'ipfs-unixfs'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import { cidMultihash, parseCid, type Cid } from '../../src/domain/cid.ts'
import { ClusterError, type ErrorCode } from '../../src/domain/errors.ts'
import { parseMultiaddress } from '../../src/domain/multiaddress.ts'
import { defaultPinOptions, pinWithOptions, type Pin, type PinOptions } from '../../src/domain/pin.ts'
import type { Block, IpfsConnector, IpfsPin } from '../../src/ipfs/connector.ts'

/** What the suite asks of a node: timeouts that let it see a stall without waiting for minutes. */
export interface IpfsNodeSettings { readonly pinTimeoutMs: number, readonly ipfsRequestTimeoutMs: number }

/** A running connector with an empty node of its own, off every public network. */
export interface IpfsNodeUnderTest {
  readonly connector: IpfsConnector
  /** Ends the node; the suite has stopped the connector before. */
  close (): Promise<void>
}

const settings: IpfsNodeSettings = { pinTimeoutMs: 2_500, ipfsRequestTimeoutMs: 20_000 }

/** What every {@link IpfsConnector} promises. `setup` answers a started connector; `skip` says why it cannot run here. */
export function ipfsConnectorConformance (name: string, setup: (settings: IpfsNodeSettings) => Promise<IpfsNodeUnderTest>, skip: string | false = false): void {
  describe(`${name} as an IPFS connector`, { skip, timeout: 120_000 }, () => {
    let node: IpfsNodeUnderTest | undefined
    const ipfs = (): IpfsConnector => (node as IpfsNodeUnderTest).connector

    before(async () => { node = await setup(settings) })
    after(async () => {
      await node?.connector.stop()
      await node?.connector.stop()
      await node?.close()
    })

    test('says who it is', async () => {
      const id = await ipfs().id()
      assert.match(String(id.id), /^(12D3Koo|Qm)/)
      assert.equal(id.error, '')
      for (const address of id.addresses ?? []) assert.equal(parseMultiaddress(address), address)
      assert.notEqual(await ipfs().version(), '')
    })

    test('gives back the blocks it was given, whatever their codec and hash', async () => {
      const blocks = variedBlocks('round trip')
      await ipfs().putBlocks(streamOf([...blocks, ...blocks.slice(0, 3)]))
      for (const { cid, bytes } of blocks) assert.deepEqual(Buffer.from(await ipfs().getBlock(textOf(cid))), Buffer.from(bytes), cid.toString())
    })

    test('takes no blocks at all, empty ones and large ones', async () => {
      await ipfs().putBlocks(streamOf([]))
      const blocks = [rawBlock(''), rawBlock('large'.repeat(400_000))]
      await ipfs().putBlocks(streamOf(blocks))
      for (const { cid, bytes } of blocks) assert.equal((await ipfs().getBlock(textOf(cid))).length, bytes.length)
    })

    test('says of the memory of a block that it is free only when it is', async () => {
      const sizes = [100, 15_000, 17_000, 70_000, 262_144, 262_144, 1_000_000, 2_000_000]
      const blocks = Array.from({ length: 60 }, (_, i) => rawBlock(`memory ${i} `.repeat(200_000).slice(0, sizes[i % sizes.length])))
      let released = 0
      const lent = blocks.map(block => {
        const bytes = Buffer.from(block.bytes)
        const release = (): void => {
          released++
          bytes.fill(0xee)
        }
        return { cid: block.cid, bytes, isChecked: true, release }
      })
      await ipfs().putBlocks(streamOf(lent))
      assert.ok(released > 30, `${released} blocks were released`)
      for (const { cid, bytes } of blocks) assert.ok(Buffer.compare(await ipfs().getBlock(textOf(cid)), bytes) === 0)
    })

    test('refuses a block that is not what its CID says', async () => {
      const { cid } = rawBlock('the CID of this')
      await assert.rejects(ipfs().putBlocks(streamOf([rawBlock('before the lie'), { cid, bytes: Buffer.from('and other bytes') }])), isClusterError)
    })

    test('hands on the failure of a source of blocks', async () => {
      async function * source (): AsyncGenerator<Block> {
        yield rawBlock('before the failure')
        throw new ClusterError('ADD_REFUSED', 'the upload broke off')
      }
      await assert.rejects(ipfs().putBlocks(source()), { code: 'ADD_REFUSED', message: 'the upload broke off' })
    })

    test('stops to take blocks when it is told to', async () => {
      const abort = new AbortController()
      async function * source (): AsyncGenerator<Block> {
        for (let i = 0; i < 10; i++) yield rawBlock(`before the end ${i}`)
        abort.abort()
        for (let i = 0; i < 1e6; i++) yield rawBlock(`after the end ${i}`)
      }
      await assert.rejects(ipfs().putBlocks(source(), { signal: abort.signal }), hasCode('CANCELLED'))
    })

    test('pins recursively, also what it holds already, and unpins, also what it does not hold', async () => {
      const { root, leaves } = await storedFolder(ipfs(), 'recursive')
      assert.equal(await ipfs().pinStatus(root), 'unpinned')
      const progress: number[] = []
      await ipfs().pin(pinOf(root), { onProgress: blocks => { progress.push(blocks) } })
      assert.deepEqual(progress, progress.toSorted((a, b) => a - b))
      assert.equal(await ipfs().pinStatus(root), 'recursive')
      for (const leaf of leaves) assert.ok(['indirect', 'unpinned'].includes(await ipfs().pinStatus(leaf)))
      await ipfs().pin(pinOf(root))
      assert.equal(await ipfs().pinStatus(root), 'recursive')
      await ipfs().unpin(root)
      assert.equal(await ipfs().pinStatus(root), 'unpinned')
      await ipfs().unpin(root)
      await ipfs().unpin(textOf(rawBlock('never stored').cid))
    })

    test('pins directly', async () => {
      const { root } = await storedFolder(ipfs(), 'direct')
      const direct = pinOf(root, { mode: 'direct' })
      await ipfs().pin(direct)
      assert.equal(await ipfs().pinStatus(root), 'direct')
      await ipfs().pin(direct)
      assert.equal((await listed(ipfs())).get(root), 'direct')
      await ipfs().pin(pinOf(root))
      assert.equal(await ipfs().pinStatus(root), 'recursive')
      await assert.rejects(ipfs().pin(direct), hasCode('IPFS_ANSWER'))
      assert.equal((await listed(ipfs())).get(root), 'recursive')
      await ipfs().unpin(root)
      assert.equal(await ipfs().pinStatus(root), 'unpinned')
      await ipfs().pin(direct)
      await ipfs().unpin(root)
      assert.equal(await ipfs().pinStatus(root), 'unpinned')
    })

    test('pins to a depth and from origins that do not answer', async () => {
      const { root } = await storedFolder(ipfs(), 'depth')
      const nowhere = parseMultiaddress('/ip4/127.0.0.1/tcp/1/p2p/12D3KooWQE3CWA3MJ1YhrYNP8EE3JErGbrCtpKRkFrWgi45nYAMn')
      await ipfs().pin({ ...pinOf(root, { origins: Array.from({ length: 12 }, () => nowhere) }), maxDepth: 2 })
      assert.equal(await ipfs().pinStatus(root), 'recursive')
      await ipfs().unpin(root)
    })

    test('updates a pin and keeps the old one', async () => {
      const [before, after, other] = await Promise.all(['update 1', 'update 2', 'update 3'].map(text => storedFolder(ipfs(), text)))
      assert.ok(before !== undefined && after !== undefined && other !== undefined)
      await ipfs().pin(pinOf(before.root))
      await ipfs().pin(pinOf(after.root, { pinUpdate: before.root }))
      assert.equal(await ipfs().pinStatus(after.root), 'recursive')
      assert.equal(await ipfs().pinStatus(before.root), 'recursive')
      await ipfs().unpinMany([before.root, after.root])
      await ipfs().pin(pinOf(other.root, { pinUpdate: before.root }))
      assert.equal(await ipfs().pinStatus(other.root), 'recursive', 'an update of what is not pinned is an ordinary pin')
      assert.equal(await ipfs().pinStatus(before.root), 'unpinned')
      await ipfs().unpin(other.root)
    })

    test('gives up on what nobody has, and goes on with the rest', async () => {
      const { root } = await storedFolder(ipfs(), 'reachable')
      const missing = Array.from({ length: 5 }, (_, i) => pinOf(textOf(rawBlock(`nobody has this ${i}`).cid)))
      const failures = missing.map(pin => assert.rejects(ipfs().pin(pin), isUnreachable))
      await ipfs().pin(pinOf(root))
      await Promise.all(failures)
      for (const { cid } of missing) assert.equal(await ipfs().pinStatus(cid), 'unpinned')
      await ipfs().unpin(root)
    })

    test('gives up on a folder with a hole', async () => {
      const { root } = await storedFolder(ipfs(), 'with a hole', { keepLast: false })
      await assert.rejects(ipfs().pin(pinOf(root)), isUnreachable)
      assert.equal(await ipfs().pinStatus(root), 'unpinned')
    })

    test('ends every call at the signal', async () => {
      const missing = textOf(rawBlock('nobody has this either').cid)
      const abort = new AbortController()
      const options = { signal: abort.signal }
      const calls = [() => ipfs().pin(pinOf(missing), options), () => ipfs().getBlock(missing, options), () => ipfs().id(options), () => ipfs().pinMany([pinOf(missing)], options), () => listed(ipfs(), options)]
      const reason = new Error('the caller has gone')
      const running = calls.slice(0, 2).map(call => call().then(() => 'done', (error: unknown) => error))
      abort.abort(reason)
      for (const outcome of await Promise.all(running)) assert.ok(outcome instanceof ClusterError && ['CANCELLED', 'IPFS_ANSWER'].includes(outcome.code), String(outcome))
      for (const call of calls) await assert.rejects(call(), hasCode('CANCELLED'))
      await ipfs().id()
    })

    test('pins and unpins many at once and answers for each', async () => {
      const stored = Array.from({ length: 300 }, (_, i) => rawBlock(`one of many ${i}`))
      await ipfs().putBlocks(streamOf(stored))
      const { root } = await storedFolder(ipfs(), 'among many')
      const cids = [...stored.map(block => textOf(block.cid)), root]
      const missing = textOf(rawBlock('nobody has this among many').cid)
      await ipfs().pin(pinOf(cids[7] as Cid))
      const asked = [...cids.slice(0, 40), missing, ...cids.slice(40), cids[0] as Cid]
      const answers = await ipfs().pinMany(asked.map(cid => pinOf(cid)))
      assert.equal(answers.length, asked.length)
      for (const [i, answer] of answers.entries()) {
        if (asked[i] === missing) assert.ok(isUnreachable(answer), String(answer))
        else if (answer !== undefined) {
          assert.equal(answer.code, 'IPFS_STALLED', 'only a stall may touch the others')
          await ipfs().pin(pinOf(asked[i] as Cid))
        }
      }
      const pins = await listed(ipfs())
      for (const cid of cids) assert.equal(pins.get(cid), 'recursive')

      const unpinned = await ipfs().unpinMany([...cids, missing])
      assert.deepEqual(unpinned, Array.from({ length: cids.length + 1 }, () => undefined))
      const left = await listed(ipfs())
      for (const cid of cids) assert.equal(left.get(cid), undefined)
      assert.deepEqual(await ipfs().pinMany([]), [])
      assert.deepEqual(await ipfs().unpinMany([]), [])
    })

    test('lists every pin exactly once, recursive and direct', async () => {
      const stored = Array.from({ length: 700 }, (_, i) => rawBlock(`listed ${i}`))
      await ipfs().putBlocks(streamOf(stored))
      const folders = await Promise.all(['listed folder', 'listed directly'].map(text => storedFolder(ipfs(), text)))
      const roots = folders.map(folder => folder.root)
      await pinAll(ipfs(), stored.map(block => textOf(block.cid)))
      await ipfs().pin(pinOf(roots[0] as Cid))
      await ipfs().pin(pinOf(roots[1] as Cid, { mode: 'direct' }))
      const expected = new Map<Cid, string>([...stored.map((block): [Cid, string] => [textOf(block.cid), 'recursive']), [roots[0] as Cid, 'recursive'], [roots[1] as Cid, 'direct']])
      const pins = await listed(ipfs())
      for (const [cid, type] of expected) assert.equal(pins.get(cid), type)
      for await (const batch of ipfs().listPins()) {
        assert.ok(batch.length > 0)
        break
      }
      await ipfs().unpinMany([...expected.keys()])
      const left = await listed(ipfs())
      for (const cid of expected.keys()) assert.equal(left.has(cid), false)
    })

    test('resolves paths', async () => {
      const { root, leaves, inner } = await storedFolder(ipfs(), 'resolved')
      assert.equal(await ipfs().resolve(`/ipfs/${root}`), root)
      assert.equal(await ipfs().resolve(root), root)
      assert.equal(await ipfs().resolve(`/ipfs/${root}/file 0`), leaves[0])
      assert.equal(await ipfs().resolve(`${root}/inner/file 1`), leaves[1])
      assert.equal(await ipfs().resolve(`/ipfs/${root}/inner/`), inner)
      const absent = textOf(rawBlock('only a name').cid)
      assert.equal(await ipfs().resolve(`/ipfs/${absent}`), absent, 'a CID alone needs no node')
      await assert.rejects(ipfs().resolve(`/ipfs/${root}/nothing`), (error: unknown) => hasCode('IPFS_ANSWER')(error) && /no link named "nothing" under /.test((error as Error).message))
      await assert.rejects(ipfs().resolve('/ipfs/notacid/x'), hasCode('INVALID_PATH'))
      await assert.rejects(ipfs().resolve(''), hasCode('INVALID_PATH'))
    })

    test('collects what is not pinned and nothing else', async () => {
      const kept = await storedFolder(ipfs(), 'kept')
      const keptDirectly = rawBlock('kept directly')
      const lost = [rawBlock('lost 1'), rawBlock('lost 2')]
      await ipfs().putBlocks(streamOf([keptDirectly, ...lost]))
      await ipfs().pin(pinOf(kept.root))
      await ipfs().pin(pinOf(textOf(keptDirectly.cid), { mode: 'direct' }))
      const collected = new Set<string>()
      for await (const key of ipfs().garbageCollect()) {
        assert.equal(key.error, '')
        if (key.cid !== undefined) collected.add(multihashOf(key.cid))
      }
      for (const { cid } of lost) assert.ok(collected.has(multihashOf(textOf(cid))))
      for (const cid of [kept.root, kept.inner, ...kept.leaves, textOf(keptDirectly.cid)]) {
        assert.equal(collected.has(multihashOf(cid)), false)
        await ipfs().getBlock(cid)
      }
      await ipfs().unpinMany([kept.root, textOf(keptDirectly.cid)])
    })

    test('tells its size and configuration', async () => {
      const stat = await ipfs().repositoryStat()
      for (const value of Object.values(stat)) assert.ok(Number.isSafeInteger(value) && value >= 0)
      assert.ok(stat.storageMax > 0)
      assert.notEqual(await ipfs().configKey('Datastore/StorageMax'), undefined)
      await assert.rejects(ipfs().configKey('Datastore/NoSuchThing'), { code: 'IPFS_ANSWER', message: 'key not found in configuration' })
    })

    test('knows whom it is connected to; an address without answer is no failure', async () => {
      assert.deepEqual(await ipfs().swarmPeers(), [])
      await ipfs().connectSwarm([parseMultiaddress('/ip4/127.0.0.1/tcp/1/p2p/12D3KooWQE3CWA3MJ1YhrYNP8EE3JErGbrCtpKRkFrWgi45nYAMn')])
      await ipfs().connectSwarm([])
    })
  })
}

/** A pin of `cid`, recursive unless `options` say otherwise. */
function pinOf (cid: Cid, options: Partial<PinOptions> = {}): Pin {
  return pinWithOptions(cid, { ...defaultPinOptions, ...options }, 0)
}

/** As a tracker does it: many at once, and one by one what stalled. */
async function pinAll (ipfs: IpfsConnector, cids: readonly Cid[]): Promise<void> {
  const answers = await ipfs.pinMany(cids.map(cid => pinOf(cid)))
  for (const [i, answer] of answers.entries()) {
    if (answer === undefined) continue
    assert.equal(answer.code, 'IPFS_STALLED', answer.message)
    await ipfs.pin(pinOf(cids[i] as Cid))
  }
}

async function listed (ipfs: IpfsConnector, options: { signal?: AbortSignal } = {}): Promise<Map<Cid, IpfsPin['type']>> {
  const pins = new Map<Cid, IpfsPin['type']>()
  for await (const batch of ipfs.listPins(options)) {
    for (const { cid, type } of batch) {
      assert.equal(parseCid(cid), cid)
      assert.equal(pins.has(cid), false, `${cid} is listed twice`)
      pins.set(cid, type)
    }
  }
  return pins
}

/** root { "file 0", inner { "file 1", "file 2" } }, with contents that no other folder has. */
async function storedFolder (ipfs: IpfsConnector, text: string, { keepLast = true } = {}): Promise<{ root: Cid, inner: Cid, leaves: Cid[] }> {
  const leaves = [0, 1, 2].map(i => rawBlock(`${text}: file ${i}`))
  const link = (name: string, block: Block): PBLink => ({ Name: name, Tsize: block.bytes.length, Hash: block.cid })
  const inner = folder(leaves.slice(1).map((leaf, i) => link(`file ${i + 1}`, leaf)))
  const root = folder([link('file 0', leaves[0] as Block), link('inner', inner)])
  await ipfs.putBlocks(streamOf([...leaves.slice(0, keepLast ? 3 : 2), inner, root]))
  return { root: textOf(root.cid), inner: textOf(inner.cid), leaves: leaves.map(leaf => textOf(leaf.cid)) }
}

function folder (links: PBLink[]): Block {
  const bytes = encodePb({ Data: new UnixFS({ type: 'directory' }).marshal(), Links: links })
  return { cid: cidOf(0x70, 'sha2-256', bytes, 0), bytes }
}

function rawBlock (text: string): Block {
  const bytes = Buffer.from(text)
  return { cid: cidOf(0x55, 'sha2-256', bytes), bytes }
}

function variedBlocks (text: string): Block[] {
  const raw = (hash: HashName, content: string): Block => ({ cid: cidOf(0x55, hash, Buffer.from(content)), bytes: Buffer.from(content) })
  const cbor = encodeCbor({ text })
  const pb = encodePb({ Data: new UnixFS({ type: 'file', data: Buffer.from(text) }).marshal(), Links: [] })
  return [
    raw('sha2-256', `${text} 1`),
    raw('sha2-256', `${text} 2`),
    { cid: cidOf(0x71, 'sha2-256', cbor), bytes: cbor },
    { cid: cidOf(0x70, 'sha2-256', pb, 0), bytes: pb },
    raw('sha2-512', `${text} 3`),
    { cid: cidOf(0x70, 'blake2b-256', pb), bytes: pb },
    raw('blake2b-256', `${text} 4`),
    { cid: cidOf(0x70, 'sha2-256', pb), bytes: pb },
    { cid: CID.createV1(0x55, createDigest(0, Buffer.from(text))), bytes: Buffer.from(text) },
  ]
}

type HashName = 'sha2-256' | 'sha2-512' | 'blake2b-256'

function cidOf (codec: number, hash: HashName, bytes: Uint8Array, version: 0 | 1 = 1): CID {
  if (version === 0) return CID.createV0(createDigest(0x12, createHash('sha256').update(bytes).digest()))
  if (hash === 'blake2b-256') return CID.createV1(codec, createDigest(0xb220, blake2b(bytes, { dkLen: 32 })))
  return CID.createV1(codec, createDigest(hash === 'sha2-256' ? 0x12 : 0x13, createHash(hash.replace('sha2-', 'sha')).update(bytes).digest()))
}

async function * streamOf (blocks: readonly Block[]): AsyncGenerator<Block> { yield * blocks }

function textOf (cid: CID): Cid { return parseCid(cid.toString()) }

function multihashOf (cid: Cid): string {
  return Buffer.from(cidMultihash(cid)).toString('hex')
}

function isClusterError (error: unknown): boolean { return error instanceof ClusterError }

/** A node with a network waits until the pin has stalled; one without says so at once. */
function isUnreachable (error: unknown): boolean {
  return error instanceof ClusterError && (error.code === 'IPFS_STALLED' || error.code === 'IPFS_ANSWER') && error.message !== ''
}

function hasCode (code: ErrorCode): (error: unknown) => boolean {
  return error => {
    assert.ok(error instanceof ClusterError, String(error))
    assert.equal(error.code, code, error.message)
    return true
  }
}
