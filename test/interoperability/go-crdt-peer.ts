import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePorts } from '../../scripts/free-ports.ts'
import type { Cid } from '../../src/domain/cid.ts'
import type { Multiaddress, PeerId } from '../../src/domain/peer.ts'
import { until } from '../endurance/scratch-peer.ts'

const standIn = fileURLToPath(new URL('../../bench/fake-ipfs.mjs', import.meta.url))

/** A peer of the Go program, with a stand-in for its IPFS node. Listens on loopback only. */
export class GoCrdtPeer {
  readonly #folder: string
  readonly #environment: NodeJS.ProcessEnv
  readonly #program: string
  readonly #apiPort: number
  readonly #clusterPort: number
  readonly #ipfs: ChildProcess
  #daemon: ChildProcess | undefined

  private constructor (program: string, folder: string, [api = 0, cluster = 0, ipfs = 0]: number[], environment: NodeJS.ProcessEnv) {
    this.#program = program
    this.#folder = folder
    this.#apiPort = api
    this.#clusterPort = cluster
    this.#environment = {
      PATH: process.env.PATH,
      HOME: folder,
      IPFS_CLUSTER_PATH: folder,
      CLUSTER_LISTENMULTIADDRESS: `/ip4/127.0.0.1/tcp/${cluster}`,
      CLUSTER_MDNSINTERVAL: '0s',
      CLUSTER_RESTAPI_HTTPLISTENMULTIADDRESS: `/ip4/127.0.0.1/tcp/${api}`,
      CLUSTER_IPFSPROXY_LISTENMULTIADDRESS: '/ip4/127.0.0.1/tcp/0',
      CLUSTER_PINSVCAPI_HTTPLISTENMULTIADDRESS: '/ip4/127.0.0.1/tcp/0',
      CLUSTER_IPFSHTTP_NODEMULTIADDRESS: `/ip4/127.0.0.1/tcp/${ipfs}`,
      CLUSTER_IPFSPROXY_NODEMULTIADDRESS: `/ip4/127.0.0.1/tcp/${ipfs}`,
      ...environment,
    }
    this.#ipfs = spawn(process.execPath, [standIn, String(ipfs)], { stdio: 'ignore' })
  }

  /** Makes a peer in an empty folder. `programs` is the folder of the Go binaries. */
  static async make (programs: string, folder: string, environment: NodeJS.ProcessEnv): Promise<GoCrdtPeer> {
    const program = join(programs, 'ipfs-cluster-service')
    const peer = new GoCrdtPeer(program, folder, await freePorts(3), environment)
    const { status, stderr } = spawnSync(program, ['init', '--consensus', 'crdt', '--datastore', 'leveldb'], { env: peer.#environment, encoding: 'utf8' })
    if (status !== 0) throw new Error(`init: ${stderr}`)
    return peer
  }

  get id (): PeerId { return (JSON.parse(readFileSync(join(this.#folder, 'identity.json'), 'utf8')) as { id: PeerId }).id }
  get address (): Multiaddress { return `/ip4/127.0.0.1/tcp/${this.#clusterPort}/p2p/${this.id}` as Multiaddress }
  /** Where its REST API listens. */
  get apiAddress (): Multiaddress { return `/ip4/127.0.0.1/tcp/${this.#apiPort}` as Multiaddress }
  get datastore (): string { return join(this.#folder, 'leveldb') }
  get log (): string { return readFileSync(join(this.#folder, 'daemon.log'), 'utf8') }

  /** Starts it and waits for its REST API. */
  async start (bootstrap: readonly Multiaddress[] = []): Promise<void> {
    const log = openSync(join(this.#folder, 'daemon.log'), 'w')
    const daemon = this.#daemon = spawn(this.#program, ['daemon', ...bootstrap.length > 0 ? ['--bootstrap', bootstrap.join(',')] : []], { env: this.#environment, stdio: ['ignore', log, log] })
    closeSync(log)
    await until(async () => (await this.#fetch('/id')).ok, () => daemon.exitCode !== null)
  }

  /** Ends it in good order. */
  async stop (): Promise<void> {
    const daemon = this.#daemon
    this.#daemon = undefined
    if (daemon === undefined || daemon.exitCode !== null) return
    const ended = once(daemon, 'exit')
    daemon.kill('SIGINT')
    await ended
  }

  /** Ends all that belongs to it. */
  async close (): Promise<void> {
    await this.stop()
    const ended = once(this.#ipfs, 'exit')
    this.#ipfs.kill()
    await ended
  }

  async pin (cid: Cid, name: string): Promise<void> {
    await this.#must(await this.#fetch(`/pins/${cid}?name=${encodeURIComponent(name)}&replication-min=-1&replication-max=-1`, 'POST'))
  }

  async unpin (cid: Cid): Promise<void> { await this.#must(await this.#fetch(`/pins/${cid}`, 'DELETE')) }

  /** Names by CID. */
  async pins (): Promise<Map<string, string>> {
    const text = await (await this.#fetch('/allocations')).text()
    const pins = text.split('\n').filter(Boolean).map(line => JSON.parse(line) as { cid: string, name: string })
    return new Map(pins.map(({ cid, name }) => [cid, name]))
  }

  #fetch (path: string, method = 'GET'): Promise<Response> { return fetch(`http://127.0.0.1:${this.#apiPort}${path}`, { method }) }

  async #must (response: Response): Promise<void> {
    const text = await response.text()
    if (!response.ok) throw new Error(`${response.status}: ${text}`)
  }
}
