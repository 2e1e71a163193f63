import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Multiaddress, PeerId } from '../../domain/peer.ts'
import { defaultPinOptions, pinWithOptions } from '../../domain/pin.ts'
import type { ListedStatus } from '../../tracker/tracker.ts'
import { cidOf } from '../../tracker/tracker.fixture.ts'
import { expectedInfo, expectedOf } from './expected-range.ts'

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
