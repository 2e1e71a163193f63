import { withBitswap } from '@helia/bitswap'
import type { BlockBroker, HeliaMixin, Provider } from '@helia/interface'
import type { HeliaWithLibp2p } from '@helia/libp2p'
import type { Libp2p } from '@libp2p/interface'
import { create as createDigest } from 'multiformats/hashes/digest'
import type { MultihashHasher } from 'multiformats/hashes/interface'
import type { CID } from 'multiformats/cid'
import { blockDigest } from './block-hash.ts'
import type { BlockStore } from './block-store.ts'
import { blockKey } from './cid-parts.ts'

export interface BitswapOptions {
  readonly libp2p: Libp2p
  readonly store: BlockStore
  /** Who else may have a block. */
  readonly findProviders: (cid: CID, signal: AbortSignal | undefined) => AsyncIterable<Provider>
}

export interface Bitswap {
  retrieve (cid: CID, signal: AbortSignal): Promise<Uint8Array>
  announce (cid: CID): void
  stop (): Promise<void>
}

type Broker = Required<Pick<BlockBroker, 'retrieve' | 'announce'>> & { stop (): Promise<void> }

/**
 * Helia's bitswap on our host and block store. Helia's own node class is left out: to load it
 * takes half a second and 50 MB more (WebRTC, ACME, HTTP gateways), and it would only stand
 * between bitswap and the store. What bitswap uses of it is made here.
 */
export async function startBitswap ({ libp2p, store, findProviders }: BitswapOptions): Promise<Bitswap> {
  const mixins: HeliaMixin[] = []
  const brokers: Broker[] = []
  const host = {
    status: 'starting',
    libp2p,
    logger: libp2p.logger,
    blockstore: blocksToServe(store),
    routing: { findProviders: (cid: CID, options?: { signal?: AbortSignal }) => findProviders(cid, options?.signal) },
    getHasher,
    hasBlockBroker: () => brokers.length > 0,
    addBlockBroker: (broker: Broker) => { brokers.push(broker) },
    addMixin: (mixin: HeliaMixin) => { mixins.push(mixin) },
  } as unknown as HeliaWithLibp2p
  withBitswap(host)
  for (const mixin of mixins) await mixin.start?.(host)
  const [broker] = brokers as [Broker]
  return {
    retrieve: (cid, signal) => broker.retrieve(cid, { signal }),
    announce: cid => { broker.announce(cid).catch(() => {}) },
    stop: () => broker.stop(),
  }
}

/** What bitswap needs of a Helia block store in order to answer others. */
function blocksToServe (store: BlockStore): { has (cid: CID): Promise<boolean>, get (cid: CID): AsyncGenerator<Uint8Array> } {
  return {
    has: cid => store.has(blockKey(cid.multihash.bytes)),
    async * get (cid) {
      const bytes = await store.read(blockKey(cid.multihash.bytes))
      // Gone since it was asked for. Bitswap knows this error by its name and goes on with other blocks.
      if (bytes === undefined) throw Object.assign(new Error('the block is gone'), { name: 'NotFoundError' })
      yield bytes
    },
  }
}

/** @throws ClusterError `UNSUPPORTED`: the message of the other node is then dropped */
async function getHasher (code: number): Promise<MultihashHasher> {
  const digestOf = await blockDigest(code)
  return {
    code,
    name: `0x${code.toString(16)}`,
    encode: bytes => digestOf(bytes).slice(),
    digest: (bytes, options) => createDigest(code, digestOf(bytes).subarray(0, options?.truncate)),
  }
}
