import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import { ClusterError } from '../domain/errors.ts'
import type { PeerId } from '../domain/peer.ts'
import type { Block } from '../ipfs/connector.ts'
import { sleep } from '../platform/clock.ts'
import { silentLogger } from '../platform/logger.ts'
import { virtualClock, type VirtualClock } from '../platform/virtual-clock.ts'
import type { BlockDestination } from './block-lane.ts'
import { blockStream, type BlockStream } from './block-sink.ts'

const blockBytes = 1000

function block (number: number): Block {
  const digest = new Uint8Array(32)
  new DataView(digest.buffer).setUint32(28, number)
  return { cid: CID.createV1(0x55, createDigest(0x12, digest)), bytes: new Uint8Array(blockBytes) }
}

/** How a destination behaves. */
interface Nature {
  /** Time for each block. */
  readonly paceMs?: number
  /** What happens at block `at`, or at the end when it is past the last. */
  readonly trouble?: 'dies' | 'hangs' | 'is full' | 'stops early' | undefined
  readonly at?: number
}

interface TestDestination extends BlockDestination {
  readonly nature: Nature
  taken: number
  /** True when it has stored all that there is. */
  isComplete: boolean
  wasTold: boolean
}

function destination (name: string, nature: Nature, clock: VirtualClock): TestDestination {
  async function suffer (): Promise<boolean> {
    switch (nature.trouble) {
      case 'dies': throw new ClusterError('PEER_UNREACHABLE', 'stream reset')
      case 'is full': throw new ClusterError('STORE_FULL', 'no space left on device')
      case 'hangs': await new Promise(() => {}); return true
      default: return true
    }
  }
  const it: TestDestination = {
    peer: name as PeerId,
    nature,
    taken: 0,
    isComplete: false,
    wasTold: false,
    async putBlocks (blocks, { signal }) {
      signal?.addEventListener('abort', () => { it.wasTold = true })
      for await (const _ of blocks) {
        if (nature.trouble !== undefined && it.taken === nature.at && await suffer()) return
        if (nature.paceMs !== undefined) await sleep(clock, nature.paceMs)
        it.taken++
      }
      if (nature.trouble !== undefined && it.taken <= (nature.at ?? 0)) await suffer()
      it.isComplete = true
    },
  }
  return it
}

interface Outcome { error?: ClusterError, mostInFlight: number }

/** Puts blocks as quickly as they are taken, on a clock of its own; answers how it ended. */
async function run (natures: readonly Nature[], options: { blocks: number, minHolders?: number, windowBytes?: number, uploadMs?: number }): Promise<Outcome & { readonly destinations: readonly TestDestination[], readonly tookMs: number }> {
  const clock = virtualClock()
  const destinations = natures.map((nature, i) => destination(`peer-${i}`, nature, clock))
  const stream = blockStream(destinations, { clock, logger: silentLogger, minHolders: options.minHolders ?? 1, windowBytes: options.windowBytes ?? 10_000, stallTimeoutMs: 60_000 })
  const outcome: Outcome = { mostInFlight: 0 }
  let isOver = false
  const startMs = clock.monotonic()
  const putting = putAll(stream, destinations, options, clock, outcome).catch((error: unknown) => {
    assert.ok(error instanceof ClusterError, String(error))
    outcome.error = error
  }).finally(() => {
    isOver = true
    stream.abort(new Error('over'))
  })
  await clock.until(() => isOver, 365 * 86_400_000)
  await putting
  const tookMs = clock.monotonic() - startMs
  await clock.settle()
  return { ...outcome, destinations, tookMs }
}

async function putAll (stream: BlockStream, destinations: readonly TestDestination[], { blocks, uploadMs }: { blocks: number, uploadMs?: number }, clock: VirtualClock, outcome: Outcome): Promise<void> {
  for (let number = 0; number < blocks; number++) {
    if (uploadMs !== undefined) await sleep(clock, uploadMs)
    await stream.put(block(number))
    for (const { taken, wasTold } of destinations) if (!wasTold) outcome.mostInFlight = Math.max(outcome.mostInFlight, (number + 1 - taken) * blockBytes)
  }
  await stream.close()
}

const taken = (destinations: readonly TestDestination[]): number[] => destinations.map(one => one.taken)

describe('one of three destinations', () => {
  for (const trouble of ['dies', 'is full', 'stops early'] as const) {
    test(`${trouble} at a block: it is dropped at once, the others have all`, async () => {
      const { error, destinations, tookMs } = await run([{}, { trouble, at: 20 }, {}], { blocks: 50, minHolders: 2 })
      assert.equal(error, undefined)
      assert.deepEqual(taken(destinations), [50, 20, 50])
      assert.equal(tookMs, 0)
    })
  }

  test('hangs: it holds the others up for the stall time and no longer', async () => {
    for (const at of [0, 20, 50]) {
      const { error, destinations, tookMs } = await run([{}, { trouble: 'hangs', at }, {}], { blocks: 50, minHolders: 2 })
      assert.equal(error, undefined)
      assert.deepEqual(taken(destinations), [50, at, 50])
      assert.ok(destinations[1]?.wasTold)
      assert.ok(tookMs >= 60_000 && tookMs <= 75_000, `${tookMs} ms`)
    }
  })

  test('is much slower than the others: it is dropped after the stall time', async () => {
    const { error, destinations, tookMs } = await run([{ paceMs: 1 }, { paceMs: 2000 }, { paceMs: 1 }], { blocks: 5000 })
    assert.equal(error, undefined)
    assert.ok(destinations[1]?.wasTold)
    assert.ok(destinations[0]?.isComplete && destinations[2]?.isComplete)
    assert.ok(tookMs < 90_000, `${tookMs} ms`)
  })

  test('is much slower at the end: the add waits no longer than the stall time', async () => {
    const { error, destinations, tookMs } = await run([{}, { paceMs: 50_000 }, {}], { blocks: 8 })
    assert.equal(error, undefined)
    assert.ok(destinations[1]?.wasTold)
    assert.ok(tookMs < 90_000, `${tookMs} ms`)
  })

  test('is much slower, but its copy is needed: it is waited for', async () => {
    const { error, destinations } = await run([{ paceMs: 1 }, { paceMs: 2000 }, { trouble: 'dies', at: 3 }], { blocks: 500, minHolders: 2 })
    assert.equal(error, undefined)
    assert.deepEqual(taken(destinations), [500, 500, 3])
  })

  test('takes all and says nothing for long, but its copy is needed: it is waited for, and not for ever', async () => {
    for (const [paceMs, code] of [[250_000, undefined], [500_000, 'NOT_ENOUGH_PEERS']] as const) {
      const { error, tookMs } = await run([{}, { paceMs }], { blocks: 1, minHolders: 2 })
      assert.equal(error?.code, code)
      assert.ok(tookMs < 6 * 75_000, `${tookMs} ms`)
    }
  })

  test('is only a little slower: it keeps its place, however long the upload', async () => {
    const { error, destinations } = await run([{ paceMs: 1000 }, { paceMs: 2500 }, { paceMs: 900 }], { blocks: 2000 })
    assert.equal(error, undefined)
    assert.deepEqual(taken(destinations), [2000, 2000, 2000])
  })

  test('is slower than the others but not than the upload: it keeps its place', async () => {
    const { error, destinations } = await run([{}, { paceMs: 2000 }, {}], { blocks: 500, uploadMs: 2100 })
    assert.equal(error, undefined)
    assert.deepEqual(taken(destinations), [500, 500, 500])
  })
})

describe('too few destinations', () => {
  test('end the add at once, and the last are told', async () => {
    const { error, destinations } = await run([{}, { trouble: 'dies', at: 5 }, { trouble: 'is full', at: 20 }], { blocks: 100, minHolders: 2 })
    assert.equal(error?.code, 'NOT_ENOUGH_PEERS')
    assert.equal(error?.message, 'only 1 of at least 2 peers took the blocks: peer-1: stream reset; peer-2: no space left on device')
    const first = destinations[0] as TestDestination
    assert.ok(first.wasTold && first.taken < 100)
  })

  test('none at all is said in the words of the reference', async () => {
    const { error } = await run([{ trouble: 'dies', at: 5 }, { trouble: 'hangs', at: 20 }], { blocks: 100 })
    assert.equal(error?.code, 'IPFS_UNREACHABLE')
    assert.equal(error?.message, 'failed to put block on all destinations')
  })

  test('from the start are refused', async () => {
    const { error, destinations } = await run([{}], { blocks: 10, minHolders: 2 })
    assert.equal(error?.code, 'NOT_ENOUGH_PEERS')
    assert.deepEqual(taken(destinations), [0])
  })
})

const nature: fc.Arbitrary<Nature> = fc.record({
  paceMs: fc.constantFrom(0, 1, 40, 3000),
  trouble: fc.constantFrom(undefined, undefined, 'dies', 'hangs', 'is full', 'stops early'),
  at: fc.integer({ min: 0, max: 60 }),
}) as fc.Arbitrary<Nature>

test('an add succeeds only with enough complete holders, fails only without them, ends in time and holds little', async () => {
  await fc.assert(fc.asyncProperty(
    fc.array(nature, { minLength: 1, maxLength: 6 }), fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1000, max: 30_000 }), fc.constantFrom(0, 500),
    async (natures, minHolders, blocks, windowBytes, uploadMs) => {
      const { error, destinations, tookMs, mostInFlight } = await run(natures, { blocks, minHolders, windowBytes, uploadMs })
      const complete = destinations.filter(one => one.isComplete && one.taken === blocks)
      const reasons = (error?.details.failures ?? []) as string[]
      // Who was given up as too slow while there were enough others cannot help when those fail.
      const sound = destinations.filter(({ peer, nature: { trouble, at = 0 } }) => (trouble === undefined || (trouble === 'stops early' && at >= blocks)) && !reasons.some(reason => reason.startsWith(`${peer}: ${peer} is too slow`)))
      if (error === undefined) assert.ok(complete.length >= minHolders, `${complete.length} complete holders, ${minHolders} needed`)
      else assert.ok(sound.length < minHolders, `${sound.length} sound destinations, ${minHolders} needed: ${error.message}`)
      for (const one of destinations) assert.ok(one.isComplete || one.wasTold || one.nature.trouble !== undefined, 'whoever was given up is told')
      assert.ok(tookMs <= blocks * 3500 + (6 + 5) * 75_000, `${tookMs} ms`)
      assert.ok(mostInFlight <= windowBytes + 2 * blockBytes, `${mostInFlight} bytes in flight`)
    }), { numRuns: 500 })
})
