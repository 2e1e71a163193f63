import { spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { freePorts } from './free-ports.ts'

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

/** Starts the peers of a cluster in `folder`; `peers` gets each of them as soon as it runs, for whoever has to end it. */
export async function startPeers (count: number, folder: string, signal: AbortSignal, peers: DemoPeer[]): Promise<void> {
  const secret = randomBytes(32).toString('hex')
  const prepared = await Promise.all(names.slice(0, count).map(name => prepare(name, join(folder, name), secret, signal)))
  const start = async (peer: Prepared, flags: readonly string[]): Promise<void> => {
    const log = await open(peer.logFile, 'w')
    // From here to the entry nothing waits: what runs is always known.
    signal.throwIfAborted()
    const started = run(peer, flags, log.fd)
    peers.push(started)
    await log.close()
    await answering(started, signal)
  }
  const [first, ...others] = prepared as [Prepared, ...Prepared[]]
  await start(first, [])
  await Promise.all(others.map(peer => start(peer, ['--bootstrap', first.address])))
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

function run ({ environment, address: _address, ...peer }: Prepared, flags: readonly string[], log: number): DemoPeer {
  // A group of its own: Ctrl-C comes to the demo alone, which ends its peers.
  const child = spawn(process.execPath, [service, '--loglevel', 'info', 'daemon', ...flags], { env: environment, stdio: ['ignore', log, log], detached: true })
  return { ...peer, process: child }
}

/** Resolves when the peer has its API and others can join it. */
async function answering ({ name, api, process: child }: DemoPeer, signal: AbortSignal): Promise<void> {
  const isListening = await eventually(async () => {
    if (child.exitCode !== null) return false
    const { addresses } = await (await fetch(`${api}/id`, { signal })).json() as { addresses: readonly string[] }
    return addresses.length > 0 ? true : undefined
  }, signal)
  if (!isListening) throw new Error(`${name} has ended by itself`)
}

function onLoopback (port: number): string { return `/ip4/127.0.0.1/tcp/${port}` }
