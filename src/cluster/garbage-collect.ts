import { errorText } from '../domain/errors.ts'
import type { PeerId } from '../domain/peer.ts'
import type { CollectedKey, GlobalRepositoryCollection, RepositoryCollection } from '../domain/repository.ts'
import type { IpfsConnector } from '../ipfs/connector.ts'
import { HangWatch } from '../ipfs/hang-watch.ts'
import type { Clock } from '../platform/clock.ts'
import type { CallOptions } from '../platform/lifecycle.ts'
import type { PeerCalls } from '../rpc/peer-calls.ts'
import { isRefusal } from './status/status.ts'
import type { LastKnown } from './status/status-lines.ts'

/**
 * Bytes of the keys that are listed of one peer, about: half of what an answer to another peer may
 * have, some 450,000 keys.
 */
const mostBytes = 32 * 1024 * 1024
/** What a key takes beside its texts, in bytes. */
const overheadBytes = 16

export interface CollectorParts {
  readonly self: PeerId
  readonly peername: string
  readonly ipfs: Pick<IpfsConnector, 'garbageCollect' | 'id'>
  readonly clock: Clock
}

/**
 * Collects on this peer. A node may remove millions of blocks: what there is no room to list is
 * counted. It may take a day, too; one that hangs is given up, as other peers wait for their turn.
 */
export async function collectLocally ({ ipfs, clock, self, peername }: CollectorParts, options: CallOptions): Promise<RepositoryCollection> {
  const list = new KeyList(mostBytes)
  const hung = new AbortController()
  const watch = new HangWatch({ ipfs, clock, onHung: error => { hung.abort(error) } })
  try {
    for await (const key of ipfs.garbageCollect({ signal: options.signal === undefined ? hung.signal : AbortSignal.any([hung.signal, options.signal]) })) {
      watch.heard()
      list.add(key)
    }
  } catch (error) {
    hung.signal.throwIfAborted()
    throw error
  } finally {
    watch.stop()
  }
  return { peer: self, peername, keys: list.keys(), error: '' }
}

export interface CollectionParts {
  readonly self: PeerId
  readonly calls: PeerCalls
  readonly lastKnown: LastKnown
  readonly local: () => Promise<RepositoryCollection>
}

/**
 * Collects on one peer after another, so that never all nodes are busy with it; an error counts
 * for its peer alone, and one that refuses is left out. Of all together no more keys are listed
 * than {@link collectLocally} lists of two.
 */
export async function collectEverywhere (members: readonly PeerId[], parts: CollectionParts, options: CallOptions): Promise<GlobalRepositoryCollection> {
  const { self, calls, lastKnown, local } = parts
  const peerMap: Record<string, RepositoryCollection> = {}
  let room = 2 * mostBytes
  for (const peer of members) {
    try {
      const collection = peer === self ? await local() : await calls.collectGarbage(peer, options)
      const list = new KeyList(room)
      for (const key of collection.keys) list.add(key)
      room -= list.bytes
      peerMap[peer] = { ...collection, keys: list.keys() }
    } catch (error) {
      options.signal?.throwIfAborted()
      if (!isRefusal(error)) peerMap[peer] = { peer, peername: lastKnown(peer).peername, keys: [], error: errorText(error) }
    }
  }
  return { peerMap }
}

/** How the entry begins that stands for those that are not listed. */
const beyond = 'too many to be listed:'

/** Keys that a collection removed, or could not, as far as there is room for them. */
class KeyList {
  readonly #keys: CollectedKey[] = []
  readonly #mostBytes: number
  /** What the peer that collected has counted itself. */
  #counted: CollectedKey | undefined
  #unlisted = 0
  #failures = 0
  /** Of the listed keys, about. */
  bytes = 0

  constructor (mostBytes: number) { this.#mostBytes = mostBytes }

  add (key: CollectedKey): void {
    if (key.error.startsWith(beyond)) { this.#counted = key; return }
    const size = overheadBytes + (key.cid?.length ?? 0) + key.error.length
    if (this.#unlisted > 0 || this.bytes + size > this.#mostBytes) {
      this.#unlisted++
      if (key.error !== '') this.#failures++
      return
    }
    this.bytes += size
    this.#keys.push(key)
  }

  /** The listed ones, and behind them how many more there are. */
  keys (): CollectedKey[] {
    if (this.#unlisted > 0) this.#keys.push({ cid: undefined, error: `${beyond} ${this.#unlisted} more, ${this.#failures} of them errors` })
    if (this.#counted !== undefined) this.#keys.push(this.#counted)
    return this.#keys
  }
}
