import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { cidFromBytes } from '../../src/domain/cid.ts'
import { Member, type Kind, type Machine } from './member.ts'

/** Requests of one client that are on their way at once. */
const requestsAtOnce = 50

export interface ClusterOptions {
  readonly goPrograms: string | undefined
  readonly environment?: Readonly<Record<string, string>>
  /** How long the cluster may take for anything, in milliseconds. */
  readonly patienceMs: number
  /** Where the next member runs, when not on this machine. */
  readonly machineFor?: (() => Machine) | undefined
}

/** Peers of both kinds that share a secret, on loopback. */
export class MixedCluster {
  readonly members: Member[] = []
  readonly folder: string
  readonly #options: ClusterOptions
  readonly #secret = randomBytes(32).toString('hex')

  private constructor (folder: string, options: ClusterOptions) {
    this.folder = folder
    this.#options = options
  }

  static async make (options: ClusterOptions): Promise<MixedCluster> {
    return new MixedCluster(await mkdtemp(join(tmpdir(), 'mixed-')), options)
  }

  /** Members that run. */
  get living (): Member[] { return this.members.filter(member => member.isRunning) }

  of (kind: Kind): Member[] { return this.living.filter(member => member.kind === kind) }

  /** Makes a member; it does not run yet. */
  async prepare (kind: Kind): Promise<Member> {
    const member = await this.prepareStranger(kind, `${kind}${this.members.filter(member => member.kind === kind).length}`)
    this.members.push(member)
    return member
  }

  /** Makes a peer that does not count as a member: whoever starts it closes it. */
  prepareStranger (kind: Kind, name: string, environment: Readonly<Record<string, string>> = {}): Promise<Member> {
    return Member.make({
      kind, name, root: this.folder, goPrograms: this.#options.goPrograms, machine: this.#options.machineFor?.(), environment: { CLUSTER_SECRET: this.#secret, ...this.#options.environment, ...environment },
    })
  }

  /**
   * Starts members, one after the other. Those of the Go program are told the addresses of all:
   * they find nobody by their DHT where all addresses are of loopback.
   */
  async start (members: readonly Member[], environment: Readonly<Record<string, string>> = {}): Promise<void> {
    for (const member of members) {
      const known = this.living.map(({ address }) => address)
      await member.start(member.kind === 'go' ? known : known.slice(0, 1), environment)
    }
    for (const member of this.living) await this.wait(`${member.name} to see all`, () => this.seesAll(member))
  }

  /** True when the member knows all that run, and may allocate to them. @throws Error that tells what it sees instead */
  async seesAll (member: Member): Promise<boolean> {
    const names = (ids: readonly string[]): string => ids.map(id => this.members.find(one => one.id === id)?.name ?? id).toSorted().join(' ')
    const all = names(this.living.map(({ id }) => id))
    const peers = await member.peers()
    const answering = names(peers.filter(({ error }) => error === '').map(({ id }) => id))
    const candidates = names(await member.candidates())
    if (answering === all && candidates === all) return true
    throw new Error(`${member.name} sees ${answering}, and may allocate to ${candidates}; ${peers.map(({ error }) => error).join(' ')}`)
  }

  /** Waits; what keeps `condition` from being true is told when it takes too long. */
  async wait (what: string, condition: () => Promise<boolean>, patienceMs = this.#options.patienceMs): Promise<void> {
    const end = Date.now() + patienceMs
    let last: unknown
    for (;;) {
      try {
        if (await condition()) return
        last = undefined
      } catch (error) {
        last = error
      }
      if (Date.now() > end) throw new Error(`waited in vain for ${what}${last === undefined ? '' : `: ${String(last)}`}\n${this.#logs()}`)
      await sleep(100)
    }
  }

  /** Pins CIDs at a member, many at once. Resolves when all are acknowledged. */
  async pin (member: Member, cids: readonly string[], replication = 2): Promise<void> {
    await inParallel(cids, async cid => {
      const response = await member.request(`/pins/${cid}?replication=${replication}&name=${member.name}`, { method: 'POST' })
      const text = await response.text()
      assert.equal(response.status, 200, text)
    })
  }

  async unpin (member: Member, cids: readonly string[]): Promise<void> {
    await inParallel(cids, async cid => {
      const response = await member.request(`/pins/${cid}`, { method: 'DELETE' })
      const text = await response.text()
      assert.equal(response.status, 200, text)
    })
  }

  /** Waits until every member that runs has just these pins. */
  async converge (cids: Iterable<string>): Promise<void> {
    const expected = [...cids].toSorted()
    for (const member of this.living) {
      await this.wait(`${member.name} to have ${expected.length} pins`, async () => {
        const pins = await member.pins()
        if (pins.length !== expected.length) throw new Error(`it has ${pins.length}`)
        assertSame(pins.map(({ cid }) => cid).toSorted(), expected, member.name)
        return true
      })
    }
    await this.wait('all to have the same allocations', async () => {
      const [first = [], ...others] = await Promise.all(this.living.map(pinsetOf))
      for (const [i, other] of others.entries()) assertSame(other, first, `${this.living[i + 1]?.name} and ${this.living[0]?.name}`)
      return true
    })
  }

  /** Waits until all members have the same pins with the same holders; answers these by CID. */
  async agree (): Promise<Map<string, string>> {
    let agreed = new Map<string, string>()
    await this.wait('all peers to agree', async () => {
      const [first = agreed, ...others] = await Promise.all(this.members.map(holders))
      for (const [i, other] of others.entries()) {
        if (other.size !== first.size || [...other].some(([cid, peers]) => first.get(cid) !== peers)) throw new Error(`${this.members[i + 1]?.name} has other pins than ${this.members[0]?.name}`)
      }
      agreed = first
      return true
    })
    return agreed
  }

  /** Waits until, as `member` sees it, each pin is held by its allocations, `replication` members that run. */
  async settle (member: Member, replication: number): Promise<void> {
    const ids = new Set(this.living.map(({ id }) => id))
    await this.wait(`${member.name} to list all as pinned by ${replication}`, async () => {
      const allocations = new Map((await member.pins()).map(pin => [pin.cid, pin.allocations]))
      const statuses = await member.statuses()
      assert.equal(statuses.length, allocations.size)
      const wrong = statuses.filter(({ cid, peer_map: peers }) => {
        const pinned = Object.entries(peers).filter(([, { status }]) => status === 'pinned').map(([id]) => id).toSorted()
        return pinned.length !== replication || !pinned.every(id => ids.has(id)) || String(pinned) !== String([...allocations.get(cid) ?? []].toSorted())
      })
      if (wrong.length > 0) throw new Error(`${wrong.length} are not, such as ${JSON.stringify(wrong[0])} with ${String(allocations.get(wrong[0]?.cid ?? ''))}`)
      return true
    })
  }

  async close ({ isFolderKept = false }: { readonly isFolderKept?: boolean } = {}): Promise<void> {
    for (const member of this.members) await member.end('SIGKILL')
    for (const member of this.members) await member.close()
    if (!isFolderKept) await rm(this.folder, { recursive: true, force: true, maxRetries: 3 })
  }

  #logs (): string {
    return this.members.map(({ name, log, isRunning }) => `--- the log of ${name}${isRunning ? '' : ' (ended)'} ends with:\n${log.slice(-1_500)}`).join('\n')
  }
}

/** CIDs that stand for content of which the stand-ins say that they have it. */
export function cidsOf (label: string, count: number): string[] {
  return Array.from({ length: count }, (_, n) => cidFromBytes(Uint8Array.of(1, 0x55, 0x12, 0x20, ...createHash('sha256').update(`${label} ${n}`).digest())))
}

/** What all members must agree on: pins with their names and holders, one line each, sorted. */
export async function pinsetOf (member: Member): Promise<string[]> {
  return (await member.pins()).map(({ cid, name, allocations }) => `${cid} ${name} ${allocations.toSorted().join(' ')}`).toSorted()
}

/** Who holds each pin, as the peer sees it. */
export async function holders (member: Member): Promise<Map<string, string>> {
  return new Map((await member.pins()).map(({ cid, allocations }) => [cid, allocations.toSorted().join(' ')]))
}

/** Compares long lists; the error shows where they part. */
export function assertSame (list: readonly string[], expected: readonly string[], what: string): void {
  const at = expected.findIndex((line, i) => line !== list[i])
  if (at < 0 && list.length === expected.length) return
  assert.fail(`${what}: ${list.length} lines instead of ${expected.length}; line ${at + 1} is "${list[at] ?? ''}" instead of "${expected[at] ?? ''}"`)
}

async function inParallel<T> (items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = items.values()
  await Promise.all(Array.from({ length: Math.min(requestsAtOnce, items.length) }, async () => { for (const item of left) await work(item) }))
}
