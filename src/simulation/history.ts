import { PinMessage } from '../codec/messages.ts'
import type { Cid } from '../domain/cid.ts'
import type { PeerId } from '../domain/peer.ts'
import type { Pin } from '../domain/pin.ts'

/** What is recorded of a peer: where changes go in, and what it has at that moment. */
export interface RecordedConsensus {
  logPin: (pin: Pin, ...rest: []) => Promise<void>
  logMove: (observed: Pin, pin: Pin, ...rest: []) => Promise<void>
  logUnpin: (pin: Pin, ...rest: []) => Promise<void>
  readonly pinset: () => { readonly get: (cid: Cid) => Promise<Pin | undefined> }
}

/** A change that a peer was asked to make to the pinset, by a user or by the peer's own upkeep. */
export interface Change {
  readonly number: number
  readonly peer: PeerId
  readonly cid: Cid
  /** The pin in its stored form; undefined for a removal. */
  readonly value: string | undefined
  readonly pin: Pin | undefined
  /** Changes for this CID that the peer had taken in when it was asked, directly, and not lost again before that was on disk. */
  seen: ReadonlySet<Change>
  isAcknowledged: boolean
  /** The number of the last change that had begun when this one was acknowledged, or its process ended; Infinity before. */
  acknowledgedAt: number
  /** Neither acknowledged nor refused, by a process that still runs. */
  isOpen: boolean
  /** From the peer's own upkeep, not from a user. */
  readonly isUpkeep: boolean
  /** Only gives a pin other holders: it stands where a pin of a user does, and takes the place of none. */
  readonly isMove: boolean
}

/** Everything that was asked of the pinset since all peers agreed last: what the outcome is held against. */
export class History {
  readonly #changes = new Map<Cid, Change[]>()
  /** Users whose requests are on their way into each peer. */
  readonly #userRequests = new Map<PeerId, number>()
  /** The number of the last change that each peer cannot know of any more but by way of others. */
  readonly #forgotten = new Map<PeerId, number>()
  /** Who has not what all others had when they agreed last: who was away then, or lost it again with what was not synced. */
  #behind = new Set<PeerId>()
  #number = 0
  readonly #note: (peer: PeerId, what: string) => void
  readonly #onLogged: (change: Change, before: Pin | undefined) => void
  acknowledged = 0

  /** `onLogged` is told of each change as a peer is asked for it, and what that peer had before. */
  constructor (note: (peer: PeerId, what: string) => void, onLogged: (change: Change, before: Pin | undefined) => void) {
    this.#note = note
    this.#onLogged = onLogged
  }

  /** Of the change that was asked for last. */
  get lastNumber (): number { return this.#number }

  /** Changes for that CID, in the order in which their peers took them. */
  of (cid: Cid): readonly Change[] { return this.#changes.get(cid) ?? [] }
  cids (): Cid[] { return [...this.#changes.keys()] }

  /** Takes what this peer logs until the result is called for a user's doing. */
  userAsks (peer: PeerId): () => void {
    const add = (count: number): void => { this.#userRequests.set(peer, (this.#userRequests.get(peer) ?? 0) + count) }
    add(1)
    return () => { add(-1) }
  }

  /** Notes all that goes into this consensus from now on. */
  record (self: PeerId, consensus: RecordedConsensus): void {
    const logPin = consensus.logPin.bind(consensus)
    const logMove = consensus.logMove.bind(consensus)
    const logUnpin = consensus.logUnpin.bind(consensus)
    consensus.logPin = async (pin, ...rest: []) => {
      const before = await consensus.pinset().get(pin.cid)
      await this.#follow(this.#begin(self, pin.cid, before, pin), logPin(pin, ...rest))
    }
    consensus.logMove = async (observed, pin, ...rest: []) => this.#follow(this.#begin(self, pin.cid, observed, pin, true), logMove(observed, pin, ...rest))
    consensus.logUnpin = async (pin, ...rest: []) => {
      const before = await consensus.pinset().get(pin.cid)
      await this.#follow(this.#begin(self, pin.cid, before, undefined), logUnpin(pin, ...rest))
    }
  }

  /** The peer has lost what it had not synced: what it learned from others it learns anew, and what it is being asked for does not follow that. */
  fallBehind (peer: PeerId): void {
    this.#behind.add(peer)
    for (const change of [...this.#changes.values()].flat()) if (change.peer === peer && change.isOpen) change.seen = new Set([...change.seen].filter(seen => seen.peer === peer))
  }

  /**
   * The process of the peer is gone: what it had begun may be on its disk, but is answered by nobody,
   * and a removal among it takes nothing that comes later.
   */
  end (peer: PeerId): void {
    for (const change of [...this.#changes.values()].flat()) {
      if (change.peer !== peer || !change.isOpen) continue
      change.isOpen = false
      change.acknowledgedAt = this.#number
    }
  }

  /** The peer has lost its datastore. */
  forget (peer: PeerId): void { this.#forgotten.set(peer, this.#number) }

  /**
   * All peers, but perhaps one that is `away`, have the same pinset, and all that was acknowledged
   * is in it: only that counts from now on, and what is still on its way.
   */
  restart (pins: ReadonlyMap<Cid, string>, away?: PeerId): void {
    const open = [...this.#changes.values()].flat().filter(change => change.isOpen)
    this.#changes.clear()
    this.#forgotten.clear()
    this.#behind = new Set(away === undefined ? [] : [away])
    for (const [cid, value] of pins) {
      this.#changes.set(cid, [{ number: ++this.#number, peer: '' as PeerId, cid, value, pin: undefined, seen: new Set(), isAcknowledged: true, acknowledgedAt: 0, isOpen: false, isUpkeep: false, isMove: false }])
    }
    for (const change of open) this.#changes.set(change.cid, [...this.of(change.cid), change])
  }

  /** What a pinset may hold for the CID after all changes have spread. */
  allowed (cid: Cid): { readonly values: ReadonlySet<string>, readonly mayBeAbsent: boolean } {
    const changes = this.of(cid)
    const before = precedences(changes)
    const isBefore = (a: Change, b: Change): boolean => before.get(b)?.has(a) === true
    const isGone = (pin: Change): boolean => changes.some(later => later.isAcknowledged && !later.isMove && isBefore(pin, later))
    const pins = changes.filter(change => change.value !== undefined && !change.isMove)
    const moves = changes.filter(change => change.isMove)
    const removals = changes.filter(change => change.value === undefined)
    const standing = pins.filter(pin => !isGone(pin))
    const values = new Set([...standing, ...standing.length > 0 ? moves.filter(move => !isGone(move)) : []].map(({ value }) => value as string))
    // A removal takes what its peer had when it was asked: it may have learned of the pin by then, unless that came after the answer.
    const mayTake = (removal: Change, pin: Change): boolean => !isBefore(removal, pin) && removal.acknowledgedAt >= pin.number
    const mayBeAbsent = pins.every(pin => !pin.isAcknowledged || removals.some(removal => mayTake(removal, pin)))
    return { values, mayBeAbsent }
  }

  #begin (peer: PeerId, cid: Cid, before: Pin | undefined, pin: Pin | undefined, isMove = false): Change {
    const earlier = this.#changes.get(cid) ?? []
    this.#changes.set(cid, earlier)
    const value = before === undefined ? undefined : storedForm(before)
    // Two peers may write the same: which of both was seen cannot be told then.
    const alike = value === undefined ? [] : earlier.filter(change => change.value === value)
    const forgotten = this.#forgotten.get(peer) ?? 0
    // What was refused, or begun by a process that is gone, may not be there, nor what it followed.
    const isOwn = (change: Change): boolean => (change.peer === peer && (change.isAcknowledged || change.isOpen)) || (change.peer === '' && !this.#behind.has(peer))
    const seen = new Set([...earlier.filter(change => change.number > forgotten && isOwn(change)), ...alike.length === 1 ? alike : []])
    const isUpkeep = isMove || (this.#userRequests.get(peer) ?? 0) === 0
    const change: Change = { number: ++this.#number, peer, cid, pin, value: pin === undefined ? undefined : storedForm(pin), seen, isAcknowledged: false, acknowledgedAt: Infinity, isOpen: true, isUpkeep, isMove }
    earlier.push(change)
    this.#onLogged(change, before)
    this.#note(peer, `${isUpkeep ? 'logs by itself' : 'logs'} ${cid}: ${pin === undefined ? 'removal' : `"${pin.name}" for ${pin.allocations?.length ?? 0}`}, knows ${seen.size} of ${earlier.length - 1}`)
    return change
  }

  async #follow (change: Change, logged: Promise<void>): Promise<void> {
    await logged.catch((error: unknown) => {
      change.isOpen = false
      throw error
    })
    // Nobody has got this answer of a process that is gone.
    if (!change.isOpen) return
    change.isOpen = false
    change.isAcknowledged = true
    change.acknowledgedAt = this.#number
    this.#note(change.peer, `has logged ${change.cid}: ${change.pin === undefined ? 'removal' : `"${change.pin.name}"`}`)
    this.acknowledged++
  }
}

/** A pin as all peers store it. */
export function storedForm (pin: Pin): string {
  return Buffer.from(PinMessage.encodeProtobuf(pin)).toString('base64')
}

/** For each change all those that its peer knew of, also by way of others. */
function precedences (changes: readonly Change[]): Map<Change, Set<Change>> {
  const before = new Map<Change, Set<Change>>()
  for (const change of changes) {
    const all = new Set<Change>()
    for (const seen of change.seen) {
      all.add(seen)
      for (const earlier of before.get(seen) ?? []) all.add(earlier)
    }
    before.set(change, all)
  }
  return before
}
