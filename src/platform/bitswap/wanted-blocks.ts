import type { CID } from 'multiformats/cid'
import { ClusterError } from '../../domain/errors.ts'
import type { PeerId } from '../../domain/peer.ts'
import type { Clock } from '../clock.ts'
import { blockKey, canCheck } from './block-cids.ts'
import type { Want } from './message.ts'

export interface WantedBlocksOptions {
  readonly clock: Clock
  readonly peers: () => readonly PeerId[]
  readonly send: (peer: PeerId, key: string, want: Want) => void
}

/** The peer that should have the block gets this long before others are asked too. */
const askOthersAfterMs = 500
/** A peer that said it has the block, and all others after them, get this long. Doubled each time, up to {@link maxPatienceMs}. */
const patienceMs = 1_000
const maxPatienceMs = 10_000

type Settle = (result: { readonly block: Uint8Array } | { readonly error: unknown }) => void

/** One block that is asked for, by however many callers. */
interface Wanted {
  readonly cid: CID
  readonly key: string
  readonly waiting: Set<Settle>
  /** Peers that have heard the wish. */
  readonly asked: Set<PeerId>
  /** Peers that have the block and were not asked for it yet. */
  readonly holders: Set<PeerId>
  /** The peer that is to send the block. */
  sender: PeerId | undefined
  patienceMs: number
  cancelTimer: () => void
}

/** The asking side of bitswap: from whom which block is wanted. */
export class WantedBlocks {
  readonly #options: WantedBlocksOptions
  readonly #wanted = new Map<string, Wanted>()

  constructor (options: WantedBlocksOptions) { this.#options = options }

  /** @throws ClusterError `UNSUPPORTED` for a hash function that no block of a cluster has; the signal's reason */
  fetch (cid: CID, from: PeerId | undefined, signal: AbortSignal | undefined): Promise<Uint8Array> {
    if (!canCheck(cid)) return Promise.reject(new ClusterError('UNSUPPORTED', `blocks of hash function 0x${cid.multihash.code.toString(16)} are not exchanged between peers: ${cid.toString()}`))
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) { reject(signal.reason as Error); return }
      const wanted = this.#wanted.get(blockKey(cid)) ?? this.#begin(cid)
      this.#askFirst(wanted, from)
      const abort = (): void => { settle({ error: signal?.reason }) }
      const settle: Settle = result => {
        signal?.removeEventListener('abort', abort)
        wanted.waiting.delete(settle)
        if (wanted.waiting.size === 0) this.#end(wanted)
        if ('block' in result) resolve(result.block)
        else reject(result.error as Error)
      }
      wanted.waiting.add(settle)
      signal?.addEventListener('abort', abort, { once: true })
    })
  }

  isWanted (key: string): boolean { return this.#wanted.has(key) }

  /** The block has come. False when nobody waits for it. */
  arrived (key: string, block: Uint8Array, from: PeerId | undefined): boolean {
    const wanted = this.#wanted.get(key)
    if (wanted === undefined) return false
    if (from !== undefined) wanted.asked.delete(from)
    for (const settle of wanted.waiting) settle({ block })
    return true
  }

  has (peer: PeerId, key: string): void {
    const wanted = this.#wanted.get(key)
    if (wanted === undefined || !wanted.asked.has(peer)) return
    wanted.holders.add(peer)
    if (wanted.sender === undefined) this.#askHolder(wanted)
  }

  hasNot (peer: PeerId, key: string): void {
    const wanted = this.#wanted.get(key)
    if (wanted === undefined) return
    wanted.holders.delete(peer)
    if (wanted.sender !== peer) return
    wanted.sender = undefined
    if (!this.#askHolder(wanted)) this.#askAll(wanted)
  }

  connected (peer: PeerId): void {
    for (const wanted of this.#wanted.values()) this.#ask(wanted, peer, false)
  }

  disconnected (peer: PeerId): void {
    for (const wanted of this.#wanted.values()) {
      wanted.asked.delete(peer)
      this.hasNot(peer, wanted.key)
    }
  }

  /** Ends all waiting. */
  stop (): void {
    for (const wanted of this.#wanted.values()) {
      for (const settle of wanted.waiting) settle({ error: new ClusterError('CANCELLED', 'the network of this peer stops') })
    }
  }

  #begin (cid: CID): Wanted {
    const wanted: Wanted = { cid, key: blockKey(cid), waiting: new Set(), asked: new Set(), holders: new Set(), sender: undefined, patienceMs, cancelTimer: () => {} }
    this.#wanted.set(wanted.key, wanted)
    return wanted
  }

  #askFirst (wanted: Wanted, from: PeerId | undefined): void {
    const isNew = wanted.asked.size === 0
    if (from !== undefined && wanted.sender === undefined && this.#options.peers().includes(from)) {
      this.#askForBlock(wanted, from)
      if (isNew) wanted.cancelTimer = this.#options.clock.after(askOthersAfterMs, () => { this.#askAll(wanted) })
    } else if (isNew) this.#askAll(wanted)
  }

  /** Forgets it, and tells those who may still send it that they need not. */
  #end (wanted: Wanted): void {
    if (!this.#wanted.delete(wanted.key)) return
    wanted.cancelTimer()
    for (const peer of wanted.asked) this.#options.send(peer, wanted.key, wish(wanted.cid, { isCancelled: true }))
  }

  #askAll (wanted: Wanted): void {
    for (const peer of this.#options.peers()) if (!wanted.asked.has(peer)) this.#ask(wanted, peer, false)
    this.#wait(wanted)
  }

  #wait (wanted: Wanted): void {
    wanted.cancelTimer()
    wanted.cancelTimer = this.#options.clock.after(wanted.patienceMs, () => {
      wanted.patienceMs = Math.min(2 * wanted.patienceMs, maxPatienceMs)
      wanted.sender = undefined
      if (this.#askHolder(wanted)) return
      // Whoever did not answer may have got the block since, or lost the question.
      wanted.asked.clear()
      this.#askAll(wanted)
    })
  }

  #askHolder (wanted: Wanted): boolean {
    const [holder] = wanted.holders
    if (holder === undefined) return false
    wanted.holders.delete(holder)
    this.#askForBlock(wanted, holder)
    this.#wait(wanted)
    return true
  }

  #askForBlock (wanted: Wanted, peer: PeerId): void {
    wanted.sender = peer
    this.#ask(wanted, peer, true)
  }

  #ask (wanted: Wanted, peer: PeerId, wantsBlock: boolean): void {
    wanted.asked.add(peer)
    this.#options.send(peer, wanted.key, wish(wanted.cid, { wantsBlock }))
  }
}

function wish (cid: CID, { wantsBlock = true, isCancelled = false }): Want {
  return { cid: cid.bytes, wantsBlock, isCancelled, sendDontHave: !isCancelled }
}
