import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { freePorts } from '../../scripts/free-ports.ts'

const program = fileURLToPath(new URL('../../bin/ipfs-cluster-service', import.meta.url))
const standIn = fileURLToPath(new URL('../../bench/fake-ipfs.mjs', import.meta.url))
/** How long anything may take until it counts as hanging; generous, because the machine may be busy with other tests. */
export const patienceMs = 60_000

export type Environment = Readonly<Record<string, string>>
export interface Outcome { readonly exit: number | null, readonly stdout: string, readonly stderr: string }

/** What is left of a process that has ended. */
export interface Ended { readonly exit: number | null, readonly signal: NodeJS.Signals | null }

/**
 * A peer in `folder` that can be started, killed and started again, with a stand-in for its IPFS
 * node that outlives it.
 */
export class ScratchPeer {
  readonly folder: string
  readonly apiPort: number
  readonly metricsPort: number
  readonly ipfsPort: number
  readonly clusterPort: number
  readonly #environment: Environment
  #ipfs: ChildProcess | undefined
  #daemon: ChildProcess | undefined
  #starts = 0

  private constructor (folder: string, ports: readonly number[]) {
    const [api = 0, metrics = 0, ipfs = 0, cluster = 0, proxy = 0, pinning = 0] = ports
    const listen = (port: number): string => `/ip4/127.0.0.1/tcp/${port}`
    this.folder = folder
    this.apiPort = api
    this.metricsPort = metrics
    this.ipfsPort = ipfs
    this.clusterPort = cluster
    this.#environment = {
      PATH: process.env.PATH ?? '',
      HOME: join(folder, 'home'),
      FLOTILLA_NODE: process.execPath,
      IPFS_CLUSTER_PATH: join(folder, 'peer'),
      CLUSTER_PEERNAME: 'scratch',
      CLUSTER_LISTENMULTIADDRESS: listen(cluster),
      CLUSTER_RESTAPI_HTTPLISTENMULTIADDRESS: listen(api),
      CLUSTER_IPFSPROXY_LISTENMULTIADDRESS: listen(proxy),
      CLUSTER_PINSVCAPI_HTTPLISTENMULTIADDRESS: listen(pinning),
      CLUSTER_IPFSHTTP_NODEMULTIADDRESS: listen(ipfs),
      CLUSTER_IPFSPROXY_NODEMULTIADDRESS: listen(ipfs),
      CLUSTER_METRICS_ENABLESTATS: 'true',
      CLUSTER_METRICS_PROMETHEUSENDPOINT: listen(metrics),
    }
  }

  /** Makes the configuration and starts the stand-in; the daemon does not run yet. */
  static async make (folder: string): Promise<ScratchPeer> {
    const peer = new ScratchPeer(folder, await freePorts(6))
    mkdirSync(join(folder, 'home'))
    const { exit, stderr } = peer.run(['init'])
    if (exit !== 0) throw new Error(`init: ${stderr}`)
    await peer.startIpfs()
    return peer
  }

  get path (): string { return this.#environment.IPFS_CLUSTER_PATH as string }
  get datastore (): string { return join(this.path, 'leveldb') }
  get daemon (): ChildProcess | undefined { return this.#daemon }
  url (path: string): string { return `http://127.0.0.1:${this.apiPort}${path}` }

  /** Starts the stand-in with an empty memory. */
  async startIpfs (): Promise<void> {
    this.#ipfs = spawn(process.execPath, [standIn, String(this.ipfsPort)], { stdio: 'ignore' })
    await until(async () => (await fetch(`http://127.0.0.1:${this.ipfsPort}/api/v0/id`, { method: 'POST' })).ok)
  }

  /** Runs a command to its end. */
  run (args: readonly string[], environment: Environment = {}): Outcome {
    const { status, stdout, stderr, error } = spawnSync(program, args, { env: { ...this.#environment, ...environment }, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: patienceMs })
    if (error !== undefined) throw error
    return { exit: status, stdout, stderr }
  }

  /** Starts the daemon; does not wait for anything. */
  spawn (environment: Environment = {}): ChildProcess {
    const log = openSync(this.#logFile(++this.#starts), 'w')
    try {
      this.#daemon = spawn(program, ['daemon'], { env: { ...this.#environment, ...environment }, stdio: ['ignore', log, log] })
    } finally {
      closeSync(log)
    }
    return this.#daemon
  }

  /** Starts the daemon and waits until its REST API answers. */
  async start (environment: Environment = {}): Promise<void> {
    const daemon = this.spawn(environment)
    await this.until(async () => (await fetch(this.url('/id'))).ok, daemon)
  }

  /** Waits until the peer can allocate pins: its first metrics are in. */
  async canAllocate (): Promise<void> {
    await this.until(async () => ((await (await fetch(this.url('/monitor/metrics/freespace'))).json()) as unknown[]).length > 0)
  }

  /** Sends a signal to the daemon and waits for its end. */
  async end (signal: NodeJS.Signals): Promise<Ended> {
    const daemon = this.#daemon
    if (daemon === undefined) throw new Error('no daemon was started')
    if (daemon.exitCode === null && daemon.signalCode === null) {
      const ended = once(daemon, 'exit')
      daemon.kill(signal)
      await ended
    }
    return { exit: daemon.exitCode, signal: daemon.signalCode }
  }

  /** Ends everything. */
  async close (): Promise<void> {
    if (this.#daemon !== undefined) await this.end('SIGKILL')
    await this.stopIpfs()
  }

  async stopIpfs (): Promise<void> {
    const ipfs = this.#ipfs
    if (ipfs === undefined || ipfs.exitCode !== null || ipfs.signalCode !== null) return
    const ended = once(ipfs, 'exit')
    ipfs.kill('SIGKILL')
    await ended
  }

  /** What the daemon of the last start has written. */
  log (): string {
    const file = this.#logFile(this.#starts)
    return existsSync(file) ? readFileSync(file, 'utf8') : ''
  }

  /** Changes `service.json`. */
  configure (change: (json: Record<string, Record<string, unknown>>) => void): void {
    const file = join(this.path, 'service.json')
    const json = JSON.parse(readFileSync(file, 'utf8')) as Record<string, Record<string, unknown>>
    change(json)
    writeFileSync(file, JSON.stringify(json))
  }

  /** Waits for a condition; fails with the daemon's log when the daemon ends or time is over. */
  async until (condition: () => Promise<boolean>, daemon = this.#daemon): Promise<void> {
    try {
      await until(condition, () => daemon !== undefined && (daemon.exitCode !== null || daemon.signalCode !== null))
    } catch (error) {
      throw new Error(`${(error as Error).message}; the log ends with:\n${this.log().slice(-2000)}`, { cause: error })
    }
  }

  #logFile (start: number): string { return join(this.folder, `daemon-${start % 3}.log`) }
}

/** Makes a peer in a new folder; both are gone when the work is done. */
export async function withScratchPeer (work: (peer: ScratchPeer) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'scratch-peer-'))
  const peer = await ScratchPeer.make(folder)
  try {
    await work(peer)
  } finally {
    await peer.close()
    await rm(folder, { recursive: true, force: true })
  }
}

/** Asks again and again; an error of the condition is a no. */
export async function until (condition: () => Promise<boolean>, isOver: () => boolean = () => false): Promise<void> {
  const end = Date.now() + patienceMs
  for (;;) {
    if (await condition().catch(() => false)) return
    if (isOver()) throw new Error('the daemon ended')
    if (Date.now() > end) throw new Error('it takes too long')
    await sleep(10)
  }
}
