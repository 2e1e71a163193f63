import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, open, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { freePorts } from '../../scripts/free-ports.ts'
import { run, stopAll, until } from '../contract/peer-process.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
/** Our program, as it is in this checkout. */
export const ours = join(root, 'bin', 'ipfs-cluster-service')
/** How long a cluster may take for what it does within a second on an idle machine. */
const patienceMs = 90_000

/** One peer as a process of its own, with a stand-in for an IPFS node beside it. */
export interface RealPeer {
  readonly name: string
  readonly service: string
  readonly id: string
  readonly api: string
  readonly address: string
  readonly process: ChildProcess
  /** Its log so far. */
  log (): Promise<string>
}

/** Peers that know each other through the first one, on loopback. */
export class RealCluster {
  readonly peers: RealPeer[] = []
  readonly #folder: string
  readonly #nodes: ChildProcess[] = []
  readonly #environments: Array<Record<string, string | undefined>> = []

  private constructor (folder: string) { this.#folder = folder }

  /** @param services for each peer an `ipfs-cluster-service`, ours or the reference's */
  static async start (services: readonly string[]): Promise<RealCluster> {
    const cluster = new RealCluster(await mkdtemp(join(tmpdir(), 'cluster-')))
    try {
      for (const [index, service] of services.entries()) await cluster.#add(index, service)
      for (const peer of cluster.peers) await cluster.wait(`${peer.name} to see all`, () => cluster.seesAll(peer))
      return cluster
    } catch (error) {
      const logs = await Promise.all(cluster.peers.map(async peer => `${peer.name}:\n${(await peer.log()).slice(-1_500)}`))
      await cluster.stop()
      throw new Error(`the cluster did not come up\n${logs.join('\n')}`, { cause: error })
    }
  }

  async stop (): Promise<void> {
    await stopAll(this.peers.map(({ process }) => process))
    await stopAll(this.#nodes)
    await rm(this.#folder, { recursive: true, force: true })
  }

  /** As SIGKILL does. */
  async kill (index: number): Promise<void> {
    const { process } = this.peers[index] as RealPeer
    const ended = once(process, 'exit')
    process.kill('SIGKILL')
    await ended
  }

  /** Starts a peer again that was killed; it knows the others by its saved addresses alone. */
  async restart (index: number): Promise<void> { await this.#run(index, []) }

  /** The values of a streamed answer. @throws Error with the error that it ends with */
  async lines (peer: RealPeer, path: string, method = 'GET'): Promise<any[]> { // eslint-disable-line @typescript-eslint/no-explicit-any
    const response = await fetch(`${peer.api}${path}`, { method })
    const text = await response.text()
    if (!response.ok) throw new Error(text)
    return text.split('\n').filter(line => line !== '').map(line => JSON.parse(line) as unknown)
  }

  /** True when the peer knows all others and may allocate to them. */
  async seesAll (peer: RealPeer): Promise<boolean> {
    const count = this.peers.length
    const answering = (await this.lines(peer, '/peers')).filter(({ error }) => error === '')
    const metrics = await Promise.all(['freespace', 'tag:group'].map(name => this.lines(peer, `/monitor/metrics/${name}`)))
    return answering.length === count && metrics.every(of => of.flat().length === count)
  }

  async wait (what: string, condition: () => Promise<boolean>): Promise<void> {
    const end = Date.now() + patienceMs
    while (!await condition().catch(() => false)) {
      if (Date.now() > end) throw new Error(`waited in vain for ${what}`)
      await sleep(100)
    }
  }

  async #add (index: number, service: string): Promise<void> {
    const [api, swarm, ipfs] = await freePorts(3) as [number, number, number]
    const node = spawn(process.execPath, [join(root, 'bench', 'fake-ipfs.mjs'), String(ipfs)], { stdio: 'ignore' })
    this.#nodes.push(node)
    await until(async () => (await fetch(`http://127.0.0.1:${ipfs}/api/v0/id`, { method: 'POST' })).ok, node)
    const home = join(this.#folder, `peer${index}`)
    await mkdir(home)
    this.#environments[index] = {
      PATH: process.env.PATH,
      HOME: home,
      IPFS_CLUSTER_PATH: home,
      CLUSTER_PEERNAME: `peer${index}`,
      CLUSTER_SECRET: '17'.repeat(32),
      CLUSTER_MDNSINTERVAL: '0s',
      CLUSTER_MONITORPINGINTERVAL: '1s',
      CLUSTER_LISTENMULTIADDRESS: `/ip4/127.0.0.1/tcp/${swarm}`,
      CLUSTER_RESTAPI_HTTPLISTENMULTIADDRESS: `/ip4/127.0.0.1/tcp/${api}`,
      CLUSTER_IPFSHTTP_NODEMULTIADDRESS: `/ip4/127.0.0.1/tcp/${ipfs}`,
      CLUSTER_PUBSUBMON_CHECKINTERVAL: '1s',
      CLUSTER_DISK_METRICTTL: '2s',
    }
    run(service, ['init'], this.#environments[index])
    const { id } = JSON.parse(await readFile(join(home, 'identity.json'), 'utf8')) as { id: string }
    this.peers[index] = { name: `peer${index}`, service, id, api: `http://127.0.0.1:${api}`, address: `/ip4/127.0.0.1/tcp/${swarm}/p2p/${id}`, process: undefined as unknown as ChildProcess, log: () => readFile(join(home, 'log'), 'utf8') }
    await this.#run(index, index === 0 ? [] : ['--bootstrap', (this.peers[0] as RealPeer).address])
  }

  async #run (index: number, flags: readonly string[]): Promise<void> {
    const peer = this.peers[index] as RealPeer
    const log = await open(join(this.#folder, peer.name, 'log'), 'a')
    const daemon = spawn(peer.service, ['daemon', ...flags], { env: this.#environments[index], stdio: ['ignore', log.fd, log.fd] })
    await log.close()
    this.peers[index] = { ...peer, process: daemon }
    await until(async () => (await fetch(`${peer.api}/health`)).ok, daemon)
  }
}
