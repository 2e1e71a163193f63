import { createHash } from 'node:crypto'
import type { AddOptions } from '../adder/adder.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { cidFromBytes, type Cid } from '../domain/cid.ts'
import { ClusterError, errorText } from '../domain/errors.ts'
import { defaultPinOptions, type PinOptions } from '../domain/pin.ts'
import { sleep } from '../platform/clock.ts'
import { addFile } from './add-file.ts'
import { addSharded, unpinSharded } from './add-sharded.ts'
import { listFaults } from './checks/listed.ts'
import { pinsetOn } from './disk-contents.ts'
import type { History } from './history.ts'
import type { SeededRandom } from './seeded-random.ts'
import { shardedOptions, shardedUpload, versions, type ShardedUpload } from './sharded-uploads.ts'
import type { SimulatedPeer } from './simulated-peer.ts'
import { addOptions, addPatienceMs, upload } from './uploads.ts'
import type { World } from './world.ts'

/** A user gives up on a request after this, in milliseconds. */
const patienceMs = 60_000
/** Every list ends by then, with data or with an error, whatever other peers do, in milliseconds. */
const listPatienceMs = 300_000

/** How many requests are adds of files, and of how many files. */
const addShare = 0.06
const files = 40

/** How often nobody adds over shards, and the time between two requests of who does at most, in milliseconds. */
const withoutShards = 0.5
const shardsPauseMs = 60_000

/** How many pins a user asks for at once at most, and how often. */
const mostAtOnce = 12
const burstShare = 0.1

/** How soon a user notices that the peer is gone, in milliseconds. */
const lookMs = 2_000

export interface WorkloadOptions {
  readonly users: number
  /** Time between two requests of a user at most, in milliseconds. */
  readonly mostPauseMs: number
  /** CIDs that all users fight over. */
  readonly sharedCids: number
  /** Users ask for many things at once now and then. */
  readonly hasBursts: boolean
}

/** Random users of a cluster. */
export class Workload {
  readonly #world: World
  readonly #options: WorkloadOptions
  readonly #shared: Cid[]
  readonly #known: Cid[] = []
  /** Pinned by outsiders. */
  readonly #foreign: Cid[] = []
  readonly #ofShards: ShardedUpload[] = []
  /** Of them those to which something is still done. */
  readonly #busy = new Set<ShardedUpload>()
  #groups = 0
  #made = 0
  #names = 0
  requests = 0
  answered = 0
  refused = 0

  constructor (world: World, options: WorkloadOptions) {
    this.#world = world
    this.#options = options
    this.#shared = Array.from({ length: options.sharedCids }, (_, n) => cidOf(`shared ${n}`))
  }

  /** Resolves when all users have stopped asking. */
  async run (untilMs: number, round: number): Promise<void> {
    const { clock, random } = this.#world
    const asking = Array.from({ length: this.#options.users }, async (_, n) => {
      const own = random.fork(`user/${round}/${n}`)
      for (;;) {
        await sleep(clock, own.between(0, this.#options.mostPauseMs))
        if (clock.monotonic() >= untilMs) return
        const serving = this.#world.serving()
        if (serving.length === 0) continue
        const peer = own.pick(serving)
        const times = this.#options.hasBursts && own.chance(burstShare) ? 2 + own.integer(mostAtOnce - 1) : 1
        await Promise.all(Array.from({ length: times }, () => this.#ask(peer, own)))
      }
    })
    await Promise.all([...asking, this.#addOverShards(untilMs, random.fork(`shards/${round}`))])
  }

  /** One more user, who adds files over shards and unpins them: each is added once, and nobody else touches it meanwhile. */
  async #addOverShards (untilMs: number, random: SeededRandom): Promise<void> {
    const { clock } = this.#world
    if (random.chance(withoutShards)) return
    for (;;) {
      await sleep(clock, random.between(0, shardsPauseMs))
      const members = this.#world.servingMembers()
      if (clock.monotonic() >= untilMs) return
      const file = this.#ofShards.length > 0 && random.chance(0.4) ? random.pick(this.#ofShards) : undefined
      if (members.length === 0 || (file !== undefined && this.#busy.has(file))) continue
      await this.#askOverShards(random.pick(members), file ?? await shardedUpload(this.#groups++, random.integer(versions)), file === undefined, random)
    }
  }

  async #askOverShards (peer: SimulatedPeer, file: ShardedUpload, isNew: boolean, random: SeededRandom): Promise<void> {
    const { process } = peer
    const cluster = peer.serving?.cluster
    if (process === undefined || cluster === undefined) return
    const { sharded } = this.#world
    const gaveUp = new AbortController()
    const { name, replicationFactorMin, replicationFactorMax } = this.#pinOptions(random)
    const options: AddOptions = { ...shardedOptions, pin: { ...shardedOptions.pin, name, replicationFactorMin, replicationFactorMax } }
    const isBroken = random.chance(0.1)
    const request = async (): Promise<AskedChange> => {
      if (isNew) await addSharded(this.#world, peer, cluster, file, options, { isBroken, signal: gaveUp.signal })
      else await unpinSharded(peer, cluster, file)
      return { cid: file.root, name: isNew ? name : undefined }
    }
    this.#busy.add(file)
    sharded.begun(file)
    if (isNew) this.#ofShards.push(file)
    await this.#answer(peer, isNew ? 'add' : 'unpin', file.root, async () => {
      const asked = await request().finally(() => { this.#busy.delete(file) })
      sharded.ended(file)
      return asked
    })
    process.clock.run(() => { gaveUp.abort(new ClusterError('CANCELLED', 'the client has gone away')) })
  }

  async #ask (peer: SimulatedPeer, random: SeededRandom): Promise<void> {
    const cluster = peer.serving?.cluster
    if (cluster === undefined) return
    if (peer.role === 'outsider') return this.#askOutsider(peer, cluster, random)
    if (random.chance(addShare)) return this.#add(peer, cluster, random)
    const kind = random.fraction()
    const cid = kind < 0.6 && random.chance(0.5) ? this.#newCid() : this.#someCid(random)
    const [what, request]: [string, () => Promise<unknown>] = kind < 0.6
      ? ['pin', () => pin(cluster, cid, this.#pinOptions(random))]
      : kind < 0.85
        ? ['unpin', () => unpin(peer, cluster, cid)]
        : kind < 0.9
          ? ['update', () => pin(cluster, this.#newCid(), { ...this.#pinOptions(random), pinUpdate: cid })]
          : random.pick<[string, () => Promise<unknown>]>([
            ['status', () => cluster.status(cid)],
            ['recover', () => cluster.recover(cid, { local: random.chance(0.5) })],
            ['list', () => this.#list(peer, cluster)],
            ['recover all', () => Array.fromAsync(cluster.recoverAll({ local: random.chance(0.5) }))],
            ['peers', () => Array.fromAsync(cluster.peers())],
            ['graph', () => cluster.connectGraph()],
          ])
    await this.#answer(peer, what, cid, request)
  }

  async #add (peer: SimulatedPeer, cluster: Cluster, random: SeededRandom): Promise<void> {
    const file = await upload(random.integer(files))
    this.#world.content.dags.set(file.root, file.blocks)
    const options: AddOptions = { ...addOptions, pin: { ...this.#pinOptions(random), mode: 'recursive' }, local: random.chance(0.1) }
    const gaveUp = new AbortController()
    const isBroken = random.chance(0.1)
    let isStored = false
    await this.#answer(peer, 'add', file.root, async () => {
      await addFile(this.#world, peer, cluster, file, options, { isBroken, signal: gaveUp.signal })
      isStored = true
      return { cid: file.root, name: options.pin.name } satisfies AskedChange
    })
    gaveUp.abort(new ClusterError('CANCELLED', 'the client has gone away'))
    // Its content is somewhere from now on, whoever pins it.
    if (isStored && !this.#known.includes(file.root)) this.#known.push(file.root)
  }

  /** What is pinned there concerns nobody else. */
  async #askOutsider (peer: SimulatedPeer, cluster: Cluster, random: SeededRandom): Promise<void> {
    if (this.#foreign.length > 0 && random.chance(0.4)) {
      const cid = random.pick(this.#foreign)
      return random.chance(0.5) ? this.#answer(peer, 'unpin', cid, () => unpin(peer, cluster, cid)) : this.#answer(peer, 'status', cid, () => cluster.status(cid))
    }
    const cid = cidOf(`foreign ${this.#foreign.length}`)
    this.#foreign.push(cid)
    return this.#answer(peer, 'pin', cid, () => pin(cluster, cid, { ...this.#pinOptions(random), expireAt: 0 }))
  }

  /** What the asked peer has all the while is in its list. */
  async #list (peer: SimulatedPeer, cluster: Cluster): Promise<void> {
    const had = [...pinsetOn(peer.disk).values.keys()]
    const before = peer.history.lastNumber
    const listed = (await Array.fromAsync(cluster.statusAll(0))).flat()
    const has = pinsetOn(peer.disk).values
    // What it has been asked to remove may still be on the disk.
    const isLeft = (cid: Cid): boolean => peer.history.of(cid).every(change => change.number <= before && !change.isOpen && (change.peer !== peer.self || change.value !== undefined))
    const kept = had.filter(cid => has.has(cid) && isLeft(cid))
    for (const fault of listFaults(listed, kept)) this.#world.violate(`a list has all pins once, in order: ${peer.name} ${fault}`)
  }

  async #answer (peer: SimulatedPeer, what: string, cid: Cid, request: () => Promise<unknown>): Promise<void> {
    const { clock, trace } = this.#world
    const { history } = peer
    this.requests++
    const isChange = ['pin', 'unpin', 'update', 'add'].includes(what)
    const mustEnd = !isChange || what === 'add'
    const waitMs = what === 'add' ? addPatienceMs : mustEnd ? listPatienceMs : patienceMs
    const asked = { process: peer.process, at: clock.monotonic() }
    const before = history.lastNumber
    let result: unknown
    const answered = isChange ? history.userAsks(peer.self) : undefined
    let outcome = 'no answer'
    const gaveUp = new AbortController()
    const asking = request().then(
      (value: unknown) => { outcome = 'done'; result = value },
      (error: unknown) => { outcome = codeOf(error) },
    )
    await Promise.race([asking.then(() => { gaveUp.abort() }), this.#patience(peer, waitMs, gaveUp.signal)])
    answered?.()
    if (outcome === 'done') this.answered++
    else this.refused++
    trace.note(peer.name, `${what} ${cid.slice(-6)}: ${outcome}`)
    const isSteady = peer.process === asked.process && (asked.process?.steadySince ?? Infinity) <= asked.at && asked.process?.clock.isPaused === false
    if (mustEnd && outcome === 'no answer' && isSteady) this.#world.violate(`every list and every add ends: ${peer.name} has not answered ${what} for ${waitMs / 1_000} s`)
    if (/THREW|INTERNAL/.test(outcome)) this.#world.violate(`${peer.name} answered ${what} with an error that is none of the product's: ${outcome}`)
    if (isChange && outcome === 'done' && peer.role === 'follower') this.#world.violate(`a follower changes nothing: ${peer.name} acknowledged ${what} ${cid}`)
    if (isChange && outcome === 'done' && !isLogged(history, peer, result as AskedChange, before)) this.#world.violate(`${peer.name} acknowledged ${what} ${cid} without having logged it`)
  }

  /** Ends with the time, and sooner when the connection to the process is lost. */
  async #patience (peer: SimulatedPeer, timeMs: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#world
    const { process } = peer
    const until = clock.monotonic() + timeMs
    while (!signal.aborted && clock.monotonic() < until && peer.process === process) await sleep(clock, lookMs, signal).catch(() => {})
  }

  #newCid (): Cid {
    const cid = cidOf(`content ${this.#made++}`)
    this.#known.push(cid)
    return cid
  }

  #someCid (random: SeededRandom): Cid {
    return this.#known.length > 0 && random.chance(0.5) ? random.pick(this.#known) : random.pick(this.#shared)
  }

  #pinOptions (random: SeededRandom): PinOptions {
    const { peers, clock } = this.#world
    const max = random.chance(0.4) ? 0 : random.chance(0.2) ? -1 : 1 + random.integer(Math.min(4, peers.length))
    const min = max <= 0 ? max : Math.max(1, max - random.integer(3))
    return {
      ...defaultPinOptions,
      name: `pin ${this.#names++}`,
      replicationFactorMin: min,
      replicationFactorMax: max,
      mode: random.chance(0.05) ? 'direct' : 'recursive',
      userAllocations: random.chance(0.2) ? [random.pick(peers).self] : null,
      expireAt: random.chance(0.1) ? clock.now() + random.between(10_000, 90_000) : 0,
      metadata: random.chance(0.1) ? { key: `value ${random.integer(100)}` } : null,
    }
  }
}

/** What a change that was acknowledged is to have made of the pinset; without a name the pin is gone. */
interface AskedChange { readonly cid: Cid, readonly name: string | undefined }

/** True when the peer has logged that since the change with this number, and this has been acknowledged to it. */
function isLogged (history: History, { self }: SimulatedPeer, { cid, name }: AskedChange, before: number): boolean {
  return history.of(cid).some(change => change.number > before && change.peer === self && change.isAcknowledged && change.pin?.name === name)
}

async function pin (cluster: Cluster, cid: Cid, options: PinOptions): Promise<AskedChange> {
  await cluster.pin(cid, options)
  return { cid, name: options.name }
}

async function unpin ({ process }: SimulatedPeer, cluster: Cluster, cid: Cid): Promise<AskedChange> {
  process?.unpins.push(cid)
  try {
    await cluster.unpin(cid)
    return { cid, name: undefined }
  } finally {
    process?.unpins.splice(process.unpins.indexOf(cid), 1)
  }
}

/** Lists that lack the answers of several peers end with the errors of all. */
function codeOf (error: unknown): string {
  if (error instanceof ClusterError) return error.code
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.map(codeOf).join()
  return `THREW ${errorText(error)}`
}

function cidOf (name: string): Cid {
  return cidFromBytes(Uint8Array.from([1, 0x55, 0x12, 0x20, ...createHash('sha256').update(name).digest()]))
}
