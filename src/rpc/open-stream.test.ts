import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ClusterError } from '../domain/errors.ts'
import type { Network, PeerStream } from '../platform/network.ts'
import { virtualClock } from '../platform/virtual-clock.ts'
import { openStream } from './open-stream.ts'
import { peerOf } from './rpc.fixture.ts'

test('a stream that is there too late is reset, whoever has given up', async () => {
  for (const isOfCaller of [false, true]) {
    const clock = virtualClock()
    const dialled = Promise.withResolvers<PeerStream>()
    let asked: AbortSignal | undefined
    const network = { open: (_peer, _protocol, { signal }) => { asked = signal; return dialled.promise } } satisfies Partial<Network>
    const opening = new AbortController()
    const opened = openStream({ network: network as unknown as Network, clock, peer: peerOf(1), protocol: '/x', opening, timeoutMs: 1_000, late: () => new ClusterError('TIMED_OUT', 'late') })
    await clock.advance(999)
    assert.equal(asked?.aborted, false)
    if (isOfCaller) opening.abort(new ClusterError('CANCELLED', 'enough'))
    else await clock.advance(1)
    assert.equal(asked?.aborted, true)
    let isReset = false
    dialled.resolve({ reset: () => { isReset = true } } as PeerStream)
    await assert.rejects(opened, { code: isOfCaller ? 'CANCELLED' : 'TIMED_OUT' })
    assert.deepEqual([isReset, clock.nextAt()], [true, undefined])
  }
})
