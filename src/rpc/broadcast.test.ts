import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ClusterError } from '../domain/errors.ts'
import type { PeerId } from '../domain/peer.ts'
import { sleep } from '../platform/clock.ts'
import { virtualClock } from '../platform/virtual-clock.ts'
import { broadcast } from './broadcast.ts'
import { peerOf } from './rpc.fixture.ts'

const [first, second, third, fourth] = [peerOf(1), peerOf(2), peerOf(3), peerOf(4)] as const

test('partial answers are kept, in the order of the peers; who does not trust us is left out', async () => {
  const clock = virtualClock()
  const asked = broadcast([first, second, third, fourth], async peer => {
    if (peer === first) await sleep(clock, 1000)
    if (peer === second) throw new ClusterError('PEER_UNREACHABLE', 'failed to dial')
    if (peer === third) throw new ClusterError('NOT_AUTHORIZED', 'no')
    return peer.length
  }, { clock })
  await clock.advance(1000)
  const answers = await asked
  assert.deepEqual(answers.map(({ peer, value, error }) => [peer, value ?? error?.code]), [[first, first.length], [second, 'PEER_UNREACHABLE'], [fourth, fourth.length]])
})

test('each peer has its own time, also one that does not hear the signal', async () => {
  const clock = virtualClock()
  const signals: AbortSignal[] = []
  const asked = broadcast([first, second], async (peer, { signal }) => {
    signals.push(signal)
    return peer === first ? new Promise<string>(() => {}) : 'here'
  }, { clock, timeoutMs: 3000 })
  await clock.advance(3000)
  assert.deepEqual((await asked).map(({ value, error }) => value ?? error?.message), [`peer ${first} did not answer within 3 seconds`, 'here'])
  assert.deepEqual(signals.map(signal => signal.aborted), [true, false])
  assert.equal(clock.nextAt(), undefined)
})

test('no more peers are asked at a time than was said', async () => {
  const clock = virtualClock()
  const peers: PeerId[] = Array.from({ length: 20 }, (_, number) => peerOf(number))
  let running = 0
  let most = 0
  const asked = broadcast(peers, async () => {
    most = Math.max(most, ++running)
    await sleep(clock, 100)
    running--
  }, { clock, concurrency: 6 })
  await clock.advance(400)
  assert.equal((await asked).length, 20)
  assert.equal(most, 6)
})

test('cancelling ends all of it', async () => {
  const clock = virtualClock()
  const controller = new AbortController()
  let cancelled = 0
  const asked = broadcast([first, second], (_, { signal }) => new Promise<void>(() => { signal.addEventListener('abort', () => { cancelled++ }) }), { clock, signal: controller.signal })
  controller.abort(new Error('enough'))
  await assert.rejects(asked, { message: 'enough' })
  assert.equal(cancelled, 2)
  assert.equal(clock.nextAt(), undefined)
})
