import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseCid } from '../../domain/cid.ts'
import type { Metric } from '../../domain/metric.ts'
import type { Multiaddress, PeerId, PeerInformation } from '../../domain/peer.ts'
import { defaultPinOptions, pinWithOptions } from '../../domain/pin.ts'
import { TrackerStatus, type PeerPinStatus } from '../../domain/status.ts'
import { formatAlerts, formatBandwidth, formatCollection, formatMetrics, formatPeer, formatPin, formatStatus } from './format.ts'
import { humanSize, humanTime } from './humanize.ts'

const cid = parseCid('bafkreicx3mxcmx3eg5ct3tsv54ijv5rgz5vxg2g56q66qvnjrdhnogif5a')
const a = '12D3KooWRemBrjRS8LMURnRLqhZY7uLrG9SQzU736oxibJEbngkR' as PeerId
const b = '12D3KooWPaRDjjNcHvmR7STn7fWuPTDqUZxZ95CZqsaP5iWGooSb' as PeerId
const moment = Date.UTC(2026, 10, 24, 4, 22, 3)

const peer: PeerInformation = {
  id: a, peername: 'A', addresses: ['/ip4/2.2.2.2', '/ip4/1.1.1.1'] as Multiaddress[], clusterPeers: [a, b], clusterPeersAddresses: [], version: '', commit: '',
  rpcProtocolVersion: '', error: '', ipfs: { id: b, addresses: ['/b', '/a'] as Multiaddress[], error: '' },
}

test('a peer', () => {
  assert.equal(formatPeer(peer), `${a} | A | Sees 1 other peers\n  > Addresses:\n    - /ip4/1.1.1.1\n    - /ip4/2.2.2.2\n  > IPFS: ${b}\n    - /a\n    - /b\n`)
  assert.equal(formatPeer({ ...peer, addresses: null, ipfs: { id: undefined, addresses: null, error: 'down' } }), `${a} | A | Sees 1 other peers\n  > Addresses:\n  > IPFS ERROR: down\n`)
  assert.equal(formatPeer({ ...peer, error: 'gone' }), `${a} | ERROR: gone\n`)
})

test('a status, peers in the order of their IDs', () => {
  const info: PeerPinStatus = {
    peername: 'A', ipfsPeerId: undefined, ipfsPeerAddresses: null, status: TrackerStatus.pinned, timestamp: moment, error: '', attemptCount: 0, priorityPin: false,
  }
  const status = { cid, name: 'x', allocations: null, origins: null, created: 0, metadata: null }
  assert.equal(formatStatus({ ...status, peerMap: { [a]: { ...info, peername: 'ä' }, [b]: { ...info, peername: '', status: TrackerStatus.pinError, error: 'no block', attemptCount: 3, priorityPin: true } } }),
    `${cid} | x:\n    > ${b} : PIN_ERROR: no block | 2026-11-24T04:22:03Z | Attempts: 3 | Priority: true\n` +
    '    > ä                    : PINNED | 2026-11-24T04:22:03Z | Attempts: 0 | Priority: false\n')
  assert.equal(formatStatus({ ...status, name: '', peerMap: {} }), `${cid}:\n`)
})

test('a pin', () => {
  const pin = { ...pinWithOptions(cid, { ...defaultPinOptions, replicationFactorMin: 1, replicationFactorMax: 2 }, moment), allocations: [a, b] }
  assert.equal(formatPin(pin), `${cid} |  | PIN | Repl. Factor: 1--2 | Allocations: [${b} ${a}] | Recursive | Metadata: no | Exp: ∞ | Added: 2026-11-24 04:22:03\n`)
  assert.equal(formatPin({ ...pin, name: 'n', type: 'meta-pin', mode: 'direct', maxDepth: 0, replicationFactorMin: -1, replicationFactorMax: -1, metadata: { k: 'v' }, expireAt: moment, timestamp: 0 }),
    `${cid} | n | META-PIN-DIRECT | Repl. Factor: -1 | Allocations: [everywhere] | Direct | Metadata: yes | Exp: 2026-11-24 04:22:03 | Added: unknown\n`)
  assert.match(formatPin({ ...pin, maxDepth: 2, allocations: null }), /Allocations: \[\] \| Recursive-2 \|/)
})

test('metrics and alerts', () => {
  const metric: Metric = { name: 'freespace', peer: a, value: '10000000000001', expire: moment + 3000, valid: true, weight: 10_000_000_000_001, partitionable: false, receivedAt: moment }
  assert.equal(formatMetrics([metric, { ...metric, name: 'pinqueue', value: '4', weight: -4, expire: moment - 60_000 }], moment),
    `${a} | freespace: 10 TB | Expires in: 3 seconds from now\n${a} | pinqueue: 4 | Expires in: 1 minute ago\n`)
  assert.equal(formatAlerts([{ ...metric, name: 'ping', expire: moment - 10_000, triggeredAt: moment }], moment), `${a}: ping. Expired at: 10 seconds ago. Triggered at: now\n`)
})

test('bandwidth, the empty protocol first', () => {
  assert.equal(formatBandwidth({ '/meshsub/1.3.0': { totalIn: 33382, totalOut: 4708, rateIn: 664.246, rateOut: 0 }, '': { totalIn: 280, totalOut: 9, rateIn: 0, rateOut: 0 } }),
    '                         : In:   280 B. Out:     9 B. RateIn: 0.00B/s. RateOut: 0.00B/s\n' +
    '           /meshsub/1.3.0: In:   33 kB. Out:  4.7 kB. RateIn: 664.25B/s. RateOut: 0.00B/s\n')
})

test('garbage collection', () => {
  assert.equal(formatCollection({
    peerMap: {
      [a]: { peer: a, peername: 'A', error: '', keys: [{ cid, error: '' }, { cid: undefined, error: 'stuck' }] },
      [b]: { peer: b, peername: '', error: 'down', keys: [] },
    },
  }), `${b} | ERROR: down\n  > CIDs:\nA              \n  > CIDs:\n    - ${cid}\n    - ERROR: stuck\n`)
})

test('sizes', () => {
  for (const [bytes, text] of [[0, '0 B'], [9, '9 B'], [10, '10 B'], [999, '999 B'], [1000, '1.0 kB'], [11_934, '12 kB'], [830_602, '831 kB'], [12_500, '12 kB'], [13_500, '14 kB'], [9_999_999_177_478, '10 TB']] as const) {
    assert.equal(humanSize(bytes), text)
  }
})

test('moments', () => {
  const day = 86_400_000
  for (const [distance, text] of [[0, 'now'], [999, 'now'], [1000, '1 second from now'], [-2500, '2 seconds ago'], [90_000, '1 minute from now'], [3_599_000, '59 minutes from now'],
    [2 * 3_600_000, '2 hours from now'], [-day, '1 day ago'], [-15 * day, '2 weeks ago'], [45 * day, '1 month from now'], [400 * day, '1 year from now'], [600 * day, '2 years from now'], [-99999 * day, 'a long while ago']] as const) {
    assert.equal(humanTime(moment + distance, moment), text)
  }
})
