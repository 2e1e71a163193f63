import type { CID } from 'multiformats/cid'
import { ClusterError } from '../../domain/errors.ts'
import type { Block } from '../connector.ts'
import { isDigestOf } from './block-hash.ts'
import type { BlockLocation } from './block-set.ts'
import type { BlockStore } from './block-store.ts'
import { blockKey, identityHash } from './cid-parts.ts'
import { orAborted } from './operations.ts'
import { maxBlockBytes, maxMultihashBytes } from './segment-record.ts'

/** Bytes and blocks of one stream that are on their way to disk; more are not taken from the source. */
const windowBytes = 32 * 1024 * 1024
const windowBlocks = 4096

/**
 * Stores a stream of blocks; resolves when all are on disk. Every block is checked against its
 * CID, if this process has not just made that from it: what the node gives out under a name is what
 * the name says. Until the stream ends, and after a good end some time longer, garbage collection
 * leaves its blocks alone.
 * @param onStored told of each block that is on disk
 * @throws ClusterError `INVALID_INPUT` for a block that is not what its CID says, `TOO_LARGE`,
 *   `STORE_FULL`, `STORE_FAILED`; what the source throws; the signal's reason
 */
export async function putBlocks (blocks: AsyncIterable<Block>, store: BlockStore, onStored: (key: string, cid: CID) => void, signal: AbortSignal): Promise<void> {
  const lease = store.lease()
  const source = blocks[Symbol.asyncIterator]()
  const window: Array<{ readonly sizeBytes: number, readonly done: Promise<void> }> = []
  let bytesUnderWay = 0
  let failure: { error: unknown } | undefined
  let exhausted = false
  let complete = false
  let last: Promise<BlockLocation> | undefined
  const settleFirst = async (): Promise<void> => {
    const first = window.shift()
    if (first === undefined) return
    bytesUnderWay -= first.sizeBytes
    await first.done
  }
  try {
    for (;;) {
      const next = await orAborted(source.next(), signal)
      if (failure !== undefined) throw failure.error
      if (next.done === true) {
        exhausted = true
        break
      }
      const { cid, bytes, release } = next.value
      checkSizes(cid, bytes)
      // Its content is the CID: there is nothing to keep.
      if (cid.multihash.code === identityHash) continue
      if (next.value.isChecked !== true) await checkDigest(cid, bytes)
      const key = blockKey(cid.multihash.bytes)
      last = store.put({ key, multihash: cid.multihash.bytes, bytes }, lease)
      const done = last.then(() => {
        onStored(key, cid)
        release?.()
      })
      done.catch((error: unknown) => { failure ??= { error } })
      window.push({ sizeBytes: bytes.length, done })
      bytesUnderWay += bytes.length
      while (bytesUnderWay > windowBytes || window.length > windowBlocks) await settleFirst()
    }
    while (window.length > 0) await settleFirst()
    complete = true
  } finally {
    // A source that hangs is told, but not waited for.
    if (!exhausted) source.return?.().catch(() => {})
    await Promise.allSettled(window.map(({ done }) => done))
    // No pin will come for what broke off: on a full disk its space is wanted back at once.
    if (complete) lease.release(await last)
    else lease.drop()
  }
}

function checkSizes ({ multihash }: CID, bytes: Uint8Array): void {
  if (bytes.length > maxBlockBytes) throw new ClusterError('TOO_LARGE', `a block of ${bytes.length} bytes is too large for the embedded IPFS node: it takes ${maxBlockBytes} bytes`)
  if (multihash.bytes.length > maxMultihashBytes) throw new ClusterError('INVALID_INPUT', `a block has a CID with a hash of ${multihash.bytes.length} bytes: the embedded IPFS node takes ${maxMultihashBytes}`)
}

async function checkDigest ({ multihash }: CID, bytes: Uint8Array): Promise<void> {
  if (!await isDigestOf(multihash.code, multihash.digest, bytes)) throw new ClusterError('INVALID_INPUT', 'a block is not what its CID says: the upload is damaged')
}
