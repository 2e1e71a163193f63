import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { cidFromBytes, parseCid } from '../../domain/cid.ts'
import { peerIdFromBytes } from '../../domain/peer-id.ts'
import type { PeerId } from '../../domain/peer.ts'
import { Responsibility } from './responsibility.ts'

const members = ['12D3KooWGRUVh6gLyjqFQgVNVFNP2xhYDxtTGGaDH2tW6cAkYvNp', '12D3KooWQE3CWA3MJ1YhrYNP8EE3JErGbrCtpKRkFrWgi45nYAMn', '12D3KooWPShxp4d8Aa7PRGUzPgdMMRkLdNjyVaMgGWHc2k8kLHhh'] as PeerId[]

/** By a program in Go over the reference's own rule: which of the three is nearest. */
const nearest: ReadonlyArray<readonly [string, number]> = [
  ['QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o', 2],
  ['bafkreid3wneutgqir3hc5eaf7aznmrzz3kdb7ff6hrv7mkhsfg437l2tem', 1],
  ['bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy', 0],
  ['bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi', 2],
  ['QmdfTbBqBPQ7VNxZEYEj14VmRuZBkqFbiwReogJgS1zR1n', 0],
  ['bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku', 0],
]

test('the nearest peer is that of the reference', () => {
  for (const [cid, index] of nearest) {
    for (const self of members) {
      const responsibility = new Responsibility(self)
      assert.equal(responsibility.nearest(parseCid(cid), members), members[index])
      assert.equal(responsibility.isMine(parseCid(cid), members), self === members[index])
    }
  }
})

test('all peers agree on the order, and without the first the second acts', () => {
  const peer = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(key => peerIdFromBytes(Buffer.concat([Buffer.from([0, 36, 8, 1, 0x12, 32]), key])))
  const cid = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(digest => cidFromBytes(Buffer.concat([Buffer.from([1, 0x55, 0x12, 0x20]), digest])))
  fc.assert(fc.property(fc.uniqueArray(peer, { minLength: 2, maxLength: 8 }), cid, (peers, cid) => {
    const ranked = peers.toSorted((a, b) => new Responsibility(a).rank(cid, peers) - new Responsibility(b).rank(cid, peers))
    assert.deepEqual(ranked.map(self => new Responsibility(self).rank(cid, peers)), ranked.map((_, rank) => rank))
    const [first, second] = ranked as [PeerId, PeerId]
    for (const self of peers) assert.equal(new Responsibility(self).nearest(cid, peers), first)
    assert.equal(new Responsibility(second).nearest(cid, peers.filter(one => one !== first)), second)
    assert.equal(new Responsibility(second).isMine(cid, peers.filter(one => one !== first)), true)
  }))
})

test('a peer that is alone does everything', () => {
  const responsibility = new Responsibility(members[0] as PeerId)
  for (const [cid] of nearest) assert.ok(responsibility.isMine(parseCid(cid), []))
})
