import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { listenAsAgent } from '../src/platform/jaeger/agent.fixture.ts'
import { ScratchPeer } from './endurance/scratch-peer.ts'

const cid = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy'

test('a daemon told to trace sends its requests and the work of its tracker to the agent', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'tracing-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const agent = await listenAsAgent(t)
  const peer = await ScratchPeer.make(folder)
  t.after(() => peer.close())
  await peer.start({ CLUSTER_TRACING_ENABLETRACING: 'true', CLUSTER_TRACING_JAEGERAGENTENDPOINT: agent.address, CLUSTER_TRACING_SAMPLINGPROB: '1' })
  await peer.canAllocate()
  const answer = await fetch(peer.url(`/pins/${cid}?name=secret`), { method: 'POST' })
  assert.equal(answer.status, 200)
  const request = await agent.span(`Recv.127.0.0.1:${peer.apiPort}:/pins/${cid}:POST`)
  assert.equal(request.attributes['http.status_code'], 200n)
  const pinned = await agent.span('tracker/stateless/pin')
  assert.equal(pinned.attributes.cid, cid)
  assert.notEqual(pinned.traceId, request.traceId)
  const { id } = JSON.parse(await readFile(join(peer.path, 'identity.json'), 'utf8')) as { id: string }
  assert.deepEqual([...new Set(agent.batches.map(batch => `${batch.service} ${String(batch.attributes.cluster_id)}`))], [`cluster-daemon-scratch ${id}`])
})
