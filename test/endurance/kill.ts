/**
 * Kills a peer under load, again and again, and looks for acknowledged changes that are gone.
 *
 *   node test/endurance/kill.ts [--rounds 200] [--seed N]
 *
 * The seed decides what the clients ask for and when the kills come; how far the peer is then, the
 * machine decides.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { errorText } from '../../src/domain/errors.ts'
import type { PeerId } from '../../src/domain/peer.ts'
import { PinClients, type Mistake } from './pin-clients.ts'
import { checkDatastore, listPinset, pinCount, pinnedOnIpfs, seenByCid } from './pinset-checks.ts'
import { ScratchPeer, type Environment } from './scratch-peer.ts'
import { Seeded } from './seeded.ts'

/** The longest time under load before a kill. */
const loadMs = 900
/** A start takes about half of this. */
const startMs = 800
/** A stop under load takes about half of this. */
const stopMs = 300

const moments = ['underLoad', 'duringStart', 'duringStop', 'underLoad', 'underLoad'] as const

/** Sometimes changes wait long in the journal for their delta. */
const batching: Environment = { CLUSTER_CRDT_BATCHING_MAXBATCHSIZE: '500', CLUSTER_CRDT_BATCHING_MAXBATCHAGE: '2s' }

export interface KillReport {
  readonly seed: number
  readonly rounds: number
  /** Kills by the moment at which they came. */
  readonly kills: Readonly<Record<typeof moments[number], number>>
  readonly acknowledgedPins: number
  readonly acknowledgedUnpins: number
  /** Requests that the kill left without an answer, and those that the peer refused. */
  readonly unanswered: number
  readonly refused: number
  /** Pins in the pinset at the end. */
  readonly pinned: number
  /** Acknowledged changes that were not found again. */
  readonly mistakes: readonly Mistake[]
  /** Kept when there are mistakes: what is wrong is worth a look. */
  readonly folder: string
}

/** @throws when a peer does not start by itself, or what it keeps does not agree with itself */
export async function killRounds ({ rounds, seed, report }: { readonly rounds: number, readonly seed: number, readonly report?: (line: string) => void }): Promise<KillReport> {
  const random = new Seeded(seed)
  const folder = await mkdtemp(join(tmpdir(), 'kill-'))
  const peer = await ScratchPeer.make(folder)
  const clients = new PinClients(peer.apiPort, random.fork())
  const kills = { underLoad: 0, duringStart: 0, duringStop: 0 }
  const mistakes: Mistake[] = []
  let pinned = 0
  try {
    const { id } = JSON.parse(await readFile(join(peer.path, 'identity.json'), 'utf8')) as { id: PeerId }
    for (let round = 1; round <= rounds; round++) {
      const moment = moments[(round - 1) % moments.length] as typeof moments[number]
      kills[moment]++
      await runAndKill(peer, clients, random, moment)
      await checkDatastore(peer.datastore, id)
      await peer.start(random.once(3) ? batching : {})
      const pins = await listPinset(peer)
      mistakes.push(...clients.settle(seenByCid(pins)))
      pinned = pins.length
      await peer.until(async () => await pinCount(peer) === pinned)
      if (round % 10 === 0) report?.(`round ${round}: ${clients.counts.pins} pins and ${clients.counts.unpins} unpins acknowledged, ${mistakes.length} lost, ${pinned} pinned`)
    }
    // The tracker went on where it was: in the end the IPFS node has what the pinset has.
    const wanted = (await listPinset(peer)).map(pin => pin.cid).toSorted().join()
    await peer.until(async () => (await pinnedOnIpfs(peer)).join() === wanted)
  } catch (error) {
    throw new Error(`seed ${seed}: ${errorText(error)}; the peer's folder is kept: ${folder}`, { cause: error })
  } finally {
    await clients.stop()
    await peer.close()
  }
  if (mistakes.length === 0) await rm(folder, { recursive: true, force: true })
  const { pins, unpins, cut, refused } = clients.counts
  return { seed, rounds, kills, acknowledgedPins: pins, acknowledgedUnpins: unpins, unanswered: cut, refused, pinned, mistakes, folder }
}

async function runAndKill (peer: ScratchPeer, clients: PinClients, random: Seeded, moment: typeof moments[number]): Promise<void> {
  if (peer.daemon === undefined || peer.daemon.signalCode !== null) await peer.start()
  clients.start()
  // A slow machine must not make a run without anything to lose.
  if (clients.counts.unpins === 0) await peer.until(async () => clients.counts.unpins > 0)
  await sleep(random.below(loadMs))
  if (moment === 'duringStop') {
    peer.daemon?.kill('SIGTERM')
    await sleep(random.below(stopMs))
  }
  await peer.end('SIGKILL')
  if (moment === 'duringStart') {
    // Clients go on: some requests meet a peer that has only just begun.
    peer.spawn()
    await sleep(random.below(startMs))
    await peer.end('SIGKILL')
  }
  await clients.stop()
}

async function main (): Promise<void> {
  const { values } = parseArgs({ options: { rounds: { type: 'string', default: '200' }, seed: { type: 'string', default: String(Date.now() % 2 ** 31) } } })
  const say = (line: string): void => { process.stdout.write(`${line}\n`) }
  const seed = Number(values.seed)
  say(`seed ${seed}, ${values.rounds} rounds`)
  const result = await killRounds({ rounds: Number(values.rounds), seed, report: say })
  const { kills, mistakes } = result
  for (const mistake of mistakes.slice(0, 20)) say(`lost: ${mistake.cid}: expected ${mistake.expected ?? 'nothing'}, found ${mistake.found ?? 'nothing'}`)
  say(`seed ${seed}: ${result.rounds} rounds, kills under load ${kills.underLoad}, during a start ${kills.duringStart}, during a stop ${kills.duringStop}; acknowledged ${result.acknowledgedPins} pins and ${result.acknowledgedUnpins} unpins, unanswered ${result.unanswered}, refused ${result.refused}, pinned at the end ${result.pinned}; lost ${mistakes.length}`)
  if (mistakes.length === 0) return
  say(`the peer's folder is kept: ${result.folder}`)
  process.exitCode = 1
}

if (import.meta.main) await main()
