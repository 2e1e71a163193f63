import { blake2b } from '@noble/hashes/blake2.js'
import { cidToBytes, type Cid } from '../../domain/cid.ts'
import { peerIdToBytes } from '../../domain/peer-id.ts'
import type { PeerId } from '../../domain/peer.ts'

/**
 * Decides which peer acts on a CID without asking anybody: the one whose hashed ID is nearest to
 * the hashed CID by XOR (spec/components.md 1.9). The same on all peers that see the same members.
 */
export class Responsibility {
  readonly #self: PeerId
  readonly #hashes = new Map<PeerId, Uint8Array>()

  constructor (self: PeerId) { this.#self = self }

  /** True when no one of `members` is nearer than this peer; a tie counts as nearest. */
  isMine (cid: Cid, members: readonly PeerId[]): boolean { return this.rank(cid, members) === 0 }

  /** The nearest of `members` and this peer. */
  nearest (cid: Cid, members: readonly PeerId[]): PeerId {
    const target = hash(cidToBytes(cid))
    let nearest = this.#self
    for (const member of members) if (isNearer(this.#hashOf(member), this.#hashOf(nearest), target)) nearest = member
    return nearest
  }

  /** How many of `members` are nearer than this peer: 0 for the one that acts, 1 for the next when that one does not. */
  rank (cid: Cid, members: readonly PeerId[]): number {
    const target = hash(cidToBytes(cid))
    const own = this.#hashOf(this.#self)
    return members.filter(member => member !== this.#self && isNearer(this.#hashOf(member), own, target)).length
  }

  #hashOf (peer: PeerId): Uint8Array {
    let found = this.#hashes.get(peer)
    if (found === undefined) {
      // Peers come and go: the map starts anew rather than grow.
      if (this.#hashes.size > 1_000) this.#hashes.clear()
      this.#hashes.set(peer, found = hash(peerIdToBytes(peer)))
    }
    return found
  }
}

function hash (bytes: Uint8Array): Uint8Array { return blake2b(bytes, { dkLen: 32 }) }

function isNearer (a: Uint8Array, b: Uint8Array, target: Uint8Array): boolean {
  for (let i = 0; i < target.length; i++) {
    const difference = ((a[i] as number) ^ (target[i] as number)) - ((b[i] as number) ^ (target[i] as number))
    if (difference !== 0) return difference < 0
  }
  return false
}
