import assert from 'node:assert/strict'
import { appendFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { PinMessage } from '../codec/messages.ts'
import { createConfiguration } from '../config/create.ts'
import { CrdtConsensus } from '../consensus/crdt/crdt-consensus.ts'
import { peerOf, pinOf } from '../consensus/crdt/crdt-peers.fixture.ts'
import { keyOfPin } from '../consensus/crdt/pin-values.ts'
import type { Pin } from '../domain/pin.ts'
import { systemClock } from '../platform/clock.ts'
import { silentLoggers } from '../platform/logger.ts'
import { wasOpenedByGo } from '../platform/leveldb-opener.ts'
import { noMetrics } from '../platform/metrics.ts'
import { systemRandom } from '../platform/random.ts'
import type { Store } from '../platform/store.ts'
import { datastoreFolder, openDatastore } from './datastore.ts'

const self = peerOf(0)

async function started (store: Store): Promise<CrdtConsensus> {
  const platform = { clock: systemClock, random: systemRandom, loggers: silentLoggers, metrics: noMetrics }
  const consensus = new CrdtConsensus({ self, store, codec: PinMessage, datastoreNamespace: '/c', trustedPeers: [], batching: { maxSize: 0, maxAgeMs: 0 }, members: () => [], platform })
  await consensus.start()
  return consensus
}

test('what the Go program has merged in our folder is found, also when it was stopped before it had written the heads', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'datastore-'))
  const configuration = await createConfiguration({ folder, random: systemRandom, environment: {}, warn: () => {} })
  const [first, second] = [1, 2].map(n => pinOf(n, { allocations: [self], replicationFactorMin: 1, replicationFactorMax: 1 })) as [Pin, Pin]
  const found = async (): Promise<unknown> => {
    const consensus = await started(await openDatastore(configuration))
    const held = (await Array.fromAsync(consensus.pinset().allocatedTo(self, {}))).flat()
    const count = consensus.pinset().count()
    await consensus.stop()
    return { count, held: held.toSorted() }
  }
  try {
    const before = await started(await openDatastore(configuration))
    await before.logPin(first)
    await before.stop()
    assert.deepEqual(await found(), { count: 1, held: [first.cid] })

    const theirs = await openDatastore(configuration)
    await theirs.batch([{ type: 'put', key: `/c/s/k${keyOfPin(second)}/v`, value: PinMessage.encodeProtobuf(second) }, { type: 'put', key: `/c/s/k${keyOfPin(second)}/p`, value: Uint8Array.of(3) }], { sync: true })
    await theirs.close()
    await appendFile(join(datastoreFolder(configuration), 'LOG'), '=============== Nov 30, 2026 (UTC) ===============\n11:16:05.327750 db@open opening\n')
    const both = { count: 2, held: [first.cid, second.cid].toSorted() }
    assert.deepEqual(await found(), both)
    assert.equal(wasOpenedByGo(datastoreFolder(configuration)), false)
    assert.deepEqual(await found(), both)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
