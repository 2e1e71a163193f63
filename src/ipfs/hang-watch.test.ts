import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ClusterError } from '../domain/errors.ts'
import type { IpfsId } from '../domain/peer.ts'
import { virtualClock } from '../platform/virtual-clock.ts'
import { HangWatch } from './hang-watch.ts'

const known: IpfsId = { id: undefined, addresses: null, error: '' }

/** A watch over a node that answers the question who it is with `answer`. */
function watched (answer: (signal: AbortSignal | undefined) => Promise<IpfsId>) {
  const clock = virtualClock()
  const world = { clock, questions: 0, signals: [] as Array<AbortSignal | undefined>, hung: [] as string[] }
  const watch = new HangWatch({
    clock,
    ipfs: {
      id (options) {
        world.questions++
        world.signals.push(options?.signal)
        return answer(options?.signal)
      },
    },
    onHung: error => { world.hung.push(`${error.code} ${error.message}`) },
  })
  return { ...world, world, watch }
}

const silent = (): Promise<IpfsId> => new Promise(() => {})

test('a node that says nothing at all hangs, which is told once', async () => {
  const { clock, world, hung } = watched(silent)
  await clock.advance(24_999)
  assert.deepEqual(hung, [])
  await clock.advance(1)
  assert.deepEqual(hung, ['IPFS_UNREACHABLE the IPFS node does not answer: nothing came for 25 s, and it did not say who it is either'])
  assert.equal(world.signals[0]?.aborted, true, 'nobody waits for its answer any more')
  await clock.advance(3_600_000)
  assert.equal(hung.length, 1)
})

test('a node that is busy with the stream and answers is left at it', async () => {
  const { clock, world, hung, watch } = watched(async () => known)
  await clock.advance(3_600_000)
  assert.deepEqual(hung, [])
  assert.ok(world.questions > 100, 'it is asked again and again')
  watch.stop()
})

test('a node that sends is not asked', async () => {
  const { clock, world, hung, watch } = watched(silent)
  for (let s = 0; s < 60; s++) {
    await clock.advance(1_000)
    watch.heard()
  }
  assert.equal(world.questions, 0)
  await clock.advance(12_000)
  watch.heard()
  await clock.advance(15_000)
  assert.deepEqual(hung, [], 'what comes while it is asked shows that it lives')
  watch.stop()
})

test('a node that refuses to say who it is lives; one that is gone does not', async () => {
  const refusing = watched(async () => { throw new ClusterError('IPFS_ANSWER', 'not for you') })
  await refusing.clock.advance(600_000)
  assert.deepEqual(refusing.hung, [])
  refusing.watch.stop()
  const gone = watched(async () => { throw new ClusterError('IPFS_UNREACHABLE', 'connection refused') })
  await gone.clock.advance(10_000)
  assert.deepEqual(gone.hung, ['IPFS_UNREACHABLE connection refused'])
})

test('nothing is asked or told after the end', async () => {
  const before = watched(silent)
  before.watch.stop()
  const during = watched(silent)
  await during.clock.advance(11_000)
  during.watch.stop()
  await Promise.all([before.clock.advance(60_000), during.clock.advance(60_000)])
  assert.equal(before.world.questions, 0)
  assert.deepEqual([...before.hung, ...during.hung], [])
  assert.equal(during.world.signals[0]?.aborted, true)
})
