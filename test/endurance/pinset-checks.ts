import assert from 'node:assert/strict'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PinMessage } from '../../src/codec/messages.ts'
import { CrdtConsensus } from '../../src/consensus/crdt/crdt-consensus.ts'
import type { PeerId } from '../../src/domain/peer.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { openLevelDbStore } from '../../src/platform/leveldb-store.ts'
import { silentLoggers } from '../../src/platform/logger.ts'
import { noMetrics } from '../../src/platform/metrics.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { seenOf, type PinJson, type Seen } from './pin-clients.ts'
import type { ScratchPeer } from './scratch-peer.ts'

/** The pinset as the API lists it. */
export async function listPinset (peer: ScratchPeer): Promise<PinJson[]> {
  const response = await fetch(peer.url('/allocations'))
  const text = await response.text()
  // An empty list is answered without content.
  assert.ok(response.status === 200 || response.status === 204, text)
  return text.split('\n').filter(line => line !== '').map(line => JSON.parse(line) as PinJson)
}

export function seenByCid (pins: readonly PinJson[]): Map<string, Seen> {
  return new Map(pins.map(pin => [pin.cid, seenOf(pin)]))
}

/** The kept count, as the metric tells it. */
export async function pinCount (peer: ScratchPeer): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${peer.metricsPort}/metrics`)).text()
  return Number(/^ipfscluster_pins (\d+)$/m.exec(text)?.[1] ?? NaN)
}

/** CIDs that the IPFS node beside the peer has pinned. */
export async function pinnedOnIpfs (peer: ScratchPeer): Promise<string[]> {
  const response = await fetch(`http://127.0.0.1:${peer.ipfsPort}/api/v0/pin/ls?stream=true`, { method: 'POST' })
  return (await response.text()).split('\n').filter(line => line !== '').map(line => (JSON.parse(line) as { Cid: string }).Cid).toSorted()
}

/**
 * Opens a copy of the datastore as a start after the kill would, and compares what is kept beside
 * the pins with the pins: count and index by allocation.
 */
export async function checkDatastore (folder: string, self: PeerId): Promise<void> {
  const copy = await mkdtemp(join(tmpdir(), 'datastore-'))
  try {
    await cp(folder, copy, { recursive: true })
    const consensus = new CrdtConsensus({
      self,
      store: await openLevelDbStore(copy),
      codec: PinMessage,
      datastoreNamespace: '/c',
      trustedPeers: ['*'],
      batching: { maxSize: 0, maxAgeMs: 0 },
      members: () => [],
      platform: { clock: systemClock, random: systemRandom, loggers: silentLoggers, metrics: noMetrics },
    })
    await consensus.start()
    try {
      const agree = async (when: string): Promise<void> => {
        const pins = (await Array.fromAsync(consensus.pinset().list({}))).flat()
        const indexed = (await Array.fromAsync(consensus.pinset().allocatedTo(self, {}))).flat()
        assert.deepEqual(indexed, pins.filter(pin => pin.allocations?.includes(self)).map(pin => pin.cid), `${when}, the index by allocation is that of the pins`)
      }
      await agree('with changes in the journal')
      await consensus.settled()
      await agree('with all changes in deltas')
      const pins = (await Array.fromAsync(consensus.pinset().list({}))).flat()
      assert.equal(consensus.pinset().count(), pins.length, 'the kept count is that of the pins')
    } finally {
      await consensus.stop()
    }
  } finally {
    await rm(copy, { recursive: true, force: true })
  }
}
