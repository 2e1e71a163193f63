/*
 * Figures of the tracker without an IPFS node: `node --expose-gc src/tracker/tracker.bench.ts [pins]`.
 * One line a figure, by processor time; pins are made before.
 */
import { cidFromBytes, compareCids, type Cid } from '../domain/cid.ts'
import { defaultPinOptions, pinWithOptions, type Pin } from '../domain/pin.ts'
import type { IpfsConnector, IpfsPin } from '../ipfs/connector.ts'
import { systemClock } from '../platform/clock.ts'
import { silentLoggers } from '../platform/logger.ts'
import { noMetrics } from '../platform/metrics.ts'
import { systemRandom } from '../platform/random.ts'
import type { PinsetChange } from '../state/changes.ts'
import { CidSet } from './cid-set.ts'
import { MemoryPinset } from './memory-pinset.fixture.ts'
import { OperationTable } from './operations.ts'
import { statelessTracker } from './stateless-tracker.ts'
import { seededRandom, self } from './tracker.fixture.ts'
import type { PinTracker } from './tracker.ts'

const count = Number(process.argv[2] ?? 200_000)
const random = seededRandom(1)
const say = (line: string): void => { process.stdout.write(`${line}\n`) }
const collect = (): number => {
  globalThis.gc?.()
  globalThis.gc?.()
  return process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers
}
/** Milliseconds of processor time of this thread: the machine may have other work. */
const processorTime = (): number => {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1_000
}
const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`

function newCid (): Cid {
  const bytes = random.bytes(36)
  bytes.set([1, 0x55, 0x12, 0x20])
  // One flat text, as a CID read from JSON is.
  return Buffer.from(cidFromBytes(bytes)).toString('latin1') as Cid
}

function newPin (): Pin {
  return { ...pinWithOptions(newCid(), { ...defaultPinOptions, replicationFactorMin: -1, replicationFactorMax: -1, origins: [] }, Date.now()), allocations: [] }
}

class OrderedPinset extends MemoryPinset {
  readonly sorted: Pin[] = Array.from({ length: count }, newPin).toSorted((a, b) => compareCids(a.cid, b.cid))

  override async * list (): AsyncGenerator<Pin[]> {
    for (let at = 0; at < this.sorted.length; at += 256) yield this.sorted.slice(at, at + 256)
  }
}

function tracker (pinset: MemoryPinset, ipfs: Partial<IpfsConnector>): PinTracker {
  return statelessTracker({
    pinset,
    changes: pinset,
    ipfs: ipfs as IpfsConnector,
    self,
    peername: 'bench',
    identity: () => ({ ipfsPeerId: undefined, ipfsPeerAddresses: null }),
    options: { maxPinQueueSize: 1_000_000, concurrentPins: 10, priorityPinMaxAgeMs: 86_400_000, priorityPinMaxRetries: 5 },
    platform: { clock: systemClock, random: systemRandom, loggers: silentLoggers, metrics: noMetrics },
  })
}

function memory (): void {
  const before = collect()
  const table = new OperationTable({ clock: systemClock, maxQueueSize: 1_000_000, priorityPinMaxAgeMs: 86_400_000, priorityPinMaxRetries: 5, superseded: () => {} })
  for (let i = 1; i <= count; i++) table.track(newPin(), i)
  const used = collect() - before
  say(`memory of ${table.size} queued pins: ${mebibytes(used)}, ${(used / count).toFixed(0)} bytes each, CID and a bounded number of pins included`)
}

function enqueue (): void {
  const changes: PinsetChange[] = Array.from({ length: count }, (_, i) => {
    const pin = newPin()
    return { sequence: i + 1, cid: pin.cid, pin }
  })
  const table = new OperationTable({ clock: systemClock, maxQueueSize: 1_000_000, priorityPinMaxAgeMs: 86_400_000, priorityPinMaxRetries: 5, superseded: () => {} })
  let start = processorTime()
  for (const { pin, sequence } of changes) if (pin !== undefined) table.track(pin, sequence)
  say(`enqueue: ${rate(count, start)}`)
  start = processorTime()
  for (const { cid, sequence } of changes) table.untrack(cid, count + sequence)
  say(`cancel and replace: ${rate(count, start)}`)
  start = processorTime()
  for (let operation = table.queues.unpins.take(); operation !== undefined; operation = table.queues.unpins.take()) {
    table.start(operation)
    table.release(operation)
    table.succeed(operation)
  }
  say(`start and finish: ${rate(count, start)}; handled up to ${table.window.handledUpTo}`)
}

async function status (): Promise<void> {
  const pinset = new OrderedPinset()
  let listed = 0
  const listPins = async function * (): AsyncGenerator<IpfsPin[]> {
    const start = processorTime()
    for (let at = 0; at < count; at += 1_000) yield pinset.sorted.slice(at, at + 1_000).map(({ cid }) => ({ cid, type: 'recursive' }))
    listed = processorTime() - start
  }
  const bench = tracker(pinset, { listPins })
  for (let round = 0; round < 4; round++) {
    const start = processorTime()
    let seen = 0
    for await (const infos of bench.statusAll(0)) seen += infos.length
    const total = processorTime() - start
    say(`status of ${seen} pins: ${Math.round(seen / (total - listed) * 1_000)} pins/s, and ${listed.toFixed(0)} ms to take in the list of the IPFS node`)
  }
  const before = collect()
  const set = new CidSet(systemRandom)
  for (const { cid } of pinset.sorted) set.add(cid)
  say(`set of ${set.size} CIDs: ${mebibytes(set.sizeBytes)}, heap ${mebibytes(collect() - before)}`)
}

/** From the log to the end of all pins, the node answering at once. */
async function pinAll (): Promise<void> {
  const pinset = new MemoryPinset()
  for (let i = 0; i < count; i++) pinset.put(newPin())
  let pinned = 0
  const bench = tracker(pinset, {
    pin: async () => { pinned++ },
    pinMany: async pins => {
      pinned += pins.length
      return pins.map(() => undefined)
    },
  })
  const start = processorTime()
  await bench.start(new AbortController().signal)
  while (pinset.cursor < count) await new Promise(resolve => { setImmediate(resolve) })
  say(`${pinned} pins from the log to done: ${rate(count, start)}`)
  await bench.stop()
}

function rate (operations: number, start: number): string {
  return `${Math.round(operations / (processorTime() - start) * 1_000)} a second`
}

memory()
enqueue()
await status()
await pinAll()
