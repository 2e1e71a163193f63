/**
 * Restarts every peer of a cluster, one after the other, while clients pin and unpin, and looks for
 * acknowledged changes that are gone and pins that were moved without need.
 *
 *   node test/endurance/rolling.ts [--peers 10] [--pins 20000] [--seed N] [--grace 50s]
 *
 * With a grace that is shorter than a restart, pins move.
 */
import { parseArgs } from 'node:util'
import { Seeded } from './seeded.ts'
import { RollingClients, type RollingCounts } from './rolling-clients.ts'
import type { Member } from '../interoperability/member.ts'
import { holders, MixedCluster } from '../interoperability/mixed-cluster.ts'

const replication = 3
const clients = 32

/** As an operator has it who lets pins move; the periods are short enough for a test. */
const environment = {
  CLUSTER_DISABLEREPINNING: 'false',
  CLUSTER_MONITORPINGINTERVAL: '5s',
  CLUSTER_DISK_METRICTTL: '30s',
  CLUSTER_TAGS_METRICTTL: '30s',
}

export interface RollingOptions {
  readonly peers: number
  /** Pins before the restarts begin. */
  readonly pins: number
  readonly seed: number
  /** The `repin_grace_period` of the peers, when it is not the usual one. */
  readonly grace?: string | undefined
  /** How long the cluster may take for anything, in milliseconds. */
  readonly patienceMs: number
  readonly say: (line: string) => void
}

export interface RollingReport {
  readonly restarts: number
  readonly counts: RollingCounts
  /** Pins at the end. */
  readonly pinned: number
  /** CIDs of acknowledged pins that are not there at the end. */
  readonly lost: readonly string[]
  /** CIDs of acknowledged unpins that are there. */
  readonly undone: readonly string[]
  /** Pins of the beginning that have other holders at the end. */
  readonly repinned: number
  /** Kept when something was lost or undone: it is worth a look. */
  readonly folder: string
}

/** @throws when peers do not come back, do not agree, or a pin is not held as often as it should be */
export async function rollingRestart ({ peers, pins, seed, grace, patienceMs, say }: RollingOptions): Promise<RollingReport> {
  const cluster = await MixedCluster.make({ goPrograms: undefined, environment: { ...environment, ...(grace !== undefined && { CLUSTER_REPINGRACEPERIOD: grace }) }, patienceMs })
  let isWorthALook = true
  try {
    const members: Member[] = []
    for (let i = 0; i < peers; i++) members.push(await cluster.prepare('ours'))
    await cluster.start(members)
    say(`${peers} peers see each other`)
    const load = new RollingClients(members, { replication, random: new Seeded(seed) })
    await load.pin(pins, clients)
    await cluster.converge(load.pinned)
    const before = await holders(members[0] as Member)
    say(`${pins} pins at all`)
    await underLoad(load, () => restartAll(cluster, members, say))
    const report = await settled(cluster, load, before, say)
    isWorthALook = report.lost.length + report.undone.length > 0
    return report
  } finally {
    await cluster.close({ isFolderKept: isWorthALook })
    if (isWorthALook) say(`the folder is kept: ${cluster.folder}`)
  }
}

async function restartAll (cluster: MixedCluster, members: readonly Member[], say: (line: string) => void): Promise<void> {
  for (const member of members) {
    const startedAt = performance.now()
    await member.end('SIGTERM')
    const downAt = performance.now()
    await member.start()
    const upAt = performance.now()
    await cluster.wait(`${member.name} to see all again`, () => cluster.seesAll(member))
    say(`${member.name} stopped in ${seconds(startedAt, downAt)}, answers after ${seconds(downAt, upAt)}, sees all after ${seconds(downAt)}`)
  }
}

async function underLoad (load: RollingClients, work: () => Promise<void>): Promise<void> {
  const end = new AbortController()
  const running = load.run(clients, end.signal)
  try {
    await work()
  } finally {
    end.abort()
    await running
  }
}

async function settled (cluster: MixedCluster, load: RollingClients, before: ReadonlyMap<string, string>, say: (line: string) => void): Promise<RollingReport> {
  const { members } = cluster
  const [first] = members as [Member]
  await cluster.agree()
  say('all peers have the same pins')
  await cluster.settle(first, replication)
  say(`every pin is held by ${replication}`)
  const after = await holders(first)
  return {
    restarts: members.length,
    counts: load.counts,
    pinned: after.size,
    lost: [...load.pinned].filter(cid => !after.has(cid)),
    undone: [...load.unpinned].filter(cid => after.has(cid)),
    folder: cluster.folder,
    repinned: [...before].filter(([cid, peers]) => after.has(cid) && after.get(cid) !== peers).length,
  }
}

function seconds (since: number, until = performance.now()): string { return `${((until - since) / 1000).toFixed(1)} s` }

async function main (): Promise<void> {
  const { values } = parseArgs({ options: { peers: { type: 'string', default: '10' }, pins: { type: 'string', default: '20000' }, seed: { type: 'string', default: String(Date.now() % 2 ** 31) }, grace: { type: 'string' } } })
  const startedAt = performance.now()
  const say = (line: string): void => { process.stdout.write(`${seconds(startedAt).padStart(8)}  ${line}\n`) }
  const seed = Number(values.seed)
  say(`seed ${seed}`)
  const { restarts, counts, pinned, lost, undone, repinned } = await rollingRestart({ peers: Number(values.peers), pins: Number(values.pins), seed, grace: values.grace, patienceMs: 10 * 60_000, say })
  say(`seed ${seed}: ${restarts} restarts under load; acknowledged ${counts.pins} pins and ${counts.unpins} unpins, ${counts.repeated} requests repeated; pinned at the end ${pinned}; lost ${lost.length}, undone ${undone.length}, re-pinned ${repinned}`)
  for (const cid of lost.slice(0, 20)) say(`lost: ${cid}`)
  for (const cid of undone.slice(0, 20)) say(`undone: ${cid}`)
  if (lost.length + undone.length > 0) process.exitCode = 1
}

if (import.meta.main) await main()
