import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import type { Consensus } from '../../consensus/consensus.ts'
import { cidFromBytes } from '../../domain/cid.ts'
import { ClusterError } from '../../domain/errors.ts'
import type { PeerId } from '../../domain/peer.ts'
import { defaultPinOptions, pinWithOptions, type Pin } from '../../domain/pin.ts'
import { statusName, TrackerStatus } from '../../domain/status.ts'
import { virtualClock } from '../../platform/virtual-clock.ts'
import { infoOfPin } from '../../tracker/pin-info.ts'
import { statusOfAllPeers, type StatusParts } from './status.ts'

const [self, holder, other, gone] = ['self', 'holder', 'other', 'gone'] as const as readonly [PeerId, PeerId, PeerId, PeerId]
const cid = cidFromBytes(Uint8Array.of(1, 0x55, 0x12, 0x20, ...createHash('sha256').update('x').digest()))
const identity = { peername: 'told', ipfsPeerId: undefined, ipfsPeerAddresses: null }

/** What each peer is said to have of a pin with these holders; `gone` is no member and answers nobody. */
async function statuses (allocations: readonly PeerId[] | null | undefined, { followerMode = false, signal = new AbortController().signal } = {}): Promise<Record<string, string>> {
  const clock = virtualClock()
  const pin: Pin = { ...pinWithOptions(cid, { ...defaultPinOptions, replicationFactorMin: 1, replicationFactorMax: 3 }, clock.now()), allocations: allocations ?? null }
  const consensus = { pinset: () => ({ get: async () => allocations === undefined ? undefined : pin }), peers: async () => [self, holder, other] } as unknown as Consensus
  const parts: StatusParts = { self, consensus, clock, followerMode, lastKnown: peer => ({ ...identity, peername: `known ${peer}` }) }
  const answer = statusOfAllPeers(parts, cid, async (peer, options) => {
    if (peer === gone) await new Promise((_resolve, reject) => { options.signal?.addEventListener('abort', () => { reject(options.signal?.reason as Error) }) })
    if (peer === other) throw new ClusterError('NOT_AUTHORIZED', 'it does not trust this one')
    return infoOfPin(pin, TrackerStatus.pinned, '', peer, identity)
  }, { signal })
  answer.catch(() => {})
  await clock.advance(15_000)
  return Object.fromEntries(Object.entries((await answer).peerMap).map(([peer, { status, peername }]) => [peer, `${statusName(status)} ${peername}`]))
}

test('holders are asked, members or not, all others are remote, and who refuses is left out', async () => {
  assert.deepEqual(await statuses([holder, gone]), { self: 'remote known self', other: 'remote known other', holder: 'pinned told', gone: 'cluster_error known gone' })
  assert.deepEqual(await statuses([self, other]), { self: 'pinned told', holder: 'remote known holder' })
})

test('a pin that is everywhere is asked of all members', async () => {
  for (const nobody of [[], null]) assert.deepEqual(await statuses(nobody), { self: 'pinned told', holder: 'pinned told' })
})

test('of what is in no pinset nobody is asked', async () => {
  assert.deepEqual(await statuses(undefined), { self: 'unpinned known self', holder: 'unpinned known holder', other: 'unpinned known other' })
})

test('a follower tells of itself alone', async () => {
  assert.deepEqual(await statuses([holder, gone], { followerMode: true }), { self: 'pinned told' })
  assert.deepEqual(await statuses(undefined, { followerMode: true }), { self: 'unpinned known self' })
})

test('nobody is in error because whoever asked has gone away', async () => {
  await assert.rejects(statuses([holder, gone], { signal: AbortSignal.abort(new Error('gone away')) }), { message: 'gone away' })
})
