import { spawn, spawnSync, type ChildProcess, type SpawnOptions } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { until, type Outcome } from '../endurance/scratch-peer.ts'
import { freePorts } from '../../scripts/free-ports.ts'

const ourPrograms = fileURLToPath(new URL('../../bin', import.meta.url))
const standIn = fileURLToPath(new URL('../../bench/fake-ipfs.mjs', import.meta.url))

/** Whose program a peer is. */
export type Kind = 'ours' | 'go'

export interface MemberOptions {
  readonly kind: Kind
  readonly name: string
  /** Where its folder is made. */
  readonly root: string
  /** The folder of the Go binaries. */
  readonly goPrograms: string | undefined
  readonly environment: Readonly<Record<string, string>>
  /** The machine that it runs on, when not this one. */
  readonly machine?: Machine | undefined
}

/** Where a member runs, and its addresses for the other members and for who uses it. */
export interface Machine { readonly namespace: string, readonly clusterHost: string, readonly host: string }

/** A pin as the REST API lists it, as far as it is compared. */
export interface ListedPin {
  readonly cid: string
  readonly name: string
  readonly allocations: readonly string[]
  readonly replication_factor_min: number
  readonly replication_factor_max: number
}

/** Statuses of a pin by peer. */
export interface ListedStatus {
  readonly cid: string
  readonly peer_map: Readonly<Record<string, { readonly peername: string, readonly status: string, readonly error: string }>>
}

export interface ListedPeer { readonly id: string, readonly peername: string, readonly error: string }

/** A cluster peer of either program as a process of its own on loopback, with a stand-in for its IPFS node that outlives it. */
export class Member {
  readonly kind: Kind
  readonly name: string
  readonly id: string
  readonly folder: string
  readonly machine: Machine | undefined
  readonly #programs: string
  readonly #environment: Readonly<Record<string, string>>
  readonly #ports: { readonly api: number, readonly cluster: number, readonly ipfs: number }
  readonly #ipfs: ChildProcess
  #daemon: ChildProcess | undefined

  /** Makes its configuration and identity and starts its IPFS node; the daemon does not run yet. */
  static async make (options: MemberOptions): Promise<Member> {
    const [api = 0, cluster = 0, ipfs = 0, proxy = 0, pinning = 0] = await freePorts(5)
    const member = new Member(options, { api, cluster, ipfs, proxy, pinning })
    await until(async () => (await member.node('id')).ok, () => member.#ipfs.exitCode !== null)
    return member
  }

  private constructor ({ kind, name, root, goPrograms, environment, machine }: MemberOptions, ports: { readonly [name in 'api' | 'cluster' | 'ipfs' | 'proxy' | 'pinning']: number }) {
    const folder = join(root, name)
    mkdirSync(folder)
    this.kind = kind
    this.name = name
    this.folder = folder
    this.machine = machine
    this.#ports = ports
    this.#programs = kind === 'ours' ? ourPrograms : goPrograms ?? ''
    this.#environment = {
      PATH: process.env.PATH ?? '',
      HOME: folder,
      FLOTILLA_NODE: process.execPath,
      IPFS_CLUSTER_PATH: join(folder, 'peer'),
      CLUSTER_PEERNAME: name,
      IPFS_CLUSTER_LOG_LEVEL: 'info,restapilog:error',
      CLUSTER_MDNSINTERVAL: '0s',
      CLUSTER_MONITORPINGINTERVAL: '1s',
      CLUSTER_PUBSUBMON_CHECKINTERVAL: '1s',
      CLUSTER_DISK_METRICTTL: '4s',
      CLUSTER_TAGS_METRICTTL: '4s',
      CLUSTER_LISTENMULTIADDRESS: this.#clusterListen,
      CLUSTER_RESTAPI_HTTPLISTENMULTIADDRESS: this.#listen(ports.api),
      CLUSTER_IPFSPROXY_LISTENMULTIADDRESS: this.#listen(ports.proxy),
      CLUSTER_PINSVCAPI_HTTPLISTENMULTIADDRESS: this.#listen(ports.pinning),
      CLUSTER_IPFSHTTP_NODEMULTIADDRESS: this.#listen(ports.ipfs),
      CLUSTER_IPFSPROXY_NODEMULTIADDRESS: this.#listen(ports.ipfs),
      ...environment,
    }
    const { exit, stderr } = this.run('ipfs-cluster-service', ['init', '--datastore', 'leveldb'])
    if (exit !== 0) throw new Error(`${name} could not be initialised: ${stderr}`)
    const { id } = JSON.parse(readFileSync(join(folder, 'peer', 'identity.json'), 'utf8')) as { id: string }
    this.id = id
    this.#ipfs = this.#spawn(process.execPath, [standIn, String(ports.ipfs), '0', this.#host], { stdio: 'ignore' })
  }

  get address (): string { return `${this.#clusterListen}/p2p/${this.id}` }
  get isRunning (): boolean { return this.#daemon !== undefined && this.#daemon.exitCode === null && this.#daemon.signalCode === null }
  get log (): string {
    const file = join(this.folder, 'log')
    return existsSync(file) ? readFileSync(file, 'utf8') : ''
  }

  /** Starts the daemon and waits until its REST API answers and others can join it. */
  async start (bootstrap: readonly string[] = [], environment: Readonly<Record<string, string>> = {}): Promise<void> {
    const log = openSync(join(this.folder, 'log'), 'a')
    const flags = bootstrap.length > 0 ? ['--bootstrap', bootstrap.join(',')] : []
    const daemon = this.#spawn(join(this.#programs, 'ipfs-cluster-service'), ['daemon', ...flags], { env: { ...this.#environment, ...environment }, stdio: ['ignore', log, log] })
    closeSync(log)
    this.#daemon = daemon
    try {
      await until(async () => ((await this.list<{ addresses: string[] }>('/id'))[0]?.addresses ?? []).length > 0, () => !this.isRunning)
    } catch (error) {
      throw new Error(`${this.name} did not start; its log ends with:\n${this.log.slice(-2_000)}`, { cause: error })
    }
  }

  /** Sends a signal to the daemon and waits for its end. */
  async end (signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const daemon = this.#daemon
    if (daemon === undefined || !this.isRunning) return
    const ended = once(daemon, 'exit')
    daemon.kill(signal)
    await ended
  }

  /** Sends a signal to the daemon, or to its IPFS node, and waits for nothing: `SIGSTOP` lets it hang until `SIGCONT`. */
  signal (signal: 'SIGSTOP' | 'SIGCONT', to: 'daemon' | 'node' = 'daemon'): void { (to === 'node' ? this.#ipfs : this.#daemon)?.kill(signal) }

  /** Ends all that belongs to it. */
  async close (): Promise<void> {
    await this.end('SIGKILL')
    if (this.#ipfs.exitCode !== null) return
    const ended = once(this.#ipfs, 'exit')
    this.#ipfs.kill('SIGKILL')
    await ended
  }

  /** Runs one of the programs of its kind to its end. */
  run (program: 'ipfs-cluster-service' | 'ipfs-cluster-ctl', args: readonly string[]): Outcome {
    const { status, stdout, stderr, error } = spawnSync(join(this.#programs, program), args, { env: this.#environment, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 1e9 })
    if (error !== undefined) throw error
    return { exit: status, stdout, stderr }
  }

  /** What its own `ipfs-cluster-ctl` says when it asks `target`. */
  ctl (args: readonly string[], target: Member = this): string {
    const { exit, stdout, stderr } = this.run('ipfs-cluster-ctl', ['--host', target.#listen(target.#ports.api), ...args])
    if (exit !== 0) throw new Error(`ctl ${args.join(' ')} ended with ${exit}: ${stdout}${stderr}`)
    return stdout
  }

  request (path: string, init: RequestInit = {}): Promise<Response> { return fetch(`http://${this.#host}:${this.#ports.api}${path}`, init) }

  /** Asks its IPFS node. */
  node (command: string): Promise<Response> { return fetch(`http://${this.#host}:${this.#ports.ipfs}/api/v0/${command}`, { method: 'POST' }) }

  /** The values of an answer, one a line. @throws Error also with the error that a stream ends with */
  async list<T> (path: string, init: RequestInit = {}): Promise<T[]> {
    const response = await this.request(path, init)
    const text = await response.text()
    if (!response.ok) throw new Error(`${this.name} ${path}: ${response.status} ${text}`)
    return text.split('\n').filter(line => line !== '').map(line => JSON.parse(line) as T)
  }

  peers (): Promise<ListedPeer[]> { return this.list('/peers') }
  pins (): Promise<ListedPin[]> { return this.list('/allocations') }
  statuses (): Promise<ListedStatus[]> { return this.list('/pins') }

  /** Peers that it can allocate pins to. */
  async candidates (): Promise<string[]> {
    const [free = [], tags = []] = await Promise.all(['freespace', 'tag:group'].map(async name => (await this.list<Array<{ peer: string }>>(`/monitor/metrics/${name}`)).flat()))
    return free.map(({ peer }) => peer).filter(peer => tags.some(tag => tag.peer === peer))
  }

  get #host (): string { return this.machine?.host ?? '127.0.0.1' }
  get #clusterListen (): string { return `/ip4/${this.machine?.clusterHost ?? '127.0.0.1'}/tcp/${this.#ports.cluster}` }
  #listen (port: number): string { return `/ip4/${this.#host}/tcp/${port}` }

  #spawn (program: string, args: readonly string[], options: SpawnOptions): ChildProcess {
    // It becomes the program: a signal to it is one to the program.
    return this.machine === undefined ? spawn(program, args, options) : spawn('ip', ['netns', 'exec', this.machine.namespace, program, ...args], options)
  }
}
