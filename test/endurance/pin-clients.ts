import { Agent, request } from 'node:http'
import { cidFromBytes, type Cid } from '../../src/domain/cid.ts'
import type { Seeded } from './seeded.ts'

/** A pin as the API tells it, cut down to what a client decides; undefined: not pinned. */
export type Seen = string | undefined

/** What a client knows of one CID. */
interface Knowledge {
  /** What the last answered request made of it. */
  acknowledged: Seen
  /** What requests without an answer, or with an error, may have made of it. */
  readonly possible: Seen[]
}

export interface Counts { pins: number, unpins: number, refused: number, cut: number }

export interface Mistake { readonly cid: Cid, readonly expected: Seen, readonly found: Seen }

/** The fields of a pin in the API's JSON that clients decide. */
export interface PinJson {
  readonly cid: string
  readonly name: string
  readonly mode: string
  readonly metadata: Readonly<Record<string, string>> | null
  readonly replication_factor_min: number
  readonly allocations: readonly string[] | null
}

/** CIDs of one client: few, so that it pins, pins again and unpins the same ones. */
const cidsOfClient = 120
/** A client that gets errors goes on this much slower. */
const pauseAfterErrorMs = 20

/** 32 clients (unless told) that pin and unpin at full speed and remember what they were told. */
export class PinClients {
  readonly counts: Counts = { pins: 0, unpins: 0, refused: 0, cut: 0 }
  readonly #known = new Map<Cid, Knowledge>()
  readonly #clients: Array<{ readonly cids: readonly Cid[], readonly random: Seeded }>
  readonly #port: number
  #isRunning = false
  #operations = 0
  #work: Promise<unknown> = Promise.resolve()

  constructor (port: number, random: Seeded, clients = 32) {
    this.#port = port
    this.#clients = Array.from({ length: clients }, (_, n) => ({ cids: Array.from({ length: cidsOfClient }, (_, i) => cidOf(n * cidsOfClient + i)), random: random.fork() }))
  }

  start (): void {
    this.#isRunning = true
    const agent = new Agent({ keepAlive: true, maxSockets: this.#clients.length })
    this.#work = Promise.all(this.#clients.map(client => this.#run(client, agent))).finally(() => { agent.destroy() })
  }

  /** Resolves when every request has its answer or its error. */
  async stop (): Promise<void> {
    this.#isRunning = false
    await this.#work
  }

  /** Compares with what is in the pinset now, and takes that for the truth of requests without an answer. */
  settle (found: ReadonlyMap<string, Seen>): Mistake[] {
    const mistakes: Mistake[] = []
    for (const [cid, known] of this.#known) {
      const seen = found.get(cid)
      if (seen !== known.acknowledged && !known.possible.includes(seen)) mistakes.push({ cid, expected: known.acknowledged, found: seen })
      known.acknowledged = seen
      known.possible.length = 0
    }
    for (const [cid, seen] of found) {
      if (!this.#known.has(cid as Cid)) mistakes.push({ cid: cid as Cid, expected: undefined, found: seen })
    }
    return mistakes
  }

  async #run ({ cids, random }: { readonly cids: readonly Cid[], readonly random: Seeded }, agent: Agent): Promise<void> {
    while (this.#isRunning) {
      const cid = cids[random.below(cids.length)] as Cid
      const known = this.#knowledge(cid)
      const isPinned = known.acknowledged !== undefined
      const wanted = isPinned && random.below(10) < 6 ? undefined : this.#draw(cid, known, random)
      known.possible.push(wanted?.seen)
      const status = await send(this.#port, agent, wanted === undefined ? 'DELETE' : 'POST', `/pins/${cid}${wanted?.query ?? ''}`)
      if (status === 200) {
        known.acknowledged = wanted?.seen
        known.possible.length = 0
        this.counts[wanted === undefined ? 'unpins' : 'pins']++
        continue
      }
      this.counts[status === undefined ? 'cut' : 'refused']++
      await new Promise(resolve => { setTimeout(resolve, pauseAfterErrorMs) })
    }
  }

  #knowledge (cid: Cid): Knowledge {
    let known = this.#known.get(cid)
    if (known === undefined) this.#known.set(cid, known = { acknowledged: undefined, possible: [] })
    return known
  }

  /** A pin unlike all before it: with or without metadata, allocations, recursion. */
  #draw (cid: Cid, known: Knowledge, random: Seeded): { readonly seen: string, readonly query: string } {
    // A recursive pin may not become a direct one.
    const mayBeDirect = [known.acknowledged, ...known.possible].every(seen => seen === undefined || seen.includes('"direct"'))
    const mode = mayBeDirect && random.once(4) ? 'direct' : 'recursive'
    const name = `pin ${++this.#operations}`
    const metadata: Record<string, string> = random.once(3) ? { of: name, text: 'm'.repeat(random.below(300)) } : {}
    const factor = random.once(2) ? 1 : -1
    const query = new URLSearchParams({ name, mode, 'replication-min': String(factor), 'replication-max': String(factor) })
    for (const [key, value] of Object.entries(metadata)) query.set(`meta-${key}`, value)
    return { query: `?${query}`, seen: seenOf({ cid, name, mode, metadata, replication_factor_min: factor, allocations: null }) }
  }
}

/** Two pins are the same to a client when this is. */
export function seenOf (pin: PinJson): string {
  return JSON.stringify([pin.name, pin.mode, Object.entries(pin.metadata ?? {}).toSorted(), pin.replication_factor_min])
}

/** The status, or undefined when there was no (whole) answer. */
function send (port: number, agent: Agent, method: string, path: string): Promise<number | undefined> {
  return new Promise(resolve => {
    const sent = request({ host: '127.0.0.1', port, agent, method, path }, response => {
      response.resume()
      response.once('end', () => { resolve(response.complete ? response.statusCode : undefined) })
      response.once('error', () => { resolve(undefined) })
    })
    sent.once('error', () => { resolve(undefined) })
    sent.end()
  })
}

/** A CID for a number; the order of the numbers says nothing about that of the CIDs. */
export function cidOf (n: number): Cid {
  const digest = Buffer.alloc(32)
  digest.writeUInt32BE(Math.imul(n + 1, 2654435761) >>> 0)
  digest.writeUInt32BE(n, 28)
  return cidFromBytes(Buffer.concat([Buffer.from([1, 0x55, 0x12, 0x20]), digest]))
}
