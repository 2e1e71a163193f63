import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import { ClusterError } from '../domain/errors.ts'
import type { BlockSink } from './block-sink.ts'
import { maxBlockBytes } from './chunker.ts'
import type { HashFunction } from './hash-functions.ts'

const codecs = { 'dag-pb': 0x70, raw: 0x55 } as const

/** Makes blocks of encoded nodes and gives them away. */
export class DagWriter {
  readonly #version: 0 | 1
  readonly #hash: HashFunction
  readonly #sink: BlockSink
  #wait: Promise<void> | undefined

  /** @throws ClusterError `ADD_REFUSED` when version 0 has no room for this hash function */
  constructor (version: 0 | 1, hash: HashFunction, sink: BlockSink) {
    if (version === 0 && hash.name !== 'sha2-256') throw new ClusterError('ADD_REFUSED', 'invalid cid: invalid v0 prefix')
    this.#version = version
    this.#hash = hash
    this.#sink = sink
  }

  /** Puts a block; answers its binary CID. Raw blocks have version 1 always. */
  put (codec: keyof typeof codecs, bytes: Uint8Array): Uint8Array {
    if (bytes.length > maxBlockBytes) throw new ClusterError('ADD_REFUSED', 'object size limit exceeded')
    const digest = createDigest(this.#hash.code, this.#hash.digest(bytes))
    const cid = CID.create(codec === 'raw' ? 1 : this.#version, codecs[codec], digest)
    const wait = this.#sink.put({ cid, bytes, isChecked: true })
    if (wait !== undefined) this.#wait = wait
    return cid.bytes
  }

  /** Resolves when more may be put; undefined when that is now. */
  ready (): Promise<void> | undefined {
    const wait = this.#wait
    this.#wait = undefined
    return wait
  }
}
