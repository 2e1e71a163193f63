import { CID } from 'multiformats/cid'
import type { PeerId } from '../../domain/peer.ts'
import type { BlockSource } from '../network.ts'
import { blockKey, blockKeyOfBytes, prefixOf } from './block-cids.ts'
import type { SentBlock, Want } from './message.ts'

export interface ServedBlocksOptions {
  readonly source: BlockSource
  readonly send: (peer: PeerId, message: { blocks: SentBlock[], haves: Uint8Array[], dontHaves: Uint8Array[] }) => Promise<boolean>
  /** Told once for each peer that asks for more than it may. */
  readonly onExcess: (peer: PeerId) => void
}

/** Blocks that one peer may wait for; the reference's peers ask for 1024 at most. */
const maxWantsPerPeer = 4_096
/** Looked up at a time for one peer. */
const lookupsAtOnce = 32
/** Bytes of blocks in one message: other implementations refuse larger ones than 4 MiB. */
const maxBlockBytesPerMessage = 1024 * 1024
/** A block this small is sent at once to who only asks whether it is here: most deltas are, and a round trip is saved. */
const maxUnaskedBlockBytes = 4 * 1024

interface Wisher {
  /** To be looked up, by block. */
  readonly open: Map<string, Want>
  /** Not here; answered when the block comes. */
  readonly waiting: Map<string, Want>
  isServed: boolean
  hasExceeded: boolean
}

/** The answering side of bitswap: who wants which block of ours. */
export class ServedBlocks {
  readonly #options: ServedBlocksOptions
  readonly #wishers = new Map<PeerId, Wisher>()
  /** By block, who waits for it. */
  readonly #waiting = new Map<string, Set<PeerId>>()

  constructor (options: ServedBlocksOptions) { this.#options = options }

  wants (peer: PeerId, wants: readonly Want[], isFull: boolean): void {
    let wisher = this.#wishers.get(peer)
    // Whatever waits to be sent keeps its turn: who asks for all anew has no second one.
    if (isFull && wisher !== undefined) this.#clear(peer, wisher)
    if (wisher === undefined) this.#wishers.set(peer, wisher = { open: new Map(), waiting: new Map(), isServed: false, hasExceeded: false })
    for (const want of wants) {
      const key = blockKeyOfBytes(want.cid)
      if (key === undefined) continue
      this.#stopWaiting(peer, wisher, key)
      if (want.isCancelled) wisher.open.delete(key)
      else if (wisher.open.size + wisher.waiting.size < maxWantsPerPeer) wisher.open.set(key, want)
      else if (!wisher.hasExceeded) {
        wisher.hasExceeded = true
        this.#options.onExcess(peer)
      }
    }
    this.#serve(peer, wisher)
  }

  /** The block is here now. */
  arrived (cid: CID): void {
    const key = blockKey(cid)
    for (const peer of this.#waiting.get(key) ?? []) {
      const wisher = this.#wishers.get(peer)
      const want = wisher?.waiting.get(key)
      if (wisher === undefined || want === undefined) continue
      this.#stopWaiting(peer, wisher, key)
      wisher.open.set(key, want)
      this.#serve(peer, wisher)
    }
  }

  forget (peer: PeerId): void {
    const wisher = this.#wishers.get(peer)
    if (wisher === undefined) return
    this.#clear(peer, wisher)
    this.#wishers.delete(peer)
  }

  #clear (peer: PeerId, wisher: Wisher): void {
    for (const key of wisher.waiting.keys()) this.#stopWaiting(peer, wisher, key)
    wisher.open.clear()
    wisher.hasExceeded = false
  }

  #stopWaiting (peer: PeerId, wisher: Wisher, key: string): void {
    if (!wisher.waiting.delete(key)) return
    const peers = this.#waiting.get(key)
    peers?.delete(peer)
    if (peers?.size === 0) this.#waiting.delete(key)
  }

  /** One turn after the other for each peer: one that reads slowly has one message waiting, not all it asked for. */
  #serve (peer: PeerId, wisher: Wisher): void {
    if (wisher.isServed) return
    wisher.isServed = true
    void (async () => {
      while (wisher.open.size > 0) await this.#serveSome(peer, wisher)
      wisher.isServed = false
    })()
  }

  async #serveSome (peer: PeerId, wisher: Wisher): Promise<void> {
    const some = [...wisher.open].slice(0, lookupsAtOnce)
    for (const [key, want] of some) {
      wisher.open.delete(key)
      // From now on: it may arrive while it is looked up.
      this.#wait(peer, wisher, key, want)
    }
    const found = await Promise.all(some.map(async ([key, want]) => ({ key, want, bytes: await this.#lookUp(want) })))
    let blocks: SentBlock[] = []
    let blockBytes = 0
    const haves: Uint8Array[] = []
    const dontHaves: Uint8Array[] = []
    for (const { key, want, bytes } of found) {
      // No longer wanted, or it has arrived and is looked up anew.
      if (wisher.waiting.get(key) !== want) continue
      if (bytes === undefined) {
        if (want.sendDontHave) dontHaves.push(want.cid)
        continue
      }
      this.#stopWaiting(peer, wisher, key)
      if (!want.wantsBlock && bytes.length > maxUnaskedBlockBytes) haves.push(want.cid)
      else {
        if (blockBytes + bytes.length > maxBlockBytesPerMessage && blocks.length > 0) {
          await this.#options.send(peer, { blocks, haves: [], dontHaves: [] })
          blocks = []
          blockBytes = 0
        }
        blocks.push({ prefix: prefixOf(CID.decode(want.cid)), data: bytes })
        blockBytes += bytes.length
      }
    }
    if (blocks.length + haves.length + dontHaves.length === 0) return
    if (!await this.#options.send(peer, { blocks, haves, dontHaves })) this.forget(peer)
  }

  #wait (peer: PeerId, wisher: Wisher, key: string, want: Want): void {
    wisher.waiting.set(key, want)
    const peers = this.#waiting.get(key)
    if (peers === undefined) this.#waiting.set(key, new Set([peer]))
    else peers.add(peer)
  }

  async #lookUp (want: Want): Promise<Uint8Array | undefined> {
    try {
      return await this.#options.source(CID.decode(want.cid))
    } catch {
      // To the other peer it is the same: the block is not to be had here now.
      return undefined
    }
  }
}
