import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Cid } from '../../domain/cid.ts'
import { virtualClock } from '../../platform/virtual-clock.ts'
import { CrashStore } from './crash-store.fixture.ts'
import { CrdtPeers, cidOf, namesOf, pinOf, setOf, type CrdtPeer } from './crdt-peers.fixture.ts'

const count = 5
/** CIDs that only one peer changes, so that what was acknowledged must stand at the end. */
const ownCids = 10
/** CIDs that all change. */
const sharedCids = 3

type Step =
  | { readonly do: 'pin' | 'unpin', readonly peer: number, readonly cid: number }
  | { readonly do: 'stop' | 'start', readonly peer: number }
  | { readonly do: 'crash', readonly peer: number, readonly kept: number, readonly after: number }
  | { readonly do: 'wait', readonly ms: number }

const peer = fc.nat(count - 1)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 10, arbitrary: fc.record({ do: fc.constantFrom<'pin' | 'unpin'>('pin', 'pin', 'unpin'), peer, cid: fc.nat(ownCids + sharedCids - 1) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom<'stop' | 'start'>('stop', 'start', 'start'), peer }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant<'crash'>('crash'), peer, kept: fc.double({ min: 0, max: 1, noNaN: true }), after: fc.nat(6) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant<'wait'>('wait'), ms: fc.constantFrom(0, 10, 60, 1_000, 30_000) }) })

interface Runner { store: CrashStore, running: CrdtPeer | undefined, readonly known: Map<Cid, string>, stopFollowing: AbortController }

/** What a reader of the changes, as the tracker is one, believes to be pinned. */
async function follow (runner: Runner, { consensus }: CrdtPeer, signal: AbortSignal): Promise<void> {
  for await (const changes of consensus.changes().read({ signal })) {
    for (const { cid, pin } of changes) {
      if (pin === undefined) runner.known.delete(cid)
      else runner.known.set(cid, pin.name)
    }
    consensus.changes().acknowledge(changes.at(-1)?.sequence ?? 0)
  }
}

test('peers that pin, unpin, stop, start and crash come to one set, and nothing acknowledged is lost', () => fc.assert(fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async steps => {
  const peers = new CrdtPeers(virtualClock())
  const runners: Runner[] = Array.from({ length: count }, () => ({ store: new CrashStore(), running: undefined, known: new Map(), stopFollowing: new AbortController() }))
  const possible = new Map<Cid, Array<string | undefined>>()

  const start = async (n: number): Promise<void> => {
    const runner = runners[n] as Runner
    if (runner.running !== undefined) return
    runner.running = await peers.start(n, { store: runner.store })
    runner.stopFollowing = new AbortController()
    void follow(runner, runner.running, runner.stopFollowing.signal)
  }
  const crash = async (n: number, kept: number): Promise<void> => {
    const runner = runners[n] as Runner
    runner.store = await runner.store.crash(kept)
    await runner.running?.network.stop()
    runner.stopFollowing.abort()
    peers.running.delete(n)
    runner.running = undefined
  }
  const change = async (n: number, cid: number, name: string | undefined): Promise<void> => {
    const at = cid < ownCids ? cid % count : n
    const { running } = runners[at] as Runner
    if (running === undefined) return
    const pin = pinOf(cid, { name: name ?? '' })
    const answer = (name === undefined ? running.consensus.logUnpin(pin) : running.consensus.logPin(pin)).then(() => true, () => false)
    const isAcknowledged = await Promise.race([answer, peers.clock.settle().then(() => undefined)])
    const before = possible.get(cidOf(cid)) ?? [undefined]
    if (cid < ownCids) possible.set(cidOf(cid), isAcknowledged === true ? [name] : [...before, name])
  }

  for (let n = 0; n < count; n++) await start(n)
  for (const [i, next] of steps.entries()) {
    switch (next.do) {
      case 'wait': await peers.clock.advance(next.ms); break
      case 'start': await start(next.peer); break
      case 'stop': {
        const runner = runners[next.peer] as Runner
        if (runner.running === undefined) break
        runner.stopFollowing.abort()
        await peers.done(runner.running.stop())
        runner.running = undefined
        break
      }
      case 'crash':
        // Some writes later, perhaps in the middle of a walk.
        ;(runners[next.peer] as Runner).store.left = next.after
        await peers.clock.advance(100)
        await crash(next.peer, next.kept)
        break
      default: await change(next.peer, next.cid, next.do === 'pin' ? `pin ${i}` : undefined)
    }
  }
  for (const [n, { store }] of runners.entries()) if (store.isDead) await crash(n, 1)
  for (let n = 0; n < count; n++) await start(n)
  await peers.clock.advance(200_000)

  const all = runners.map(runner => runner.running as CrdtPeer)
  const expected = await setOf(all[0] as CrdtPeer)
  const digest = all[0]?.consensus.inspect().digest
  for (const [n, one] of all.entries()) {
    const { pins, digest: own, unmerged, holes, isDirty } = one.consensus.inspect()
    assert.deepEqual({ unmerged, holes, isDirty }, { unmerged: { missing: 0, stored: 0 }, holes: 0, isDirty: false }, `peer ${n} has nothing left to do`)
    assert.deepEqual(await setOf(one), expected, `the set of peer ${n}`)
    assert.equal(own, digest)
    assert.equal(pins, (await namesOf(one)).length)
    const names = new Map((await Array.fromAsync(one.consensus.pinset().list({}))).flat().map(pin => [pin.cid, pin.name]))
    for (const [cid, states] of possible) assert.ok(states.includes(names.get(cid)), `${cid} is ${names.get(cid)} on peer ${n}, not ${states.join(' or ')}`)
    assert.deepEqual([...(runners[n] as Runner).known].toSorted(), [...names].toSorted(), `what a reader of the changes of peer ${n} knows`)
  }
  for (const runner of runners) runner.stopFollowing.abort()
  await peers.stop()
}), { numRuns: 60 }))
