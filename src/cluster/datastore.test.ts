import assert from 'node:assert/strict'
import { appendFile, mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
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

/** What an opening by the Go program leaves in a LevelDB folder. */
async function openedByGo (folder: string): Promise<void> {
  await appendFile(join(folder, 'LOG'), '=============== Nov 30, 2026 (UTC) ===============\n11:16:05.327750 db@open opening\n')
}

test('what the Go program has merged in our folder is found, also when it was stopped before it had written the heads', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'datastore-'))
  const configuration = await createConfiguration({ folder, random: systemRandom, environment: {}, datastore: 'leveldb', warn: () => {} })
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
    await openedByGo(datastoreFolder(configuration))
    const both = { count: 2, held: [first.cid, second.cid].toSorted() }
    assert.deepEqual(await found(), both)
    assert.equal(wasOpenedByGo(datastoreFolder(configuration)), false)
    assert.deepEqual(await found(), both)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

/** A peer with the section `datastore.pebble`. */
async function withPebble (t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'datastore-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const configuration = await createConfiguration({ folder, random: systemRandom, environment: {}, datastore: 'pebble', warn: () => {} })
  const open = async (): Promise<void> => { await (await openDatastore(configuration)).close() }
  /** The Go program runs with its store for a moment, so many seconds from now. */
  const useGo = async (seconds: number): Promise<void> => {
    const store = join(folder, 'pebble')
    await mkdir(store, { recursive: true })
    for (const file of ['MANIFEST-000001', 'marker.manifest.000001.MANIFEST-000001']) {
      await writeFile(join(store, file), '')
      const then = new Date(Date.now() + seconds * 1000)
      await utimes(join(store, file), then, then)
    }
  }
  return { folder, configuration, open, useGo }
}

test('a peer does not start empty beside a store of the Go program', async t => {
  const { folder, open, useGo } = await withPebble(t)
  await useGo(-60)
  await assert.rejects(open(), { code: 'INVALID_CONFIGURATION', message: /\/pebble holds a pebble datastore of the Go program, which cannot be read here\. Write .* move the folder away, then .* or only move it away/ })
  await rm(join(folder, 'pebble'), { recursive: true })
  await open()
})

test('a store that the Go program has used since the peer last ran is not passed over, one from before is', async t => {
  const { open, useGo } = await withPebble(t)
  await open()
  await useGo(-60)
  await open()
  await useGo(60)
  await assert.rejects(open(), { code: 'INVALID_CONFIGURATION', message: /cannot be read here\. It was used after .*\/leveldb\. .* move both folders away, .* or only move this one away to go on with the pins in .*\/leveldb$/ })
})

test('a LevelDB store that the Go program has left for another one is not taken for the pinset', async t => {
  const { folder, configuration, open } = await withPebble(t)
  await open()
  await openedByGo(datastoreFolder(configuration))
  await assert.rejects(open(), { code: 'INVALID_CONFIGURATION', message: /\/leveldb holds a leveldb datastore of the Go program, but service\.json has the section datastore\.pebble: move the folder away; or put the section datastore\.leveldb / })
  const other = await createConfiguration({ folder, random: systemRandom, environment: {}, datastore: 'leveldb', warn: () => {} })
  await (await openDatastore(other)).close()
})
