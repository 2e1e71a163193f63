import { spawn, type ChildProcess } from 'node:child_process'
import { mkdir, open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePorts } from '../../scripts/free-ports.ts'
import { answering, run, startKubo, stopAll, until } from './peer-process.ts'

/** The peers of the HTTP recordings and the Kubo beside them, as the README of the recordings describes them. */
export interface GoldenPeers {
  /** URLs by the names of the recordings. */
  readonly bases: Readonly<Record<'kubo' | 'rest' | 'auth-rest' | 'down-rest', string>>
  stop (): Promise<void>
}

const kuboHeaders = { 'X-Custom-Kubo': ['yes'], 'Access-Control-Allow-Origin': ['http://good.example'], 'Access-Control-Allow-Credentials': ['true'] }
const credentials = { alice: 'secret', bob: 'hunter2' }
const authenticated = {
  basic_auth_credentials: credentials,
  headers: { 'X-Extra': ['one', 'two'] },
  cors_allowed_origins: ['https://app.example'],
  cors_allowed_methods: ['GET', 'POST'],
  cors_allowed_headers: ['Authorization', 'Content-Type'],
  cors_max_age: '10m',
}
const asAlice = { Authorization: `Basic ${Buffer.from(`alice:${credentials.alice}`).toString('base64')}` }

/** @param folder an empty folder @param service an `ipfs-cluster-service` @param kubo an `ipfs` */
export async function startGoldenPeers (folder: string, service: string, kubo: string): Promise<GoldenPeers> {
  const [kuboApi, kuboSwarm, kuboGateway, nobody] = await freePorts(4) as [number, number, number, number]
  const processes: ChildProcess[] = []
  try {
    processes.push(await startKubo(kubo, join(folder, 'kubo'), { api: listen(kuboApi), swarm: listen(kuboSwarm), gateway: listen(kuboGateway), port: kuboApi }, [['API.HTTPHeaders', JSON.stringify(kuboHeaders)]]))
    const start = async (name: string, node: number, settings: object | undefined): Promise<string> => {
      const { process, url } = await startGoldenPeer({ folder, service, name, node: listen(node), settings })
      processes.push(process)
      return url
    }
    const bases = { 'kubo': url(kuboApi), 'rest': await start('main', kuboApi, undefined), 'auth-rest': await start('auth', kuboApi, authenticated), 'down-rest': await start('down', nobody, undefined) }
    // The allocator needs the first metrics.
    for (const base of [bases.rest, bases['auth-rest']]) await until(() => hasMetric(base), processes[0] as ChildProcess)
    return { bases, stop: () => stopAll(processes) }
  } catch (error) {
    await stopAll(processes)
    throw error
  }
}

interface GoldenPeerOptions {
  readonly folder: string
  readonly service: string
  readonly name: string
  readonly node: string
  /** What differs from the default in the sections of the APIs. */
  readonly settings: object | undefined
}

async function startGoldenPeer ({ folder, service, name, node, settings }: GoldenPeerOptions): Promise<{ process: ChildProcess, url: string }> {
  const [rest, cluster, proxy, pinning] = await freePorts(4) as [number, number, number, number]
  const home = join(folder, name)
  await mkdir(home)
  const environment = {
    PATH: process.env.PATH,
    HOME: home,
    TZ: 'UTC',
    IPFS_CLUSTER_PATH: join(home, 'peer'),
    CLUSTER_PEERNAME: `peer-${name}`,
    CLUSTER_MONITORPINGINTERVAL: '2s',
    CLUSTER_MDNSINTERVAL: '0s',
    CLUSTER_IPFSHTTP_PINTIMEOUT: '5s',
    CLUSTER_IPFSHTTP_IPFSREQUESTTIMEOUT: '10s',
    CLUSTER_LISTENMULTIADDRESS: listen(cluster),
    CLUSTER_RESTAPI_HTTPLISTENMULTIADDRESS: listen(rest),
    CLUSTER_IPFSPROXY_LISTENMULTIADDRESS: listen(proxy),
    CLUSTER_PINSVCAPI_HTTPLISTENMULTIADDRESS: listen(pinning),
    CLUSTER_IPFSHTTP_NODEMULTIADDRESS: node,
    CLUSTER_IPFSPROXY_NODEMULTIADDRESS: node,
  }
  run(service, ['init'], environment)
  if (settings !== undefined) await changeApiSections(join(home, 'peer', 'service.json'), settings)
  const log = await open(join(home, 'log'), 'w')
  const daemon = spawn(service, ['daemon'], { env: environment, stdio: ['ignore', log.fd, log.fd] })
  await log.close()
  await answering(`${url(rest)}/health`, 'GET', daemon).catch(async (error: unknown) => {
    await stopAll([daemon])
    throw new Error(`peer ${name} did not start, its log ends with:\n${(await readFile(join(home, 'log'), 'utf8')).slice(-2000)}`, { cause: error })
  })
  return { process: daemon, url: url(rest) }
}

async function changeApiSections (file: string, settings: object): Promise<void> {
  const json = JSON.parse(await readFile(file, 'utf8')) as { api: Record<string, object> }
  for (const section of ['restapi', 'pinsvcapi']) Object.assign(json.api[section] as object, settings)
  await writeFile(file, JSON.stringify(json))
}

async function hasMetric (base: string): Promise<boolean> {
  const metrics = await (await fetch(`${base}/monitor/metrics/freespace`, { headers: asAlice })).json() as unknown[]
  const pings = await (await fetch(`${base}/monitor/metrics/ping`, { headers: asAlice })).json() as unknown[]
  return metrics.length > 0 && pings.length > 0
}

function listen (port: number): string { return `/ip4/127.0.0.1/tcp/${port}` }
function url (port: number): string { return `http://127.0.0.1:${port}` }
