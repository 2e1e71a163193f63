import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { cidFromBytes } from '../../domain/cid.ts'
import { ClusterError } from '../../domain/errors.ts'
import { defaultPinOptions } from '../../domain/pin.ts'
import { TrackerStatus } from '../../domain/status.ts'
import { virtualClock } from '../../platform/virtual-clock.ts'
import { ask, dial, eventually, type Answer, type Question } from '../running-api.fixture.ts'
import { other, otherCid, self, someCid, startRest } from './memory-operations.fixture.ts'

const origin = `/ip4/192.0.2.1/tcp/4001/p2p/${other}`

function errorOf ({ status, body }: Answer): [number, string] {
  const { code, message } = JSON.parse(body) as { code: number, message: string }
  assert.equal(code, status)
  return [status, message]
}

const lines = (answer: Answer): Array<Record<string, unknown>> => answer.body.split('\n').filter(line => line !== '').map(line => JSON.parse(line) as Record<string, unknown>)

test('a pin is made with the options of the query and answered as it was submitted', async t => {
  const { port, operations } = await startRest(t)
  const { status, body } = await ask(port, `/pins/${someCid}?name=a+b&replication-min=1&replication-max=2&meta-k=v&user-allocations=${self},bad&origins=${encodeURIComponent(origin)}&expire-at=2099-01-02T03:04:05Z`, { method: 'POST' })
  assert.equal(status, 200)
  assert.deepEqual(operations.calls, [['pin', someCid, { ...defaultPinOptions, name: 'a b', replicationFactorMin: 1, replicationFactorMax: 2, metadata: { k: 'v' }, userAllocations: [self], origins: [origin], expireAt: Date.UTC(2099, 0, 2, 3, 4, 5) }]])
  assert.deepEqual(JSON.parse(body), {
    replication_factor_min: 1, replication_factor_max: 2, name: 'a b', mode: 'recursive', shard_size: 0, user_allocations: [self], expire_at: '2099-01-02T03:04:05Z', metadata: { k: 'v' },
    pin_update: null, origins: [], cid: someCid, type: 'pin', allocations: [], max_depth: -1, reference: null, timestamp: '2026-11-24T10:00:00Z',
  })
})

test('a CID is taken in any base and answered in its own', async t => {
  const { port, operations } = await startRest(t)
  await ask(port, '/pins/BAFKREID3WNEUTGQIR3HC5EAF7AZNMRZZ3KDB7FF6HRV7MKHSFG437L2TEM', { method: 'POST' })
  assert.deepEqual(operations.calls[0]?.[1], someCid)
})

test('paths are pinned and unpinned, their roots checked', async t => {
  const { port, operations } = await startRest(t)
  operations.put(someCid)
  for (const [method, path] of [['POST', `/ipfs/${otherCid}/a%20b/c`], ['POST', '/ipns/example.org'], ['DELETE', `/ipld/${otherCid}`]] as const) {
    assert.equal((await ask(port, `/pins${path}`, { method })).status, 200, path)
  }
  assert.deepEqual(operations.calls.map(([name, path]) => [name, path]), [['pinPath', `/ipfs/${otherCid}/a b/c`], ['pinPath', '/ipns/example.org'], ['unpinPath', `/ipld/${otherCid}`], ['unpin', someCid]])
  assert.deepEqual(errorOf(await ask(port, '/pins/ipfs/notacid/x', { method: 'POST' })), [400, 'error parsing path: invalid path "/ipfs/notacid/x": invalid cid: selected encoding not supported'])
  assert.deepEqual(errorOf(await ask(port, '/pins/other/x', { method: 'POST' })), [404, 'not found'])
  assert.equal(operations.calls.length, 4)
})

test('"recover" is no CID where something is recovered, and a key type may be one', async t => {
  const { port, operations } = await startRest(t)
  assert.equal((await ask(port, '/pins/recover', { method: 'POST' })).status, 204)
  assert.deepEqual(operations.calls, [['recoverAll', false]])
  assert.deepEqual(errorOf(await ask(port, '/pins/recover')), [400, 'error decoding Cid: invalid cid: selected encoding not supported'])
  assert.deepEqual(errorOf(await ask(port, '/pins/ipfs/recover', { method: 'POST' })), [400, 'error decoding Cid: invalid cid: selected encoding not supported'])
})

test('a bad CID or option changes nothing', async t => {
  const { port, operations } = await startRest(t)
  const refused: ReadonlyArray<readonly [method: string, path: string, message: string]> = [
    ['POST', '/pins/x', 'error decoding Cid: invalid cid: cid too short'],
    ['DELETE', '/pins/notacid', 'error decoding Cid: invalid cid: selected encoding not supported'],
    ['GET', '/allocations/notacid', 'error decoding Cid: invalid cid: selected encoding not supported'],
    ['POST', `/pins/${someCid}?replication-min=x`, 'parameter replication-min invalid'],
    ['POST', `/pins/${someCid}?expire-in=1ms`, 'expire-in duration too short'],
    ['POST', `/pins/ipfs/${someCid}?shard-size=-1`, 'parameter shard_size is invalid'],
    ['DELETE', `/pins/${someCid}?replication=x`, 'parameter replication-min invalid'],
    ['GET', `/pins/${someCid}?origins=x`, 'error decoding multiaddress: failed to parse multiaddr "x": must begin with /'],
    ['POST', `/pins/${someCid}/recover?pin-update=x`, 'error decoding update option parameter: invalid cid: cid too short'],
    ['GET', '/pins?filter=nonsense', 'invalid filter value'],
    ['GET', '/pins?filter=undefined', 'invalid filter value'],
    ['GET', `/pins?cids=${someCid},x`, 'error decoding Cid: invalid cid: cid too short'],
    ['GET', '/allocations?filter=nonsense', 'invalid filter value'],
    ['GET', '/allocations?filter=bad-type', 'invalid filter value'],
  ]
  for (const [method, path, message] of refused) {
    assert.deepEqual(errorOf(await ask(port, path, { method })), [400, message], path)
  }
  assert.deepEqual(operations.calls, [])
})

test('the code of an error decides its status', async t => {
  const { port, operations } = await startRest(t)
  assert.deepEqual(errorOf(await ask(port, `/pins/${someCid}`, { method: 'DELETE' })), [404, 'pin is not part of the pinset'])
  assert.deepEqual(errorOf(await ask(port, `/allocations/${someCid}`)), [404, 'pin is not part of the pinset'])
  operations.failures.set('pin', new ClusterError('NOT_ENOUGH_PEERS', 'not enough peers'))
  assert.deepEqual(errorOf(await ask(port, `/pins/${someCid}`, { method: 'POST' })), [500, 'not enough peers'])
  operations.failures.set('pin', new ClusterError('TOO_LARGE', 'too large'))
  assert.deepEqual(errorOf(await ask(port, `/pins/${someCid}`, { method: 'POST' })), [413, 'too large'])
})

test('the pinset is listed a line a pin, by type', async t => {
  const { port, operations } = await startRest(t)
  const empty = await ask(port, '/allocations')
  assert.deepEqual([empty.status, empty.headers, empty.trailers, empty.body], [204, { 'vary': ['Origin'], 'content-type': ['application/json'], 'trailer': ['X-Stream-Error'] }, [], ''])
  operations.put(someCid, { name: '<1>' })
  operations.put(otherCid, {}, { type: 'meta-pin' })
  const all = await ask(port, '/allocations')
  assert.deepEqual([all.status, all.trailers, all.headers['trailer'], all.headers['transfer-encoding']], [200, [['X-Stream-Error', '']], ['X-Stream-Error'], ['chunked']])
  assert.match(all.body, /^\{[^\n]*"name":"\\u003c1\\u003e"[^\n]*\}\n\{[^\n]*\}\n$/)
  for (const [filter, types, cids] of [['meta-pin', ['meta-pin'], [otherCid]], ['pin,nonsense', ['pin'], [someCid]], ['shard-pin,pin', ['pin', 'shard-pin'], [someCid]], ['all', undefined, [someCid, otherCid]], ['pin,', undefined, [someCid, otherCid]]] as const) {
    operations.calls.length = 0
    assert.deepEqual(lines(await ask(port, `/allocations?filter=${filter}`)).map(({ cid }) => cid), cids)
    assert.deepEqual(operations.calls, [['pins', types]])
  }
  assert.equal((JSON.parse((await ask(port, `/allocations/${otherCid}`)).body) as { type: string }).type, 'meta-pin')
})

test('statuses are asked for one by one, in lists and for all', async t => {
  const { port, operations } = await startRest(t)
  operations.put(someCid, { name: 'x' })
  const one = await ask(port, `/pins/${someCid}`)
  assert.deepEqual(JSON.parse(one.body), {
    cid: someCid, name: 'x', allocations: [], origins: [], created: '2026-11-24T10:00:00Z', metadata: null,
    peer_map: { [self]: { peername: 'memory', status: 'pinned', timestamp: '2026-11-24T10:00:00Z', error: '', attempt_count: 0, priority_pin: false } },
  })
  await ask(port, `/pins/${someCid}?local=true`)
  await ask(port, `/pins/${someCid}?local=1`)
  await ask(port, `/pins/${someCid}/recover?local=true`, { method: 'POST' })
  await ask(port, '/pins?filter=pinned,%20queued,nonsense&local=true')
  await ask(port, '/pins')
  assert.deepEqual(operations.calls, [['status', someCid, false], ['status', someCid, true], ['status', someCid, false], ['recover', someCid, true], ['statusAll', TrackerStatus.pinned | TrackerStatus.queued, true], ['statusAll', 0, false]])
  const both = await ask(port, `/pins?filter=pin_error&cids=${someCid},${otherCid}`)
  assert.deepEqual(lines(both).map(({ cid }) => cid), [someCid, otherCid])
  assert.deepEqual(both.trailers, [['X-Stream-Error', '']])
  assert.deepEqual(lines(await ask(port, '/pins/recover?local=true', { method: 'POST' })).map(({ cid }) => cid), [someCid])
})

test('a list of statuses tells all its errors behind what could be had', async t => {
  const { port, operations } = await startRest(t)
  const status = operations.status.bind(operations)
  operations.status = async (cid, options) => {
    if (cid === otherCid) throw new ClusterError('TIMED_OUT', 'no answer')
    return status(cid, options)
  }
  const some = await ask(port, `/pins?cids=${otherCid},${someCid},${otherCid}`)
  assert.deepEqual(lines(some).map(({ cid }) => cid), [someCid])
  assert.deepEqual(some.trailers, [['X-Stream-Error', ''], ['X-Stream-Error', 'no answer'], ['X-Stream-Error', 'no answer']])
  assert.deepEqual(errorOf(await ask(port, `/pins?cids=${otherCid}`)), [500, 'no answer'])
})

test('the statuses of as many CIDs as a request has room for are asked for at the same time', async t => {
  const { port, operations } = await startRest(t)
  const cids = Array.from({ length: 130 }, (_, n) => cidFromBytes(Uint8Array.of(1, 0x55, 0x12, 0x20, ...new Uint8Array(31), n)))
  const answered = Promise.withResolvers<void>()
  const status = operations.status.bind(operations)
  let asked = 0
  operations.status = async (cid, options) => {
    if (++asked === cids.length) answered.resolve()
    await answered.promise
    return status(cid, options)
  }
  const answer = await ask(port, `/pins?cids=${cids.join(',')}`)
  assert.deepEqual(lines(answer).map(({ cid }) => cid), cids)
})

test('an error of a stream is the answer when nothing came before, else it is in the trailer', async t => {
  const { port, operations } = await startRest(t)
  operations.failures.set('statusAll', new ClusterError('IPFS_UNREACHABLE', 'no IPFS\r\nnode <é>'))
  const nothing = await ask(port, '/pins')
  assert.deepEqual(errorOf(nothing), [500, 'no IPFS\r\nnode <é>'])
  assert.deepEqual([nothing.headers['trailer'], nothing.trailers], [['X-Stream-Error'], []])
  operations.put(someCid)
  const some = await ask(port, '/pins')
  assert.deepEqual([some.status, lines(some).length], [200, 1])
  assert.deepEqual(some.trailers, [['X-Stream-Error', ''], ['X-Stream-Error', Buffer.from('no IPFS  node <é>').toString('latin1')]])
})

test('the peer and its kin tell of themselves', async t => {
  const { port, operations } = await startRest(t)
  const id = JSON.parse((await ask(port, '/id')).body) as Record<string, unknown>
  assert.deepEqual(id, { id: self, addresses: [], cluster_peers: [self], cluster_peers_addresses: [], version: '1.1.6', commit: '', rpc_protocol_version: '/ipfscluster/1.0/rpc', error: '', ipfs: { addresses: null, error: 'down' }, peername: 'memory' })
  assert.equal((await ask(port, '/version')).body, '{"version":"1.1.6"}\n')
  assert.deepEqual(lines(await ask(port, '/peers')), [id])
  assert.equal((JSON.parse((await ask(port, '/peers', { method: 'POST', body: `{"peer_id":"${other}","x":1}` })).body) as { id: string }).id, other)
  const removed = await ask(port, `/peers/${other}`, { method: 'DELETE' })
  assert.deepEqual([removed.status, removed.body], [204, ''])
  assert.deepEqual(operations.calls.filter(([name]) => name !== 'id'), [['addPeer', other], ['removePeer', other]])
  assert.deepEqual(errorOf(await ask(port, '/peers/nobody', { method: 'DELETE' }))[0], 400)
})

test('a body that is no peer is refused', async t => {
  const { port, operations } = await startRest(t)
  const post = async (body?: string): Promise<[number, string]> => errorOf(await ask(port, '/peers', { method: 'POST', ...(body !== undefined && { body }) }))
  for (const body of [undefined, '', '{', '[]', '"x"', '{"peer_id":1}', 'null x']) assert.deepEqual(await post(body), [400, 'error decoding request body'], String(body))
  for (const body of ['{}', 'null', '{"peer_id":""}', '{"peer_id":"nobody"}']) assert.deepEqual(await post(body), [400, 'error decoding peer_id'], body)
  assert.deepEqual(await post(`{"peer_id":"${'x'.repeat(70_000)}"}`), [413, 'the request body is larger than 65536 bytes'])
  assert.deepEqual(operations.calls, [])
})

test('health, metrics, alerts, graph and garbage are told in their shapes', async t => {
  const { port, operations } = await startRest(t)
  const body = async (path: string, question?: Question): Promise<unknown> => JSON.parse((await ask(port, path, question)).body)
  const health = await ask(port, '/health')
  assert.deepEqual([health.status, health.headers['content-type'], health.body], [204, ['application/json'], ''])
  assert.deepEqual(await body('/health/alerts'), [])
  assert.deepEqual(await body('/health/bandwidth'), {})
  assert.deepEqual(await body('/monitor/metrics'), [])
  assert.deepEqual(await body('/monitor/metrics/unknown'), [])
  const metric = { name: 'tag:a', peer: self, value: '7', expire: Date.UTC(2026, 10, 24, 10, 0, 0, 1), valid: true, weight: 7, partitionable: true, receivedAt: 0 }
  operations.metricList = [metric]
  operations.alertList = [{ ...metric, triggeredAt: Date.UTC(2026, 10, 24, 11) }]
  operations.bandwidths = { '/b': { totalIn: 1, totalOut: 2, rateIn: 0.5, rateOut: 0 }, '/a': { totalIn: 0, totalOut: 0, rateIn: 0, rateOut: 0 } }
  assert.deepEqual(await body('/monitor/metrics'), ['tag:a'])
  assert.match((await ask(port, '/monitor/metrics/tag:a')).body, /"expire":1795514400001000000,.*"received_at":0/)
  assert.match((await ask(port, '/health/alerts')).body, /^\[\{.*"triggered_at":"2026-11-24T11:00:00Z"\}\]\n$/)
  assert.equal((await ask(port, '/health/bandwidth')).body, '{"/a":{"total_in":0,"total_out":0,"rate_in":0,"rate_out":0},"/b":{"total_in":1,"total_out":2,"rate_in":0.5,"rate_out":0}}\n')
  assert.deepEqual(await body('/health/graph'), { cluster_id: self, id_to_peername: { [self]: 'memory' }, ipfs_links: {}, cluster_links: { [self]: [], [other]: [self] }, cluster_trust_links: { [other]: true }, cluster_to_ipfs: {} })
  assert.deepEqual(await body('/ipfs/gc?local=true', { method: 'POST' }), { peer_map: { [self]: { peer: self, peername: 'memory', keys: [{ key: someCid }] }, [other]: { peer: other, peername: '', keys: [], error: 'down' } } })
  assert.deepEqual(operations.calls, [['connectGraph'], ['collectGarbage', true]])
})

test('a token is for those who have shown who they are', async t => {
  const { port } = await startRest(t, { basicAuthCredentials: { alice: 'secret' } })
  const Authorization = `Basic ${Buffer.from('alice:secret').toString('base64')}`
  const { token } = JSON.parse((await ask(port, '/token', { method: 'POST', headers: { Authorization } })).body) as { token: string }
  const again = await ask(port, '/token', { method: 'POST', headers: { Authorization: `Bearer ${token}` } })
  assert.deepEqual(JSON.parse(again.body), { token })
  assert.equal((await ask(port, '/id', { headers: { Authorization: `bearer ${token}` } })).status, 200)
  const { port: open } = await startRest(t)
  const refused = await ask(open, '/token', { method: 'POST' })
  assert.deepEqual([errorOf(refused), refused.headers['www-authenticate']], [[401, 'unauthorized'], undefined])
})

test('the table decides between not found and method not allowed as the reference does', async t => {
  const { port } = await startRest(t)
  const known = ['/id', '/version', '/peers', '/add', '/allocations', `/allocations/${someCid}`, '/pins', `/pins/${someCid}`, '/pins/recover', '/ipfs/gc', '/health/graph', '/monitor/metrics', '/token', '/health']
  for (const method of ['HEAD', 'PUT', 'PATCH', 'OPTIONS']) for (const path of known) assert.equal((await ask(port, path, { method })).status, 405, `${method} ${path}`)
  for (const [method, path, status] of [
    ['POST', '/id', 404], ['POST', '/allocations', 404], ['GET', '/token', 404], ['GET', '/ipfs/gc', 404], ['GET', '/add', 404], ['DELETE', '/peers', 404],
    ['DELETE', '/ipfs/gc', 405], ['DELETE', '/health/graph', 405], ['POST', '/health', 405], ['GET', '/', 307], ['GET', '/api/v0/id', 404],
  ] as const) assert.equal((await ask(port, path, { method })).status, status, `${method} ${path}`)
})

test('a client that stops in the middle of a body is given up', async t => {
  const { port, operations, lines: log } = await startRest(t)
  const socket = await dial(t, port)
  socket.write('POST /peers HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"peer_id":')
  // Answered behind what came before.
  await ask(port, '/version')
  socket.destroy()
  await eventually(() => log.some(line => line.includes('POST /peers')))
  assert.deepEqual(operations.calls, [])
  assert.deepEqual(log.filter(line => line.startsWith('restapi error')), [])
})

test('a body that does not arrive is not waited for', async t => {
  const clock = virtualClock()
  const { port } = await startRest(t, {}, { clock })
  const socket = await dial(t, port)
  socket.write('POST /peers HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"peer_id":')
  await eventually(() => clock.nextAt() !== undefined)
  await clock.advance(10_000)
  const [head] = await once(socket, 'data') as [Buffer]
  assert.match(head.toString(), /^HTTP\/1\.1 400 [^]*"the request body did not arrive within 10 s"/)
  await clock.advance(500)
})
