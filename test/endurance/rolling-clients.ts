import { setTimeout as sleep } from 'node:timers/promises'
import type { Member } from '../interoperability/member.ts'
import { cidOf } from './pin-clients.ts'
import type { Seeded } from './seeded.ts'

/** A client that gets errors goes on this much slower. */
const pauseAfterErrorMs = 100
/** A client waits this long for an answer, unless told otherwise. */
const defaultAnswerMs = 30_000
/** A peer that has not heard of a pin yet cannot remove it. */
const unpinTries = 20

export interface RollingCounts {
  pins: number
  unpins: number
  /** Requests that were repeated at another peer. */
  repeated: number
}

/**
 * Clients that each pin one CID after the other, and now and then take one back, each time at
 * another peer; what fails they repeat until it is acknowledged.
 */
export class RollingClients {
  readonly counts: RollingCounts = { pins: 0, unpins: 0, repeated: 0 }
  /** CIDs that must be pinned at the end, and CIDs that must not. */
  readonly pinned = new Set<string>()
  readonly unpinned = new Set<string>()
  readonly #members: readonly Member[]
  readonly #replication: number
  readonly #random: Seeded
  readonly #answerMs: number
  /** Pinned by one request, so that one unpin takes them back. */
  readonly #removable: string[] = []
  #next = 0

  constructor (members: readonly Member[], { replication, random, answerMs = defaultAnswerMs }: { readonly replication: number, readonly random: Seeded, readonly answerMs?: number }) {
    this.#members = members
    this.#replication = replication
    this.#random = random
    this.#answerMs = answerMs
  }

  /** Pins `count` CIDs. */
  async pin (count: number, clients: number): Promise<void> {
    const end = this.#next + count
    await Promise.all(Array.from({ length: clients }, async () => { while (this.#next < end) await this.#pinNext() }))
  }

  /** Goes on until the signal. */
  async run (clients: number, signal: AbortSignal): Promise<void> {
    await Promise.all(Array.from({ length: clients }, async () => {
      while (!signal.aborted) {
        if (this.#random.once(4)) await this.#unpinOne()
        else await this.#pinNext()
      }
    }))
  }

  async #pinNext (): Promise<void> {
    const cid = cidOf(this.#next++)
    // Stand-ins have equal room: without wishes the same peers would hold everything.
    const holders = new Set<string>()
    while (holders.size < this.#replication) holders.add(this.#anyMember().id)
    for (let tries = 1; ; tries++) {
      const status = await this.#send('POST', `/pins/${cid}?replication=${this.#replication}&user-allocations=${[...holders].join(',')}`)
      if (status === 200) {
        this.pinned.add(cid)
        this.counts.pins++
        if (tries === 1) this.#removable.push(cid)
        return
      }
      await this.#failed()
    }
  }

  async #unpinOne (): Promise<void> {
    const cid = this.#removable.splice(this.#random.below(this.#removable.length), 1)[0]
    if (cid === undefined) return
    this.pinned.delete(cid)
    for (let tries = 0; tries < unpinTries; tries++) {
      const status = await this.#send('DELETE', `/pins/${cid}`)
      // The answer to an earlier try may have been lost.
      if (status === 200 || (status === 404 && tries > 0)) {
        if (status === 200) this.unpinned.add(cid)
        this.counts.unpins++
        return
      }
      await this.#failed()
    }
  }

  async #failed (): Promise<void> {
    this.counts.repeated++
    await sleep(pauseAfterErrorMs)
  }

  #anyMember (): Member { return this.#members[this.#random.below(this.#members.length)] as Member }

  /** The status of the answer of some peer, which may be one that is down; undefined when there was none. */
  async #send (method: string, path: string): Promise<number | undefined> {
    try {
      const response = await this.#anyMember().request(path, { method, signal: AbortSignal.timeout(this.#answerMs) })
      await response.arrayBuffer()
      return response.status
    } catch {
      return undefined
    }
  }
}
