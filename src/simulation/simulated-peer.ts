import { startAll, stopAll } from '../cluster/components.ts'
import { composePeer, type Peer } from '../cluster/compose.ts'
import { livePeer } from '../cluster/peer-life.ts'
import type { Configuration } from '../config/configuration.ts'
import type { Cid } from '../domain/cid.ts'
import { ClusterError, errorText } from '../domain/errors.ts'
import type { Multiaddress, PeerId } from '../domain/peer.ts'
import type { Platform } from '../platform/lifecycle.ts'
import type { Role } from './configuration.ts'
import { Figures } from './figures.ts'
import { goWire } from './go-wire.ts'
import { History } from './history.ts'
import { PeerClock } from './peer-clock.ts'
import type { SimulatedNode } from './simulated-ipfs.ts'
import type { SimulatedDisk } from './simulated-store.ts'
import { traceLoggers } from './trace-loggers.ts'
import type { World } from './world.ts'

/** A peer that cannot start is tried again after this, in milliseconds, as a supervisor of services does. */
const startAgainMs = 5_000
/** One that does not stop by itself is killed after this, in milliseconds. */
const stopTimeoutMs = 30_000

/** One life of the process. */
export interface PeerProcess {
  readonly number: number
  readonly clock: PeerClock
  readonly figures: Figures
  /** Undefined until it is made. */
  peer: Peer | undefined
  /** True from the end of its start to the beginning of its stop. */
  isServing: boolean
  /** Its IPFS node has answered, and it tells others of itself. */
  isReady: boolean
  /** Since when it has served, gone on after a pause, and had the right time, without a break, by the world's monotonic clock. */
  steadySince: number
  readonly loops: AbortController
  /** What users have asked it to unpin and are not answered yet, whether they still wait or not. */
  readonly unpins: Cid[]
}

/** A peer with its disk and IPFS node, on which one process after the other runs. */
export class SimulatedPeer {
  readonly name: string
  readonly self: PeerId
  readonly number: number
  readonly role: Role
  /** Where it joins the cluster. */
  readonly bootstrap: readonly Multiaddress[]
  readonly configuration: Configuration
  readonly disk: SimulatedDisk
  readonly node: SimulatedNode
  /** Where its changes are recorded: those of an outsider are its own affair. */
  readonly history: History
  readonly #world: World
  #process: PeerProcess | undefined
  #processes = 0
  /** Somebody has started it while it was stopping. */
  #isWanted = false
  /** Since when no process runs, by the world's monotonic clock. */
  goneSince = 0
  /** Since when the last process that is gone was steady. */
  wasSteadySince = Infinity
  /** Wall clock of the machine, ahead of the world's. */
  wallOffsetMs = 0
  /** Since when that is right again after it was wrong, by the world's monotonic clock. */
  rightSince = -Infinity

  constructor (world: World, parts: { readonly name: string, readonly self: PeerId, readonly number: number, readonly role: Role, readonly bootstrap: readonly Multiaddress[], readonly configuration: Configuration, readonly disk: SimulatedDisk, readonly node: SimulatedNode }) {
    this.#world = world
    this.name = parts.name
    this.self = parts.self
    this.number = parts.number
    this.role = parts.role
    this.bootstrap = parts.bootstrap
    this.history = parts.role === 'outsider' ? new History(() => {}, () => {}) : world.history
    this.configuration = parts.configuration
    this.disk = parts.disk
    this.disk.onTakenBack = () => { this.history.fallBehind(this.self) }
    this.node = parts.node
  }

  get process (): PeerProcess | undefined { return this.#process }

  /** The peer when its process answers requests. */
  get serving (): Peer | undefined {
    const process = this.#process
    return process?.isServing === true && !process.clock.isPaused ? process.peer : undefined
  }

  /** Starts a process, again and again until it stands or somebody ends it; none on a machine that is lost. */
  start (): void {
    if (this.#world.lost === this || !this.#world.peers.includes(this)) return
    this.#isWanted = true
    if (this.#process !== undefined) return
    this.goneSince = Infinity
    const process: PeerProcess = { number: ++this.#processes, clock: new PeerClock(this.#world.clock, this.wallOffsetMs), figures: new Figures(), peer: undefined, isServing: false, isReady: false, steadySince: Infinity, loops: new AbortController(), unpins: [] }
    this.#process = process
    this.#world.trace.note(this.name, `process ${process.number} starts`)
    process.clock.soon(() => {
      this.#run(process).catch((error: unknown) => {
        if (this.#process !== process) return
        this.#world.trace.note(this.name, `cannot start: ${errorText(error)}`)
        if (error instanceof ClusterError && error.code === 'STORE_DAMAGED') this.#world.damageSeen(this)
        this.kill()
        this.#world.clock.after(startAgainMs, () => { this.start() })
      })
    })
  }

  /** As SIGKILL does. */
  kill (): void {
    const process = this.#process
    this.#isWanted = false
    if (process === undefined) return
    this.#process = undefined
    this.goneSince = this.#world.clock.monotonic()
    this.wasSteadySince = process.steadySince
    process.clock.kill()
    this.history.end(this.self)
    this.#world.networks.vanish(this.self)
    this.disk.killProcess()
    this.#world.trace.note(this.name, `process ${process.number} is gone`)
  }

  losePower (): void {
    this.kill()
    this.#world.trace.note(this.name, `power lost, with it ${this.disk.losePower()} batches`)
  }

  /** As SIGTERM does. */
  stop (): void {
    const process = this.#process
    if (process?.peer === undefined) {
      this.kill()
      return
    }
    process.isServing = false
    this.#isWanted = false
    this.#world.trace.note(this.name, 'is asked to stop')
    const killIfHere = (): void => {
      if (this.#process !== process) return
      const isWanted = this.#isWanted
      this.kill()
      if (isWanted) this.start()
    }
    this.#world.clock.after(stopTimeoutMs, killIfHere)
    this.#stop(process, process.peer).then(killIfHere, (error: unknown) => {
      this.#world.trace.note(this.name, `did not stop in order: ${errorText(error)}`)
      killIfHere()
    })
  }

  /** As SIGSTOP and SIGCONT do. */
  pause (): void { this.#process?.clock.pause() }
  resume (): void {
    if (this.#process?.clock.isPaused !== true) return
    this.#process.clock.resume()
    this.#unsettle()
  }

  setWallOffset (offsetMs: number): void {
    if (this.wallOffsetMs === offsetMs) return
    this.wallOffsetMs = offsetMs
    if (offsetMs === 0) this.rightSince = this.#world.clock.monotonic()
    this.#process?.clock.setWallOffset(offsetMs)
    this.#unsettle()
  }

  #unsettle (): void {
    const process = this.#process
    if (process?.isServing === true) process.steadySince = this.#steadyFromNow()
  }

  #steadyFromNow (): number { return this.wallOffsetMs === 0 ? this.#world.clock.monotonic() : Infinity }

  async #run (process: PeerProcess): Promise<void> {
    const { clock, figures, loops } = process
    const random = this.#world.random.fork(`${this.name}/${process.number}`)
    const platform: Platform = { clock, random, loggers: traceLoggers(this.#world.trace, this.name), metrics: figures }
    const joined = this.#world.networks.join(this.self, this.number, clock)
    const { speaksGo, changesPrograms } = this.#world.settings
    const isGo = speaksGo[this.number] === true && !(changesPrograms && random.fork('program').chance(0.5))
    const network = isGo ? goWire(joined) : joined
    const peer = await composePeer(this.configuration, {
      self: this.self,
      network,
      store: this.#world.bugs.store(this.disk.open(clock), this),
      ipfs: () => this.#world.bugs.ipfs(this.node.connector(clock), this),
      platform,
    })
    this.#world.bugs.peer(peer, this)
    this.history.record(this.self, peer.consensus)
    await startAll(peer.components, { signal: loops.signal, logger: platform.loggers.component('cluster') })
    process.peer = peer
    process.isServing = true
    process.steadySince = this.#steadyFromNow()
    this.#world.trace.note(this.name, 'serves')
    await livePeer(peer, { bootstrap: this.bootstrap, connectSwarmsDelayMs: 30_000, onReady: () => { process.isReady = true } }, loops.signal)
  }

  async #stop (process: PeerProcess, peer: Peer): Promise<void> {
    process.loops.abort(new ClusterError('CANCELLED', 'the peer stops'))
    await stopAll(peer.components, peer.platform.loggers.component('cluster'))
  }
}
