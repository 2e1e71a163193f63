import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PinMessage } from '../../codec/messages.ts'
import { systemClock } from '../../platform/clock.ts'
import { silentLogger, type Logger } from '../../platform/logger.ts'
import { memoryStore } from '../../platform/memory-store.ts'
import { noMetrics } from '../../platform/metrics.ts'
import { systemRandom } from '../../platform/random.ts'
import { CrdtConsensus } from './crdt-consensus.ts'
import { peerOf, pinOf } from './crdt-peers.fixture.ts'
import { markReplicaDirty } from './replica-state.ts'
import { scanTeller } from './scan-teller.ts'

/** What is told; figures as they are. */
function listening (): { readonly logger: Logger, readonly told: unknown[] } {
  const told: unknown[] = []
  return { told, logger: { ...silentLogger, info: (fields: object | string) => { told.push(typeof fields === 'string' ? fields.slice(0, 42) : fields) } } }
}

const begun = 'the indexes of the pinset are made anew, a'

test('an operator is told that indexes are made anew, once a million pins', () => {
  const { logger, told } = listening()
  const tell = scanTeller(logger)
  for (const pins of [0, 5_000, 999_999, 1_002_000, 1_900_000, 2_002_001]) tell(pins)
  assert.deepEqual(told, [begun, { pins: 1_002_000 }, { pins: 2_002_001 }])
})

test('that is for a folder that another program may have changed, not for a new one nor for our own', async () => {
  const store = memoryStore()
  store.close = async () => {}
  const start = async (): Promise<unknown[]> => {
    const { logger, told } = listening()
    const platform = { clock: systemClock, random: systemRandom, loggers: { component: () => logger }, metrics: noMetrics }
    const consensus = new CrdtConsensus({ self: peerOf(0), store, codec: PinMessage, datastoreNamespace: '/c', trustedPeers: ['*'], batching: { maxSize: 0, maxAgeMs: 0 }, members: () => [], platform })
    await consensus.start()
    await consensus.logPin(pinOf(1))
    await consensus.stop()
    return told
  }
  assert.deepEqual([await start(), await start()], [[], []])
  await markReplicaDirty(store, '/c')
  assert.deepEqual(await start(), [begun])
})
