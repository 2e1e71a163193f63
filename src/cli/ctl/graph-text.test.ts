import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { ConnectGraph, PeerId } from '../../domain/peer.ts'
import { graphText } from './graph-text.ts'

const projectRoot = fileURLToPath(new URL('../../..', import.meta.url))
const golden = resolve(projectRoot, process.env.FLOTILLA_GOLDEN ?? '../shared/golden', 'cli')

const a = '12D3KooWRemBrjRS8LMURnRLqhZY7uLrG9SQzU736oxibJEbngkR' as PeerId
const b = '12D3KooWPaRDjjNcHvmR7STn7fWuPTDqUZxZ95CZqsaP5iWGooSb' as PeerId
const ipfsA = '12D3KooWGLgDqDdBw6DUnQSK18BnoLLDTAM9ruu3nkjaHxuDcUSw' as PeerId
const ipfsB = '12D3KooWQE3CWA3MJ1YhrYNP8EE3JErGbrCtpKRkFrWgi45nYAMn' as PeerId
const stranger = '12D3KooWMx586rr9xRPAYM55qtBhXmXyGzpfT6tixFvFdVaR797N' as PeerId

const graph: ConnectGraph = {
  clusterId: a,
  idToPeername: { [a]: 'A', [b]: 'B' },
  ipfsLinks: { [ipfsA]: [], [ipfsB]: [] },
  clusterLinks: { [a]: [b], [b]: [a] },
  clusterTrustLinks: { [a]: true, [b]: true },
  clusterToIpfs: { [a]: ipfsA, [b]: ipfsB },
}

for (const name of ['ctl-health-graph', 'ctl-health-graph-all']) {
  const file = resolve(golden, `${name}.json`)
  test(`the graph of ${name}`, { skip: existsSync(file) ? false : 'no recordings (FLOTILLA_GOLDEN)' }, () => {
    const { stdout } = JSON.parse(readFileSync(file, 'utf8')) as { stdout: string }
    assert.equal(graphText(graph, { allIpfsPeers: name.endsWith('-all') }), stdout)
  })
}

test('IPFS nodes outside of the cluster are only shown when asked for', () => {
  const linked = { ...graph, ipfsLinks: { [ipfsA]: [ipfsB, stranger], [ipfsB]: null } }
  const some = graphText(linked, { allIpfsPeers: false })
  assert.ok(some.includes('I0 -> I1') && !some.includes(stranger))
  const all = graphText(linked, { allIpfsPeers: true })
  // In the order of the peer IDs the stranger stands between the two.
  assert.ok(all.includes('I1 [label=< <B> IPFS </B> <BR/> <B> 12*aR797N </B> >') && all.includes('I0 -> I2\nI0 -> I1'))
})

test('a peer without an IPFS node, one that is not trusted, and one that is not in the graph', () => {
  const text = graphText({ ...graph, clusterTrustLinks: {}, clusterToIpfs: { [a]: ipfsA }, ipfsLinks: { [ipfsA]: [] }, clusterLinks: { [a]: [b, stranger], [b]: [] } }, { allIpfsPeers: false })
  assert.match(text, /C0 \[label=< <B> B <\/B> .* color="darkorange3"/)
  assert.match(text, /I1 \[label=< <B> IPFS <\/B> <BR\/> <B> Errored <\/B> > .* color="firebrick1"/)
  assert.ok(text.includes('C0 -> I1 [ style="dotted" ]'))
  assert.equal(text.match(/C1 -> /g)?.length, 2)
})
