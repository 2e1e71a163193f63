/**
 * Times how long `ipfs-cluster-service daemon` takes from its spawn to the first answer of GET /id,
 * in a folder that is initialised, with a Kubo node that runs:
 *
 *   npm run time-starts -- [--starts 10] [--ipfs /ip4/127.0.0.1/tcp/5001] [--program bin/ipfs-cluster-service]
 *
 * One start before fills the compile cache. On a busy machine look at the CPU, which others do not change much.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { freePorts } from './free-ports.ts'

const pollMs = 2
const patienceMs = 30_000

const { values: options } = parseArgs({
  options: {
    starts: { type: 'string', default: '10' },
    ipfs: { type: 'string', default: '/ip4/127.0.0.1/tcp/5001' },
    program: { type: 'string', default: 'bin/ipfs-cluster-service' },
  },
})

interface Start {
  readonly wallMs: number
  /** Of all threads; undefined where the system does not tell. */
  readonly cpuMs: number | undefined
}

const program = resolve(options.program)
const folder = await mkdtemp(join(tmpdir(), 'flotilla-starts-'))
const [apiPort, swarmPort] = await freePorts(2) as [number, number]
const environment = {
  ...process.env,
  IPFS_CLUSTER_PATH: folder,
  CLUSTER_LISTENMULTIADDRESS: `/ip4/127.0.0.1/tcp/${swarmPort}`,
  CLUSTER_MDNSINTERVAL: '0s',
  CLUSTER_RESTAPI_HTTPLISTENMULTIADDRESS: `/ip4/127.0.0.1/tcp/${apiPort}`,
  CLUSTER_IPFSHTTP_NODEMULTIADDRESS: options.ipfs,
}
try {
  await once(run('init'), 'exit')
  await start()
  const starts: Start[] = []
  for (let i = 0; i < Number(options.starts); i++) starts.push(await start())
  tell('wall', starts.map(({ wallMs }) => wallMs))
  tell('CPU', starts.flatMap(({ cpuMs }) => cpuMs === undefined ? [] : [cpuMs]))
} finally {
  await rm(folder, { recursive: true, force: true })
}

/** Starts the daemon, waits for its answer and ends it. */
async function start (): Promise<Start> {
  const before = performance.now()
  const daemon = run('daemon')
  try {
    while (!await isAnswering()) {
      if (daemon.exitCode !== null) throw new Error('the daemon ends at its start')
      if (performance.now() - before > patienceMs) throw new Error('the daemon does not answer')
      await sleep(pollMs)
    }
    return { wallMs: performance.now() - before, cpuMs: await cpuOf(daemon.pid as number) }
  } finally {
    // The cache of compiled code is written at the end of a process: all must have been loaded then.
    await sleep(1_000)
    daemon.kill('SIGTERM')
    if (daemon.exitCode === null) await once(daemon, 'exit')
  }
}

function run (command: string): ChildProcess {
  return spawn(program, [command], { env: environment, stdio: ['ignore', 'ignore', 'ignore'] })
}

/** True when the peer says who it is and who its IPFS node is. */
async function isAnswering (): Promise<boolean> {
  try {
    const answer = await fetch(`http://127.0.0.1:${apiPort}/id`)
    const { ipfs } = await answer.json() as { ipfs: { error: string } }
    if (ipfs.error !== '') throw new Error(`there is no IPFS node at ${options.ipfs}: ${ipfs.error}`, { cause: answer })
    return answer.ok
  } catch (error) {
    if (error instanceof Error && error.cause instanceof Response) throw error
    return false
  }
}

async function cpuOf (pid: number): Promise<number | undefined> {
  try {
    let nanoseconds = 0
    for (const thread of await readdir(`/proc/${pid}/task`)) nanoseconds += Number.parseInt(await readFile(`/proc/${pid}/task/${thread}/schedstat`, 'utf8'), 10)
    return nanoseconds / 1e6
  } catch {
    return undefined
  }
}

function tell (what: string, values: number[]): void {
  const sorted = values.toSorted((a, b) => a - b)
  const median = ((sorted[(sorted.length - 1) >> 1] ?? NaN) + (sorted[sorted.length >> 1] ?? NaN)) / 2
  console.log(`${what} to GET /id: median ${median.toFixed(0)} ms, min ${sorted[0]?.toFixed(0)} ms, max ${sorted.at(-1)?.toFixed(0)} ms (${sorted.length} starts)`)
}
