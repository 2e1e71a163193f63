import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePorts } from '../../scripts/free-ports.ts'

/** How long a peer may take until it answers; generous, because the machine may be busy with other tests. */
const startMs = 60_000

export interface PeerProcess {
  readonly apiPort: number
  stop (): Promise<void>
}

export interface PeerOptions {
  /** An `ipfs-cluster-service`, ours or the reference's. */
  readonly service: string
  /** An `ipfs` program to run beside it; without one the peer uses its embedded node. */
  readonly kubo: string | undefined
  /** An empty folder. */
  readonly folder: string
  readonly peername: string
}

/** A CRDT peer with replication factors 1 to 2 and an IPFS node that dials nobody, on free loopback ports. */
export async function startPeer ({ service, kubo, folder, peername }: PeerOptions): Promise<PeerProcess> {
  const ports = await freePorts(7)
  const [apiPort, cluster, proxy, pinning, ipfsApi, ipfsSwarm, ipfsGateway] = ports as [number, number, number, number, number, number, number]
  const listen = (port: number): string => `/ip4/127.0.0.1/tcp/${port}`
  const home = join(folder, 'home')
  await mkdir(home)
  const environment = {
    PATH: process.env.PATH,
    HOME: home,
    IPFS_CLUSTER_PATH: join(folder, 'peer'),
    CLUSTER_PEERNAME: peername,
    CLUSTER_REPLICATIONFACTORMIN: '1',
    CLUSTER_REPLICATIONFACTORMAX: '2',
    CLUSTER_LISTENMULTIADDRESS: listen(cluster),
    CLUSTER_RESTAPI_HTTPLISTENMULTIADDRESS: listen(apiPort),
    CLUSTER_IPFSPROXY_LISTENMULTIADDRESS: listen(proxy),
    CLUSTER_PINSVCAPI_HTTPLISTENMULTIADDRESS: listen(pinning),
    CLUSTER_IPFSHTTP_NODEMULTIADDRESS: listen(ipfsApi),
    CLUSTER_IPFSPROXY_NODEMULTIADDRESS: listen(ipfsApi),
  }
  run(service, ['init'], environment)
  const processes: ChildProcess[] = []
  const logFile = join(folder, 'peer.log')
  try {
    if (kubo === undefined) await chooseEmbeddedNode(join(folder, 'peer', 'service.json'), listen(ipfsSwarm))
    else processes.push(await startKubo(kubo, join(folder, 'kubo'), { api: listen(ipfsApi), swarm: listen(ipfsSwarm), gateway: listen(ipfsGateway), port: ipfsApi }))
    const log = await open(logFile, 'w')
    const daemon = spawn(service, ['daemon'], { env: environment, stdio: ['ignore', log.fd, log.fd] })
    await log.close()
    processes.push(daemon)
    await answering(`http://127.0.0.1:${apiPort}/id`, 'GET', daemon)
    // The allocator needs the first metrics.
    await until(async () => ((await (await fetch(`http://127.0.0.1:${apiPort}/monitor/metrics/freespace`)).json()) as unknown[]).length > 0, daemon)
  } catch (error) {
    await stopAll(processes)
    const log = await readFile(logFile, 'utf8').catch(() => '')
    throw new Error(`the peer did not start, its log ends with:\n${log.slice(-2000)}`, { cause: error })
  }
  return { apiPort, stop: () => stopAll(processes) }
}

async function chooseEmbeddedNode (file: string, swarm: string): Promise<void> {
  const json = JSON.parse(await readFile(file, 'utf8')) as { ipfs_connector: unknown }
  json.ipfs_connector = { embedded: { listen_multiaddress: swarm, gateway_multiaddress: '' } }
  await writeFile(file, JSON.stringify(json))
}

interface KuboAddresses { readonly api: string, readonly swarm: string, readonly gateway: string, readonly port: number }

/** A Kubo that dials nobody. @param settings further configuration: keys and JSON texts */
export async function startKubo (kubo: string, folder: string, addresses: KuboAddresses, settings: ReadonlyArray<readonly [key: string, json: string]> = []): Promise<ChildProcess> {
  const environment = { PATH: process.env.PATH, HOME: folder, IPFS_PATH: folder }
  run(kubo, ['init', '--profile=test'], environment)
  run(kubo, ['config', 'Routing.Type', 'none'], environment)
  run(kubo, ['config', 'Addresses.API', addresses.api], environment)
  run(kubo, ['config', 'Addresses.Gateway', addresses.gateway], environment)
  run(kubo, ['config', '--json', 'Addresses.Swarm', JSON.stringify([addresses.swarm])], environment)
  for (const [key, json] of settings) run(kubo, ['config', '--json', key, json], environment)
  const daemon = spawn(kubo, ['daemon', '--offline'], { env: environment, stdio: 'ignore' })
  await answering(`http://127.0.0.1:${addresses.port}/api/v0/id`, 'POST', daemon)
  return daemon
}

/** Runs a program to its end. */
export function run (program: string, args: readonly string[], env: NodeJS.ProcessEnv): void {
  const { status, stderr, error } = spawnSync(program, args, { env, encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'] })
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${error?.message ?? stderr}`)
}

/** Waits until a daemon answers with success. */
export function answering (url: string, method: string, daemon: ChildProcess): Promise<void> {
  return until(async () => (await fetch(url, { method })).ok, daemon)
}

/** Waits for what a daemon will do; it must not end meanwhile. */
export async function until (condition: () => Promise<boolean>, daemon: ChildProcess): Promise<void> {
  const end = Date.now() + startMs
  for (;;) {
    if (await condition().catch(() => false)) return
    if (daemon.exitCode !== null) throw new Error(`${daemon.spawnfile} ended with ${daemon.exitCode}`)
    if (Date.now() > end) throw new Error(`${daemon.spawnfile} did not get ready`)
    await sleep(100)
  }
}

/** Ends programs in the reverse order of their start. */
export async function stopAll (processes: readonly ChildProcess[]): Promise<void> {
  for (const child of processes.toReversed()) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    const ended = once(child, 'exit')
    child.kill('SIGTERM')
    await ended
  }
}
