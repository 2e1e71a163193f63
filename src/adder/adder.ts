import type { PeerId, AddedOutput } from '../domain/peer.ts'
import type { PinOptions } from '../domain/pin.ts'
import type { CallOptions } from '../platform/lifecycle.ts'

/** Options of an add, as `POST /add` has them (spec/rest-api.md 8). */
export interface AddOptions {
  readonly pin: PinOptions
  readonly layout: 'balanced' | 'trickle'
  readonly chunker: string
  readonly hash: string
  readonly format: 'unixfs' | 'car'
  readonly local: boolean
  readonly recursive: boolean
  readonly hidden: boolean
  readonly wrap: boolean
  readonly shard: boolean
  readonly progress: boolean
  readonly nocopy: boolean
  readonly noPin: boolean
  readonly rawLeaves: boolean
  readonly cidVersion: number
}

/** A file or folder of an upload, in the order of the body. The content of one must be read before the next comes. */
export interface UploadedEntry {
  /** Path with `/`, decoded; never starts with `/` nor holds `..`. */
  readonly path: string
  readonly kind: 'file' | 'directory' | 'symlink'
  /** Where it is on the sender's disk; `nocopy` needs it. */
  readonly absolutePath?: string | undefined
  readonly content: AsyncIterable<Uint8Array>
  /**
   * Gives back the memory of a piece of the content that nobody looks at any more. Need not be
   * called; it spares the collection of garbage, which must look through the whole heap for it.
   */
  readonly release?: ((piece: Uint8Array) => void) | undefined
}

/** Where blocks of one add go: chosen once, at the first block. */
export interface BlockDestinations {
  /** Peers for the next DAG, by the pin options; empty means every peer. */
  allocate (options: PinOptions, callOptions: CallOptions): Promise<PeerId[]>
  /** The least number of replicas that the options mean, defaults of the cluster included; negative for every peer. Left out: that of the options. */
  minHolders? (options: PinOptions): number
}

/** Makes a DAG of what is uploaded, sends the blocks away and pins the roots. */
export interface Adder {
  /** Yields an entry for each file and folder as it is done, the root last; throws on the first error. */
  add (entries: AsyncIterable<UploadedEntry>, options: AddOptions, callOptions: CallOptions): AsyncIterable<AddedOutput>
}
