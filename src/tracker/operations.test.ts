import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import * as fc from 'fast-check'
import { AssertionError } from '../domain/errors.ts'
import { defaultPinOptions, pinWithOptions, type Pin } from '../domain/pin.ts'
import { virtualClock, type VirtualClock } from '../platform/virtual-clock.ts'
import type { Operation } from './operation.ts'
import { OperationQueue } from './operation-queue.ts'
import { OperationTable, queueFullText, type OperationTableOptions } from './operations.ts'
import { SequenceWindow } from './sequence-window.ts'
import { stalledLevel } from './slow-lane.ts'
import { cidOf } from './tracker.fixture.ts'
import { kindOfState, operationEvents, operationStates, statusOfState, transitions, type OperationEvent, type OperationState } from './transitions.ts'

interface Bench { readonly table: OperationTable, readonly clock: VirtualClock, readonly superseded: Operation[] }

function bench (options: Partial<OperationTableOptions> = {}): Bench {
  const clock = virtualClock()
  const superseded: Operation[] = []
  return { clock, superseded, table: new OperationTable({ clock, maxQueueSize: 100, priorityPinMaxAgeMs: 86_400_000, priorityPinMaxRetries: 5, superseded: operation => { superseded.push(operation) }, ...options }) }
}

function pinOf (name: string, clock: VirtualClock, changes: Partial<Pin> = {}): Pin {
  return { ...pinWithOptions(cidOf(name), { ...defaultPinOptions, name }, clock.now()), ...changes }
}

const cid = cidOf('x')

/** Takes what waits out of its queue, as a worker does. */
function startNext (table: OperationTable): Operation {
  const queue = [table.queues.priority, table.queues.ordinary, table.queues.suspects, table.queues.stalled, table.queues.unpins, table.queues.remotes].find(queue => queue.size > 0)
  const operation = queue?.take() as Operation
  table.start(operation)
  return operation
}

/** Brings the CID into a state the way it gets there in life. Sequences 1 to 9 are used up. */
function bringTo (state: OperationState, { table, clock }: Bench): void {
  if (state === 'absent') return
  const kind = kindOfState[state]
  if (kind === 'pin') table.track(pinOf('x', clock), 1)
  else if (kind === 'unpin') table.untrack(cid, 1)
  else table.trackRemote(cid, 1)
  if (state.endsWith('queued')) return
  const operation = startNext(table)
  table.hold(operation, pinOf('x', clock))
  if (!state.endsWith('error')) return
  table.release(operation)
  table.fail(operation, 'broken', 'failed')
}

/** Makes the event happen through the table's own methods. */
function happen (event: OperationEvent, { table, clock }: Bench): void {
  const operation = table.get(cid)
  const needed = (): Operation => {
    if (operation === undefined) throw new AssertionError('no operation')
    return operation
  }
  switch (event) {
    case 'track': return table.track(pinOf('x', clock, { name: 'newer' }), 10)
    case 'track_otherwise': return table.track(pinOf('x', clock, { maxDepth: 0, mode: 'direct' }), 10)
    case 'track_remote': return table.trackRemote(cid, 10)
    case 'untrack': return table.untrack(cid, 10)
    case 'recover': table.recover(cid, pinOf('x', clock)); return
    case 'start':
      for (const queue of [table.queues.priority, table.queues.unpins, table.queues.remotes, table.queues.failed, table.queues.failedUnpins]) if (queue.first === operation) queue.take()
      return table.start(needed())
    case 'succeed': return table.succeed(needed())
    case 'fail': table.fail(needed(), 'broken again', 'failed'); return
    case 'give_back': table.release(needed()); return table.giveBack(needed(), 'tail')
    default: throw new AssertionError('not made by a method')
  }
}

test('every event in every state does what the written table says', async context => {
  for (const state of operationStates) {
    for (const event of operationEvents) {
      // These two come about inside the table and have tests of their own below.
      if (event === 'requeue' || event === 'refuse') continue
      await context.test(`${state} · ${event}`, async () => {
        const bed = bench()
        bringTo(state, bed)
        const { table, clock } = bed
        const before = table.get(cid)
        const attempts = before?.attempts ?? 0
        assert.equal(before?.state ?? 'absent', state)
        await clock.advance(5)
        const expected = transitions[state][event]
        if (expected.effect === 'impossible') {
          assert.throws(() => { happen(event, bed) }, AssertionError)
          return
        }
        happen(event, bed)
        const after = table.get(cid)
        const to = expected.effect === 'remove' ? 'absent' : 'to' in expected ? expected.to : state
        assert.equal(after?.state ?? 'absent', to)
        assert.equal(after === before, expected.effect !== 'replace' && expected.effect !== 'remove')
        for (const each of operationStates) assert.equal(table.count(each), each === to && to !== 'absent' ? 1 : 0, `count of ${each}`)
        assert.equal(table.size, to === 'absent' ? 0 : 1)
        if (after !== undefined) {
          assert.equal(after.status, statusOfState[to])
          const carries = before !== undefined && before.kind === after.kind
          assert.equal(after.attempts, carries ? attempts + (event === 'start' ? 1 : event === 'give_back' ? -1 : 0) : 0)
          assert.equal(table.timestamp(after), expected.effect === 'refresh' || expected.effect === 'ignore' ? clock.now() - 5 : clock.now())
          if (after.state.endsWith('error')) assert.equal(after.detail?.error, event === 'fail' ? 'broken again' : 'broken')
          else assert.equal(after.detail?.error ?? '', '', 'an operation that goes on shows no old error')
        }
        const wasAtWork = state === 'pinning' || state === 'unpinning' || state === 'remote_unpinning'
        assert.deepEqual(bed.superseded, wasAtWork && expected.effect === 'replace' ? [before] : [])
        if (wasAtWork && expected.effect === 'replace') {
          assert.equal(after?.queue, 0, 'the next operation waits until the worker has let go of the CID')
          table.release(before as Operation)
          assert.notEqual(after?.queue, 0)
        } else if (to.endsWith('queued')) {
          assert.notEqual(after?.queue, 0)
        }
      })
    }
  }
})

test('what waits for the node is queued again when it answers, with its attempts and its change', () => {
  for (const state of ['pin_queued', 'unpin_queued', 'remote_queued'] as const) {
    const bed = bench()
    bringTo(state, bed)
    const { table } = bed
    const operation = startNext(table)
    table.release(operation)
    table.fail(operation, 'no answer', 'parked')
    assert.equal(table.window.handledUpTo, 0, 'a change that waits for the node is not handled')
    table.requeueParked()
    assert.equal(operation.state, state)
    assert.equal(operation.attempts, 1)
    assert.equal(operation.detail?.error, '')
    const again = startNext(table)
    assert.equal(again, operation)
    table.release(again)
    table.succeed(again)
    assert.equal(table.window.handledUpTo, 1)
  }
})

test('a full queue refuses with the text of the contract, and the change counts as handled', () => {
  const { table, clock } = bench({ maxQueueSize: 2 })
  let sequence = 0
  for (const name of ['a', 'b', 'c', 'd']) table.track(pinOf(name, clock), ++sequence)
  for (const name of ['e', 'f', 'g']) table.untrack(cidOf(name), ++sequence)
  for (const name of ['h', 'i', 'j']) table.trackRemote(cidOf(name), ++sequence)
  assert.deepEqual(['a', 'b', 'c', 'd', 'e', 'g', 'h', 'j'].map(name => table.get(cidOf(name))?.state),
    ['pin_queued', 'pin_queued', 'pin_error', 'pin_error', 'unpin_queued', 'unpin_error', 'remote_queued', 'remote_error'])
  assert.equal(table.get(cidOf('c'))?.detail?.error, queueFullText)
  assert.equal(table.get(cidOf('c'))?.attempts, 0)
  assert.equal(table.window.isOpen(2), true)
  assert.equal(table.window.isOpen(3), false)
  table.track(pinOf('k', clock), ++sequence)
  assert.equal(table.get(cidOf('c')), undefined, 'the oldest failed pin is forgotten: the pinset and the IPFS node tell its status now')
  assert.notEqual(table.get(cidOf('g')), undefined, 'failed pins do not push out failed unpins')
})

test('priority goes to young pins that have not failed often', async () => {
  const { table, clock } = bench({ priorityPinMaxRetries: 1 })
  table.track(pinOf('old', clock, { timestamp: clock.now() - 86_400_001 }), 1)
  const young = pinOf('young', clock)
  table.track(young, 2)
  assert.equal(table.get(cidOf('old'))?.isPriority, false)
  for (const [attempt, isPriority] of [true, true, false].entries()) {
    const operation = table.get(young.cid) as Operation
    assert.equal(operation.attempts, attempt)
    assert.equal(operation.isPriority, isPriority)
    const waitsIn = isPriority && attempt === 0 ? table.queues.priority : table.queues.ordinary
    waitsIn.remove(operation)
    table.start(operation)
    table.release(operation)
    table.fail(operation, 'broken', 'failed')
    table.recover(young.cid, young)
  }
})

test('what is recovered waits behind new pins though it shows priority', () => {
  const { table, clock } = bench()
  const lost = pinOf('lost', clock)
  const operation = table.recover(lost.cid, lost)
  assert.equal(operation?.isPriority, true)
  assert.equal(table.queues.ordinary.first, operation)
})

test('a retry is taken when it is due, unless something newer came', async () => {
  const { table, clock } = bench()
  const names = ['a', 'b', 'c', 'd']
  for (const [i, name] of names.entries()) {
    table.track(pinOf(name, clock), i + 1)
    const operation = startNext(table)
    operation.level = 3
    table.release(operation)
    table.fail(operation, 'stalled', { retryAt: 100 * (4 - i) })
  }
  assert.equal(table.window.handledUpTo, 4, 'the log does not wait for what may never come')
  assert.equal(table.queues.retries.nextAt(), 100)
  table.untrack(cidOf('d'), 5)
  table.track(pinOf('c', clock), 6)
  assert.equal(table.queues.retries.nextAt(), 300)
  await clock.advance(300)
  table.queueDueRetries()
  assert.deepEqual([table.queues.stalled.size, table.queues.retries.size], [2, 1], 'c came back at once, b when it was due')
  assert.equal(table.get(cidOf('b'))?.state, 'pin_error', 'it shows its error until the next try begins')
})

test('what is due for another try while its queue is full waits for a recover', async () => {
  const { table, clock } = bench({ maxQueueSize: 1 })
  const stalled = (name: string, sequence: number): Operation => {
    table.track(pinOf(name, clock), sequence)
    const operation = startNext(table)
    operation.level = stalledLevel
    table.release(operation)
    return operation
  }
  const first = stalled('first', 1)
  table.fail(first, 'stalled', { retryAt: clock.monotonic() + 1_000 })
  const second = stalled('second', 2)
  table.giveBack(second, 'tail')
  await clock.advance(1_000)
  table.queueDueRetries()
  assert.deepEqual([table.queues.stalled.first, table.queues.failed.first, table.queues.retries.size], [second, first, 0])
  assert.deepEqual([first.state, first.detail?.error], ['pin_error', 'stalled'])
  table.recover(first.cid, pinOf('first', clock))
  assert.equal(table.get(first.cid)?.state, 'pin_error', 'there is no room yet')
  assert.equal(startNext(table), second)
  table.recover(first.cid, pinOf('first', clock))
  assert.equal(table.queues.stalled.first, table.get(first.cid))
})

test('an error text is kept to a bounded length', () => {
  const bed = bench()
  bringTo('pinning', bed)
  const operation = bed.table.get(cid) as Operation
  bed.table.release(operation)
  bed.table.fail(operation, 'x'.repeat(1_000_000), 'failed')
  assert.ok((operation.detail?.error.length ?? 0) < 2_000)
})

test('the small facts of an operation do not disturb each other', () => {
  const { table } = bench()
  table.untrack(cid, 1)
  const operation = table.get(cid) as Operation
  const facts = fc.record({ state: fc.constantFrom(...operationStates.filter(state => state !== 'absent')), isPriority: fc.boolean(), isAlone: fc.boolean(), level: fc.nat(5), attempts: fc.nat(65_535), queue: fc.nat(31) })
  fc.assert(fc.property(fc.array(fc.tuple(facts, fc.shuffledSubarray(['state', 'isPriority', 'isAlone', 'level', 'attempts', 'queue'] as const))), steps => {
    const read = (): object => ({ state: operation.state, isPriority: operation.isPriority, isAlone: operation.isAlone, level: operation.level, attempts: operation.attempts, queue: operation.queue })
    const model: Record<string, unknown> = { ...read() }
    for (const [values, keys] of steps) {
      for (const key of keys) {
        Object.assign(operation, { [key]: values[key] })
        model[key] = values[key]
      }
      assert.deepEqual(read(), model)
    }
  }))
  operation.attempts = 70_000
  assert.equal(operation.attempts, 65_535, 'attempts stop counting, they do not start anew')
})

test('a queue keeps its order over removals from anywhere', () => {
  const { table } = bench({ maxQueueSize: 10_000 })
  for (let i = 0; i < 30; i++) table.untrack(cidOf(i), i + 1)
  const operations = Array.from({ length: 30 }, (_, i) => table.get(cidOf(i)) as Operation)
  fc.assert(fc.property(fc.array(fc.tuple(fc.constantFrom('append', 'prepend', 'take', 'remove'), fc.nat(29))), steps => {
    while (table.queues.unpins.size > 0) table.queues.unpins.take()
    const queue = new OperationQueue(9, 30)
    const model: Operation[] = []
    for (const [step, index] of steps) {
      const operation = operations[index] as Operation
      if (step === 'take') {
        assert.equal(queue.take(), model.shift())
      } else if (operation.queue !== 0) {
        queue.remove(operation)
        model.splice(model.indexOf(operation), 1)
      } else if (step !== 'remove') {
        if (step === 'append') { queue.append(operation); model.push(operation) } else { queue.prepend(operation); model.unshift(operation) }
      }
      assert.equal(queue.size, model.length)
      assert.equal(queue.first, model[0])
    }
    for (const operation of model) {
      assert.equal(operation.queue, 9)
      assert.equal(queue.take(), operation)
    }
    assert.equal(queue.take(), undefined)
  }))
})

test('the window tells the last sequence before the first open one', () => {
  const gap = fc.oneof({ weight: 9, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: fc.nat({ max: 3_000 }) })
  fc.assert(fc.property(fc.array(fc.oneof(fc.record({ gap }), fc.record({ close: fc.nat(40) })), { maxLength: 200 }), steps => {
    const window = new SequenceWindow()
    const open: number[] = []
    let last = 0
    for (const step of steps) {
      if ('gap' in step) {
        last += step.gap
        if (step.gap > 0) open.push(last)
        window.open(last)
      } else {
        const [closed] = open.splice(step.close % Math.max(1, open.length), 1)
        if (closed !== undefined) {
          assert.equal(window.isOpen(closed), true)
          window.close(closed)
          window.close(closed)
          assert.equal(window.isOpen(closed), false)
        }
      }
      assert.equal(window.handledUpTo, open.length > 0 ? Math.min(...open) - 1 : last)
    }
  }))
})

test('an operation that waits takes at most 210 bytes: 200,000 of them stay below 40 MiB', () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const usedBytes = (): number => {
    collect()
    collect()
    return process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers
  }
  const { table, clock } = bench({ maxQueueSize: 1_000_000 })
  const count = 200_000
  // What a pin is made of stays alive only as far as the table keeps it.
  const fill = (from: number, to: number): void => { for (let i = from; i < to; i++) table.track(pinOf(`queued ${i}`, clock), i + 1) }
  fill(0, 10_000)
  const before = usedBytes()
  fill(10_000, 10_000 + count)
  const each = (usedBytes() - before) / count
  assert.equal(table.size, 10_000 + count)
  assert.ok(each < 210, `${each.toFixed(0)} bytes each`)
})
