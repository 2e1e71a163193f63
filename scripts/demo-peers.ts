import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, open, readFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const service = fileURLToPath(new URL('../src/cli/service/main.ts', import.meta.url))
const names = ['anchor', 'buoy', 'compass', 'deck', 'ensign', 'fender', 'galley', 'hawser', 'jib', 'keel', 'lantern', 'mast', 'oar', 'porthole', 'quay', 'rudder']
/** Few enough for any machine on which one tries something. */
export const mostPeers = names.length

/** A peer with its own IPFS node, as a process of its own. */
export interface DemoPeer {
  readonly name: string
  readonly id: string
  readonly api: string
  readonly gateway: string
  readonly process: ChildProcess
  readonly logFile: string
}

/** What differs from the defaults: all on loopback, and quick to notice a death. */
const settings = {
  CLUSTER_MDNSINTERVAL: '0s',
  CLUSTER_MONITORPINGINTERVAL: '1s',
  CLUSTER_PUBSUBMON_CHECKINTERVAL: '500ms',
  CLUSTER_DISK_METRICTTL: '4s',
  CLUSTER_TAGS_METRICTTL: '4s',
  CLUSTER_DISABLEREPINNING: 'false',
  CLUSTER_REPINGRACEPERIOD: '5s',
}

/** The peers of a cluster in `folder`. They end with the signal. */
export async function startPeers (count: number, folder: string, signal: AbortSignal): Promise<DemoPeer[]> {
  const secret = randomBytes(32).toString('hex')
  const prepared = await Promise.all(names.slice(0, count).map(name => prepare(name, join(folder, name), secret, signal)))
  const [first, ...others] = prepared as [Prepared, ...Prepared[]]
  const peers = [await startPeer(first, [], signal)]
  peers.push(...await Promise.all(others.map(peer => startPeer(peer, ['--bootstrap', first.address], signal))))
  return peers
}

/** Kills whatever still runs. */
export async function killPeers (peers: readonly DemoPeer[]): Promise<void> {
  await Promise.all(peers.map(peer => killPeer(peer)))
}

export async function killPeer ({ process }: DemoPeer): Promise<void> {
  if (process.exitCode !== null || process.signalCode !== null) return
  const ended = once(process, 'exit')
  process.kill('SIGKILL')
  await ended
}

/** Asks again and again until `look` finds something. */
export async function eventually<T> (look: () => Promise<T | undefined>, signal: AbortSignal): Promise<T> {
  for (;;) {
    signal.throwIfAborted()
    const found = await look().catch(() => undefined)
    if (found !== undefined) return found
    await sleep(100, undefined, { signal })
  }
}

interface Prepared extends Omit<DemoPeer, 'process'> {
  readonly address: string
  readonly environment: NodeJS.ProcessEnv
}

async function prepare (name: string, folder: string, secret: string, signal: AbortSignal): Promise<Prepared> {
  await mkdir(folder)
  const [api, swarm, ipfs, gateway] = await freePorts(4) as [number, number, number, number]
  const environment: NodeJS.ProcessEnv = {
    ...process.env,
    ...settings,
    IPFS_CLUSTER_PATH: folder,
    CLUSTER_PEERNAME: name,
    CLUSTER_SECRET: secret,
    CLUSTER_LISTENMULTIADDRESS: onLoopback(swarm),
    CLUSTER_RESTAPI_HTTPLISTENMULTIADDRESS: onLoopback(api),
    CLUSTER_EMBEDDED_LISTENMULTIADDRESS: onLoopback(ipfs),
    CLUSTER_EMBEDDED_GATEWAYMULTIADDRESS: onLoopback(gateway),
  }
  const logFile = join(folder, 'log')
  const init = spawn(process.execPath, [service, 'init', '--embedded'], { env: environment, stdio: 'ignore', signal })
  const [exit] = await once(init, 'exit') as [number | null]
  if (exit !== 0) throw new Error(`the configuration of ${name} could not be made in ${folder}`)
  const { id } = JSON.parse(await readFile(join(folder, 'identity.json'), 'utf8')) as { id: string }
  return { name, id, environment, logFile, api: `http://127.0.0.1:${api}`, gateway: `http://127.0.0.1:${gateway}`, address: `${onLoopback(swarm)}/p2p/${id}` }
}

async function startPeer ({ environment, address: _address, ...peer }: Prepared, flags: readonly string[], signal: AbortSignal): Promise<DemoPeer> {
  const log = await open(peer.logFile, 'w')
  // A group of its own: Ctrl-C comes to the demo alone, which ends its peers.
  const child = spawn(process.execPath, [service, '--loglevel', 'info', 'daemon', ...flags], { env: environment, stdio: ['ignore', log.fd, log.fd], detached: true })
  await log.close()
  const kill = (): void => { child.kill('SIGKILL') }
  signal.addEventListener('abort', kill, { once: true })
  child.once('exit', () => { signal.removeEventListener('abort', kill) })
  await eventually(async () => {
    if (child.exitCode !== null) throw new Error(`${peer.name} ended by itself`)
    // The API answers before others can join.
    const { addresses } = await (await fetch(`${peer.api}/id`, { signal })).json() as { addresses: readonly string[] }
    return addresses.length > 0 ? true : undefined
  }, signal)
  return { ...peer, process: child }
}

function onLoopback (port: number): string { return `/ip4/127.0.0.1/tcp/${port}` }

async function freePorts (count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map(server => once(server, 'listening')))
  const ports = servers.map(server => (server.address() as AddressInfo).port)
  await Promise.all(servers.map(server => once(server.close(), 'close')))
  return ports
}
