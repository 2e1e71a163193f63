/**
 * Lets real peers on machines of their own be cut off, hang, be killed and crawl while clients pin
 * and unpin, and looks for acknowledged changes that are gone and peers that do not agree again.
 *
 *   node test/endurance/nemesis.ts [--peers 5] [--rounds 5] [--seed N]
 *
 * Needs root and the programs `ip` and `tc`. The seed decides the faults; what they meet is up to the machine.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { Member } from '../interoperability/member.ts'
import { MixedCluster } from '../interoperability/mixed-cluster.ts'
import { MachineNetwork } from './machine-network.ts'
import { faults } from './nemesis-faults.ts'
import { RollingClients, type RollingCounts } from './rolling-clients.ts'
import { Seeded } from './seeded.ts'

const replication = 2
const clients = 12
/** A client of a peer that hangs goes to another one. */
const answerMs = 5_000
/** Peers that nothing happens to at a time: clients would have nobody to ask. */
const spared = 2

export interface NemesisOptions {
  readonly peers: number
  readonly rounds: number
  readonly seed: number
  /** Faults of a round, and how long one lasts at most, in milliseconds. */
  readonly faultsPerRound: number
  readonly faultMs: number
  /** How long the cluster may take for anything, in milliseconds. */
  readonly patienceMs: number
  readonly say: (line: string) => void
}

export interface NemesisReport {
  readonly faults: number
  readonly counts: RollingCounts
  /** CIDs of acknowledged pins that are not there after a round, and of acknowledged unpins that are. */
  readonly lost: readonly string[]
  readonly undone: readonly string[]
}

/** @throws when peers do not come back, do not agree, or a pin is not held as often as it should be */
export async function nemesis ({ peers, rounds, seed, faultsPerRound, faultMs, patienceMs, say }: NemesisOptions): Promise<NemesisReport> {
  const network = new MachineNetwork()
  const cluster = await MixedCluster.make({ goPrograms: undefined, patienceMs, machineFor: () => network.add() })
  const random = new Seeded(seed)
  const lost = new Set<string>()
  const undone = new Set<string>()
  let struck = 0
  let isWorthALook = true
  try {
    for (let i = 0; i < peers; i++) await cluster.prepare('ours')
    await cluster.start(cluster.members)
    say(`${peers} peers see each other`)
    const load = new RollingClients(cluster.members, { replication, random: random.fork(), answerMs })
    for (let round = 1; round <= rounds; round++) {
      const end = new AbortController()
      const running = load.run(clients, end.signal)
      try {
        struck += await strike({ network, members: cluster.members, random }, faultsPerRound, faultMs, say)
      } finally {
        end.abort()
        await running
      }
      const healedAt = performance.now()
      for (const member of cluster.members) await cluster.wait(`${member.name} to see all again`, () => cluster.seesAll(member))
      const pinned = await cluster.agree()
      for (const cid of load.pinned) if (!pinned.has(cid)) lost.add(cid)
      for (const cid of load.unpinned) if (pinned.has(cid)) undone.add(cid)
      const agreedAt = performance.now()
      await cluster.settle(cluster.members[0] as Member, replication)
      say(`round ${round}: all see all and have the same ${pinned.size} pins after ${seconds(healedAt, agreedAt)}, each held by ${replication} after ${seconds(healedAt)}; acknowledged so far ${load.counts.pins} pins and ${load.counts.unpins} unpins; lost ${lost.size}, undone ${undone.size}`)
    }
    isWorthALook = lost.size + undone.size > 0
    return { faults: struck, counts: load.counts, lost: [...lost], undone: [...undone] }
  } finally {
    await cluster.close({ isFolderKept: isWorthALook })
    network.close()
    if (isWorthALook) say(`the folder is kept: ${cluster.folder}`)
  }
}

/** Lets faults strike, each another peer, and takes all of them back; answers how many. */
async function strike (victims: { readonly network: MachineNetwork, readonly members: readonly Member[], readonly random: Seeded }, count: number, faultMs: number, say: (line: string) => void): Promise<number> {
  const { members, random } = victims
  const untouched = [...members]
  const names = new Set(Object.keys(faults))
  const healed: Array<Promise<void>> = []
  while (healed.length < count && untouched.length > spared && names.size > 0) {
    const [victim] = untouched.splice(random.below(untouched.length), 1) as [Member]
    const name = [...names][random.below(names.size)] as string
    // Cuts would undo each other: each kind once at a time.
    for (const other of names) if (other === name || (isCut(other) && isCut(name))) names.delete(other)
    const lastsMs = faultMs / 4 + random.below(faultMs * 3 / 4)
    say(`${victim.name} ${name} for ${seconds(0, lastsMs)}`)
    const takeBack = (faults[name] as (typeof faults)[string])(victim, victims)
    healed.push(sleep(lastsMs).then(takeBack))
    await sleep(random.below(faultMs / 8))
  }
  await Promise.all(healed)
  return healed.length
}

function isCut (name: string): boolean { return name.startsWith('is cut off') }

function seconds (since: number, until = performance.now()): string { return `${((until - since) / 1000).toFixed(1)} s` }

async function main (): Promise<void> {
  const { values } = parseArgs({ options: { peers: { type: 'string', default: '5' }, rounds: { type: 'string', default: '5' }, seed: { type: 'string', default: String(Date.now() % 2 ** 31) } } })
  const startedAt = performance.now()
  const say = (line: string): void => { process.stdout.write(`${seconds(startedAt).padStart(8)}  ${line}\n`) }
  const seed = Number(values.seed)
  say(`seed ${seed}`)
  const { faults: struck, counts, lost, undone } = await nemesis({ peers: Number(values.peers), rounds: Number(values.rounds), seed, faultsPerRound: 4, faultMs: 40_000, patienceMs: 3 * 60_000, say })
  say(`seed ${seed}: ${struck} faults; acknowledged ${counts.pins} pins and ${counts.unpins} unpins, ${counts.repeated} requests repeated; lost ${lost.length}, undone ${undone.length}`)
  for (const cid of lost.slice(0, 20)) say(`lost: ${cid}`)
  for (const cid of undone.slice(0, 20)) say(`undone: ${cid}`)
  if (lost.length + undone.length > 0) process.exitCode = 1
}

if (import.meta.main) await main()
