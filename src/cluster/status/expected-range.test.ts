import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Multiaddress, PeerId } from '../../domain/peer.ts'
import { defaultPinOptions, pinWithOptions } from '../../domain/pin.ts'
import type { ListedStatus } from '../../tracker/tracker.ts'
import { cidOf } from '../../tracker/tracker.fixture.ts'
import { expectedInfo, expectedOf } from './expected-range.ts'
import { digestOfPins, isSameDigest } from './range-digest.ts'

const addresses = ['/ip4/192.0.2.1/tcp/1'] as Multiaddress[]
const identity = { peername: 'a', ipfsPeerId: 'node' as PeerId, ipfsPeerAddresses: addresses }

function listed (n: number, changes: Partial<ListedStatus> = {}): ListedStatus {
  const pin = pinWithOptions(cidOf(n), defaultPinOptions, 1_000)
  return { cid: pin.cid, info: expectedInfo(pin, { peer: 'peer' as PeerId, ...identity }), pin, value: Uint8Array.of(n), isExpected: true, identity, ...changes }
}

test('statuses go together as long as each is expected and the node is the same', () => {
  const same = [listed(1), listed(2), listed(3, { identity: { ...identity } })]
  assert.equal(expectedOf(same), same)
  assert.equal(expectedOf([]), undefined)
  for (const changes of [{ isExpected: false }, { value: undefined }, { identity: { ...identity, ipfsPeerId: 'other' as PeerId } }, { identity: { ...identity, ipfsPeerAddresses: null } }]) {
    assert.equal(expectedOf([listed(1), listed(2, changes), listed(3)]), undefined)
  }
})

test('a digest tells pins apart, and one that is not known is the same as none', () => {
  const [one, two] = [digestOfPins([listed(1), listed(2)]), digestOfPins([listed(2), listed(1)])]
  assert.equal(isSameDigest(one, digestOfPins([listed(1), listed(2)])), true)
  assert.equal(isSameDigest(one, two), false)
  const unknown = digestOfPins([listed(1), listed(2, { value: undefined })])
  assert.deepEqual([isSameDigest(unknown, unknown), isSameDigest(unknown, one), isSameDigest(one, unknown)], [false, false, false])
  const withStray = digestOfPins([listed(1), listed(3, { value: undefined, pin: undefined }), listed(2)])
  assert.equal(isSameDigest(withStray, one), true, 'what is in no pinset is not compared')
})
