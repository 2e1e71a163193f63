import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { Cid } from '../domain/cid.ts'
import { statusName, TrackerStatus, type PinInfo } from '../domain/status.ts'
import type { Content } from './simulated-ipfs.fixture.ts'
import { cidOf, otherPeer, World } from './tracker.fixture.ts'

/* Random lives of a tracker beside a node that lies, hangs, loses pins and goes away, compared with what the pinset says. */

/** What the pinset says of a CID: that is the whole model. */
type Wanted = 'recursive' | 'direct' | 'remote' | 'none'

type Step =
  | { readonly do: 'want', readonly item: number, readonly wanted: Wanted, readonly alone: boolean }
  | { readonly do: 'content', readonly item: number, readonly content: Content }
  | { readonly do: 'lose' | 'recover', readonly item: number }
  | { readonly do: 'wait', readonly ms: number }
  | { readonly do: 'down' | 'up' | 'recover all' | 'restart' }

const items = 12
const item = fc.nat(items - 1)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ do: fc.constant('want' as const), item, wanted: fc.constantFrom<Wanted>('recursive', 'recursive', 'recursive', 'direct', 'remote', 'none', 'none'), alone: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('content' as const), item, content: fc.constantFrom<Content>('good', 'good', 'unreachable', 'refused', 'slow', 'lied') }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('lose' as const, 'recover' as const), item }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(0, 1, 3, 7, 15, 60, 1_000, 5_000, 30_000, 130_000) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('down' as const, 'up' as const, 'up' as const, 'recover all' as const, 'restart' as const) }) },
)

class Life {
  readonly world: World
  readonly wanted = new Map<Cid, Wanted>()
  /** Whether more items than have room in a queue can wait at once. */
  readonly #canBeFull: boolean
  #cursor = 0

  constructor (slots: number, queueSize: number, batchStallMs: number, seed: number) {
    this.world = new World({ concurrentPins: slots, maxPinQueueSize: queueSize, maxUnpinQueueSize: queueSize }, seed)
    this.world.ipfs.batchStallMs = batchStallMs
    this.#canBeFull = queueSize < items
  }

  async take (next: Step): Promise<void> {
    const { world } = this
    switch (next.do) {
      case 'want': return this.#want(cidOf(next.item), next.wanted, next.alone)
      case 'content': world.ipfs.content.set(cidOf(next.item), next.content); return
      case 'lose': world.ipfs.pins.delete(cidOf(next.item)); return
      case 'wait': return world.clock.advance(next.ms)
      case 'down': world.ipfs.isDown = true; return
      case 'up': world.ipfs.isDown = false; return
      case 'restart': return world.restart()
      case 'recover': await ignoreFullQueue(world.whileRunning(world.tracker.recover(cidOf(next.item)))); return
      case 'recover all': await this.recoverAll()
    }
  }

  /** Pins of the reference never go from recursive to direct: the cluster refuses that. */
  #want (cid: Cid, wanted: Wanted, alone: boolean): void {
    const before = this.wanted.get(cid) ?? 'none'
    if (before === 'none' && wanted === 'none') return
    const actual = wanted === 'direct' && before === 'recursive' ? 'recursive' : wanted
    this.wanted.set(cid, actual)
    if (actual === 'none') {
      this.world.pinset.remove(cid)
      return
    }
    this.world.pin('', {
      cid,
      maxDepth: actual === 'direct' ? 0 : -1,
      ...(actual === 'remote' && { replicationFactorMin: 1, replicationFactorMax: 1, allocations: [otherPeer] }),
      ...(alone && { pinUpdate: cidOf('older') }),
    })
  }

  async recoverAll (): Promise<void> {
    const allowed = ['IPFS_UNREACHABLE', ...this.#canBeFull ? ['QUEUE_FULL'] : []]
    await this.world.whileRunning(Array.fromAsync(this.world.tracker.recoverAll())).catch((error: { code: string }) => { assert.ok(allowed.includes(error.code), error.code) })
  }

  /** What must hold at any time. */
  async check (): Promise<void> {
    const { world, wanted } = this
    await world.clock.settle()
    assert.ok(world.pinset.cursor >= this.#cursor && world.pinset.cursor <= world.pinset.last)
    this.#cursor = world.pinset.cursor
    assert.ok(world.ipfs.mostAtOnce <= world.options.concurrentPins)
    const infos: PinInfo[] = []
    const wasDown = world.ipfs.isDown
    await world.whileRunning((async () => {
      for await (const some of world.tracker.statusAll(0)) infos.push(...some)
    })()).catch((error: { code: string }) => { assert.ok(wasDown && error.code === 'IPFS_UNREACHABLE') })
    const listed = new Map(infos.map(info => [info.cid, info]))
    assert.equal(listed.size, infos.length, 'nothing is listed twice')
    for (let i = 0; i < items; i++) {
      const cid = cidOf(i)
      const want = wanted.get(cid) ?? 'none'
      const info = listed.get(cid)
      assert.equal(info !== undefined || want === 'none', true, `${want} is listed`)
      for (const each of [info, await world.whileRunning(world.tracker.status(cid))]) {
        if (each === undefined) continue
        assert.doesNotMatch(each.error, /at once/)
        assert.ok((each.status & allowed[want]) !== 0, `${statusName(each.status)} for ${want}`)
      }
      if (info?.status === TrackerStatus.unexpectedlyUnpinned) assert.ok(!hasPin(world, cid, want))
    }
  }

  /** When all faults end, the node has what the pinset says and nothing else, by recover alone. */
  async end (): Promise<void> {
    const { world, wanted } = this
    world.ipfs.isDown = false
    world.ipfs.content.clear()
    for (let round = 0; round < 6; round++) {
      await world.clock.advance(20_000)
      await world.idle()
      await this.recoverAll()
    }
    await world.clock.advance(20_000)
    await world.idle()
    for (let i = 0; i < items; i++) {
      const cid = cidOf(i)
      const want = wanted.get(cid) ?? 'none'
      if (want === 'recursive' || want === 'direct') assert.ok(hasPin(world, cid, want), `${i} is not ${want}`)
      else assert.ok(!world.ipfs.pins.has(cid), `${i} is pinned though ${want}`)
      assert.equal(await world.status(cid), { recursive: 'pinned', direct: 'pinned', remote: 'remote', none: 'unpinned' }[want])
    }
    assert.equal(world.pinset.cursor, world.pinset.last, 'all changes are handled')
    for (const name of ['pin_queued', 'pinning', 'pin_error']) assert.equal(world.metrics.value(`ipfscluster_pins_${name}`), 0)
    await world.stop()
  }
}

const here = TrackerStatus.pinned | TrackerStatus.pinQueued | TrackerStatus.pinning | TrackerStatus.pinError | TrackerStatus.unexpectedlyUnpinned | TrackerStatus.clusterError
const allowed: Record<Wanted, number> = {
  recursive: here,
  direct: here,
  remote: TrackerStatus.remote,
  none: TrackerStatus.unpinned | TrackerStatus.unpinQueued | TrackerStatus.unpinning | TrackerStatus.unpinError,
}

function hasPin ({ ipfs }: World, cid: Cid, want: Wanted): boolean {
  const type = ipfs.pins.get(cid)
  return type === 'recursive' || (type === 'direct' && want === 'direct')
}

function ignoreFullQueue (promise: Promise<unknown>): Promise<unknown> {
  return promise.catch((error: { code: string }) => { assert.equal(error.code, 'QUEUE_FULL') })
}

test('whatever happens, statuses are true, and in the end the node has what the pinset says', async () => {
  await fc.assert(fc.asyncProperty(
    fc.constantFrom(1, 2, 3, 8), fc.constantFrom(6, 1_000), fc.constantFrom(Infinity, 2_000), fc.nat(), fc.array(step, { minLength: 5, maxLength: 60 }),
    async (slots, queueSize, batchStallMs, seed, steps) => {
      const life = new Life(slots, queueSize, batchStallMs, seed)
      await life.world.start()
      for (const next of steps) {
        await life.take(next)
        await life.check()
      }
      await life.end()
    },
  ), { numRuns: Number(process.env['FLOTILLA_RUNS'] ?? 60) })
})
