import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import { ClusterError } from '../domain/errors.ts'
import type { BlockSink } from './block-sink.ts'
import { maxBlockBytes } from './chunker.ts'
import type { HashFunction } from './hash-functions.ts'
import type { HashedBytes, Hashing } from './hash-threads.ts'

const codecs = { 'dag-pb': 0x70, raw: 0x55 } as const

type Codec = keyof typeof codecs

/** A block that is not put yet. */
export interface HashedBlock extends HashedBytes { readonly codec: Codec }

/** Makes blocks of encoded nodes and gives them away. */
export class DagWriter {
  readonly #version: 0 | 1
  readonly #hash: HashFunction
  readonly #sink: BlockSink
  readonly #hashing: Hashing | undefined
  #wait: Promise<void> | undefined

  /** @throws ClusterError `ADD_REFUSED` when version 0 has no room for this hash function */
  constructor (version: 0 | 1, hash: HashFunction, sink: BlockSink, hashing?: Hashing) {
    if (version === 0 && hash.name !== 'sha2-256') throw new ClusterError('ADD_REFUSED', 'invalid cid: invalid v0 prefix')
    this.#version = version
    this.#hash = hash
    this.#sink = sink
    this.#hashing = hashing
  }

  /** Puts a block; answers its binary CID. Raw blocks have version 1 always. */
  put (codec: Codec, bytes: Uint8Array): Uint8Array {
    return this.putHashed(this.hash(codec, bytes))
  }

  hash (codec: Codec, bytes: Uint8Array): HashedBlock {
    if (bytes.length > maxBlockBytes) throw new ClusterError('ADD_REFUSED', 'object size limit exceeded')
    return { codec, bytes, digest: this.#hash.digest(bytes) }
  }

  /** Hashes in another thread where that helps; the memory of `bytes` is taken and comes back with the result. */
  hashBeside (codec: Codec, bytes: Uint8Array): HashedBlock | Promise<HashedBlock> {
    const { algorithm } = this.#hash
    if (algorithm === undefined || bytes.length > maxBlockBytes) return this.hash(codec, bytes)
    return this.#hashing?.hash(algorithm, bytes)?.then(({ bytes, digest }) => ({ codec, bytes, digest })) ?? this.hash(codec, bytes)
  }

  /** Puts a block; answers its binary CID. `release` is called when nobody needs the bytes any more, or never. */
  putHashed ({ codec, bytes, digest }: HashedBlock, release?: () => void): Uint8Array {
    const cid = CID.create(codec === 'raw' ? 1 : this.#version, codecs[codec], createDigest(this.#hash.code, digest))
    const wait = this.#sink.put({ cid, bytes, isChecked: true, release })
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
