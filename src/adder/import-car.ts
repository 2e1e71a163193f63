import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import { cidFromBytes } from '../domain/cid.ts'
import { ClusterError } from '../domain/errors.ts'
import type { Block } from '../ipfs/connector.ts'
import type { UploadedEntry } from './adder.ts'
import type { BlockSink } from './block-sink.ts'
import { readCar } from './car-reader.ts'
import { hashFunctionByCode, minDigestBytes, type HashFunction } from './hash-functions.ts'
import type { ImportEvent } from './import-unixfs.ts'

/** Multicodec of dag-pb, the only form of a UnixFS root that knows the size of its content. */
const dagPb = 0x70
const identityHash = 0x00

/**
 * Takes the blocks of content archives with one root each. Every block is compared with its CID.
 * @throws ClusterError `ADD_REFUSED` with the reference's texts
 */
export async function * importCar (entries: AsyncIterable<UploadedEntry>, options: { readonly wrap: boolean }, sink: BlockSink): AsyncGenerator<ImportEvent> {
  if (options.wrap) throw new ClusterError('ADD_REFUSED', 'cannot wrap a CAR file upload')
  for await (const entry of entries) {
    if (entry.kind !== 'file' || entry.path.includes('/')) throw new ClusterError('ADD_REFUSED', 'expected CAR file is not of type file')
    yield await importOne(entry, sink)
  }
}

async function importOne (entry: UploadedEntry, sink: BlockSink): Promise<ImportEvent> {
  const { roots, blocks } = await readCar(entry.content)
  const [root] = roots
  if (root === undefined) throw new ClusterError('ADD_REFUSED', 'empty car, no roots')
  if (roots.length !== 1) throw new ClusterError('ADD_REFUSED', 'only CAR files with a single root are supported')
  const verify = blockVerifier()
  let bytes = 0
  let sizeBytes = 0
  let count = 0
  for await (const block of blocks) {
    const wait = verify(block)
    if (wait !== undefined) await wait
    count++
    bytes += block.bytes.length
    if (block.cid.code === dagPb && block.cid.equals(root)) sizeBytes = await fileSize(block.bytes)
    const full = sink.put(block)
    if (full !== undefined) await full
  }
  if (count === 0) throw new ClusterError('ADD_REFUSED', 'the CAR file holds no block')
  return { kind: 'entry', name: entry.path, cid: cidFromBytes(root.bytes), bytes, sizeBytes, root: true }
}

/** Compares blocks with their CIDs; waits only when a hash function is met for the first time. */
function blockVerifier (): (block: Block) => Promise<void> | undefined {
  const known = new Map<number, HashFunction>()
  function verify (block: Block, hash: HashFunction): void {
    const whole = hash.digest(block.bytes)
    const { size } = block.cid.multihash
    // CIDs may carry shortened digests.
    const isShortened = hash.code !== identityHash && size >= minDigestBytes && size < whole.length
    const digest = createDigest(hash.code, isShortened ? whole.subarray(0, size) : whole)
    if (Buffer.compare(digest.bytes, block.cid.multihash.bytes) === 0) return
    throw new ClusterError('ADD_REFUSED', `mismatch in content integrity, name: ${block.cid}, data: ${CID.create(block.cid.version, block.cid.code, digest)}`)
  }
  return block => {
    const { code } = block.cid.multihash
    const hash = known.get(code)
    if (hash !== undefined) {
      verify(block, hash)
      return undefined
    }
    return hashFunctionByCode(code).then(hash => {
      known.set(code, hash)
      verify(block, hash)
    })
  }
}

/** Bytes of content below a dag-pb node; 0 when it is no file. */
async function fileSize (bytes: Uint8Array): Promise<number> {
  const [{ decode }, { UnixFS }] = await Promise.all([import('@ipld/dag-pb'), import('ipfs-unixfs')])
  try {
    const { Data } = decode(bytes)
    if (Data === undefined) return 0
    const node = UnixFS.unmarshal(Data)
    return node.isDirectory() ? 0 : Number(node.fileSize())
  } catch {
    // A root need not be UnixFS.
    return 0
  }
}
