import type { Clock } from '../platform/clock.ts'
import type { NetworkMember } from './network-member.ts'
import type { Carry, SimulatedEnd } from './simulated-stream.ts'

/** One direction of a connection: what is sent arrives in order. */
interface Lane {
  /** When the last thing that was sent arrives. */
  lastAt: number
  isCut: boolean
  /** What is on its way, the oldest first. */
  underWay: Array<() => void>
  /** So much of it the cut holds up: TCP sends it again when the way is free, unless the connection is given up before. */
  stalled: number
}

/** The way between two peers: at most one connection at a time, which can be cut in either direction. */
export class Link {
  readonly #clock: Clock
  readonly #delayMs: () => number
  /** To the peer of the greater and of the lesser ID. */
  readonly #lanes: readonly [Lane, Lane] = [{ lastAt: 0, isCut: false, underWay: [], stalled: 0 }, { lastAt: 0, isCut: false, underWay: [], stalled: 0 }]
  /** The processes that the connection is between. */
  #ends: readonly [NetworkMember, NetworkMember] | undefined
  #streams = new Set<SimulatedEnd>()
  #pending = new Set<() => void>()
  /** Grows with each connection: what an earlier one carried is lost. */
  #session = 0
  isReviewed = false

  constructor (clock: Clock, delayMs: () => number) {
    this.#clock = clock
    this.#delayMs = delayMs
  }

  get isUp (): boolean { return this.#ends !== undefined }
  get session (): number { return this.#session }
  get ends (): readonly [NetworkMember, NetworkMember] | undefined { return this.#ends }
  get isCut (): boolean { return this.#lanes[0].isCut || this.#lanes[1].isCut }
  isCutTo (side: 0 | 1): boolean { return this.#lanes[side].isCut }

  cut (side: 0 | 1): void { this.#lanes[side].isCut = true }

  heal (): void {
    for (const side of [0, 1] as const) {
      const lane = this.#lanes[side]
      lane.isCut = false
      for (; lane.stalled > 0; lane.stalled--) this.#landOneLater(side)
    }
  }

  connect (ends: readonly [NetworkMember, NetworkMember]): void {
    this.#begin(ends)
  }

  /** Ends the connection: both sides see their streams break, whatever was under way is gone. */
  lose (): void {
    const [streams, pending] = [this.#streams, this.#pending]
    this.#streams = new Set()
    this.#pending = new Set()
    this.#begin(undefined)
    for (const give of pending) give()
    for (const stream of streams) stream.lose()
  }

  keep (stream: SimulatedEnd): void {
    if (this.#streams.size > 64) for (const old of this.#streams) if (old.isOver) this.#streams.delete(old)
    this.#streams.add(stream)
  }

  /** Calls `give` when the connection is lost, unless the result is called first. */
  onLoss (give: () => void): () => void {
    this.#pending.add(give)
    return () => { this.#pending.delete(give) }
  }

  /** What brings things to that side over the present connection. */
  carryTo (side: 0 | 1): Carry {
    const session = this.#session
    return arrive => {
      this.#send(side, () => { if (session === this.#session) this.#ends?.[side].clock.run(arrive) })
    }
  }

  #begin (ends: readonly [NetworkMember, NetworkMember] | undefined): void {
    this.#ends = ends
    this.#session++
    for (const lane of this.#lanes) Object.assign(lane, { underWay: [], stalled: 0 })
  }

  #send (side: 0 | 1, land: () => void): void {
    this.#lanes[side].underWay.push(land)
    this.#landOneLater(side)
  }

  /** The oldest, whichever that is then: what was held up stays before what was sent after it. */
  #landOneLater (side: 0 | 1): void {
    const lane = this.#lanes[side]
    const now = this.#clock.monotonic()
    lane.lastAt = Math.max(lane.lastAt, now + this.#delayMs())
    const session = this.#session
    this.#clock.after(lane.lastAt - now, () => {
      if (session !== this.#session) return
      if (lane.isCut) lane.stalled++
      else lane.underWay.shift()?.()
    })
  }
}
