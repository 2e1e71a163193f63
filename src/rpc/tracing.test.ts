import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ClusterError } from '../domain/errors.ts'
import { systemClock } from '../platform/clock.ts'
import type { Tracer } from '../platform/tracer.ts'
import { cidOf, peerOf, pinInfoOf, twoPeers } from './rpc.fixture.ts'

/** Writes down each span that has ended. */
class MemoryTracer implements Tracer {
  readonly ended: string[] = []

  span (name: string, { kind, attributes }: Parameters<Tracer['span']>[1]): ReturnType<Tracer['span']> {
    return {
      within: work => work(),
      set: () => {},
      end: error => { this.ended.push(`${kind} ${name} ${attributes?.peer === peerOf(2) ? 'to' : 'from'} the other${error === undefined ? '' : `: ${String(error)}`}`) },
    }
  }
}

test('a call is a span at both of its ends, with its failure', async () => {
  const tracer = new MemoryTracer()
  const { calls, service, stop } = await twoPeers(systemClock, { tracer })
  await calls.status(peerOf(2), cidOf(1), {})
  service.statuses = [[pinInfoOf(1, peerOf(2))], [pinInfoOf(2, peerOf(2))]]
  await Array.fromAsync(calls.statusAll(peerOf(2), 0, {}))
  assert.deepEqual(tracer.ended.splice(0).toSorted(), [
    'client PinTracker.Status to the other', 'client PinTracker.StatusAll to the other', 'server PinTracker.Status from the other', 'server PinTracker.StatusAll from the other',
  ])
  service.failure = new ClusterError('NOT_FOUND', 'not here')
  await assert.rejects(calls.status(peerOf(2), cidOf(1), {}))
  assert.deepEqual(tracer.ended.toSorted().map(line => line.replace(/the other: .*not here$/, 'the other: not here')), ['client PinTracker.Status to the other: not here', 'server PinTracker.Status from the other: not here'])
  await stop()
})
