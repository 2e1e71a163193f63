import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Consensus } from '../consensus/consensus.ts'
import { ClusterError } from '../domain/errors.ts'
import type { PeerId } from '../domain/peer.ts'
import { virtualClock } from '../platform/virtual-clock.ts'
import { connectGraph } from './connect-graph.ts'

const [self, quiet, bare, dead] = ['self', 'quiet', 'bare', 'dead'] as const as readonly [PeerId, PeerId, PeerId, PeerId]
const nodeOf = (peer: PeerId): PeerId => `node of ${peer}` as PeerId

test('a node that has no links to tell is there, a peer without a node has none, one that does not answer has nothing but its place', async () => {
  const clock = virtualClock()
  const consensus = { peers: async () => [self, quiet, bare, dead], isTrusted: (peer: PeerId) => peer === self } as Partial<Consensus> as Consensus
  const graph = connectGraph({
    self, consensus, clock,
    linksOf: async peer => {
      if (peer === dead) await new Promise(() => {})
      return { peername: `name of ${peer}`, ipfsPeerId: peer === bare ? undefined : nodeOf(peer), connected: [self, quiet].filter(other => other !== peer) }
    },
    swarmOf: async peer => {
      if (peer === quiet) throw new ClusterError('IPFS_ANSWER', 'this action must be run in online mode')
      return [nodeOf(quiet)]
    },
  }, {})
  await clock.advance(30_000)
  assert.deepEqual(await graph, {
    clusterId: self,
    idToPeername: { self: 'name of self', quiet: 'name of quiet', bare: 'name of bare' },
    clusterLinks: { self: [quiet], quiet: [self], bare: [self, quiet], dead: [] },
    clusterTrustLinks: { self: true, quiet: false, bare: false, dead: false },
    clusterToIpfs: { self: nodeOf(self), quiet: nodeOf(quiet) },
    ipfsLinks: { [nodeOf(self)]: [nodeOf(quiet)], [nodeOf(quiet)]: null },
  })
})
