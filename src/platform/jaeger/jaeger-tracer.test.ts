import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { ClusterError } from '../../domain/errors.ts'
import type { Multiaddress } from '../../domain/peer.ts'
import { silentLogger } from '../logger.ts'
import { systemRandom } from '../random.ts'
import { traced, tracedItems } from '../tracer.ts'
import { virtualClock, type VirtualClock } from '../virtual-clock.ts'
import { listenAsAgent, type Agent } from './agent.fixture.ts'
import { JaegerTracer, type JaegerOptions } from './jaeger-tracer.ts'

async function withTracer (t: TestContext, options: Partial<JaegerOptions> = {}): Promise<{ agent: Agent, tracer: JaegerTracer, clock: VirtualClock }> {
  const agent = await listenAsAgent(t)
  const clock = virtualClock()
  const tracer = new JaegerTracer({
    agent: agent.address, samplingProbability: 1, service: 'cluster-daemon-here', attributes: { cluster_id: 'this peer' }, clock, random: systemRandom, logger: silentLogger, ...options,
  })
  await tracer.start()
  t.after(() => tracer.stop())
  return { agent, tracer, clock }
}

test('spans arrive with their names, times, attributes and relations', async t => {
  const { agent, tracer, clock } = await withTracer(t)
  const startedAt = clock.now()
  await traced(tracer, 'host:/pins:POST', { kind: 'server', attributes: { 'http.path': '/pins', ünï: true, part: 0.25, count: -5 } }, async () => {
    await clock.advance(1)
    await Promise.resolve()
    await traced(tracer, 'Cluster.ID', { kind: 'client' }, () => clock.advance(2.5))
    const own = tracer.span('tracker/stateless/pin', { kind: 'internal', isRoot: true })
    own.set('cid', 'Qm')
    own.end()
  })
  await tracer.stop()
  const server = await agent.span('Recv.host:/pins:POST')
  const client = await agent.span('Sent.Cluster.ID')
  const own = await agent.span('tracker/stateless/pin')
  assert.equal(agent.batches.length, 1)
  assert.equal(agent.batches[0]?.service, 'cluster-daemon-here')
  assert.deepEqual(agent.batches[0].attributes, { cluster_id: 'this peer' })
  assert.deepEqual(server.attributes, { 'http.path': '/pins', ünï: true, part: 0.25, count: -5n, 'status.code': 0n, 'status.message': '' })
  assert.deepEqual(
    [server, client].map(span => [span.startedAtMicroseconds, span.durationMicroseconds]),
    [[BigInt(startedAt * 1000), 3_500n], [BigInt(startedAt * 1000) + 1_000n, 2_500n]],
  )
  assert.equal(server.parentSpanId, 0n)
  assert.equal(client.parentSpanId, server.spanId)
  assert.equal(client.traceId, server.traceId)
  assert.notEqual(client.spanId, server.spanId)
  assert.equal(own.parentSpanId, 0n)
  assert.notEqual(own.traceId, server.traceId)
  assert.equal(own.attributes.cid, 'Qm')
})

test('a failure is seen in the span and by the caller', async t => {
  const { agent, tracer } = await withTracer(t)
  await assert.rejects(traced(tracer, 'Cluster.Peers', { kind: 'client' }, async () => { throw new ClusterError('TIMED_OUT', 'no answer') }), /no answer/)
  await tracer.stop()
  const { attributes } = await agent.span('Sent.Cluster.Peers')
  assert.deepEqual(attributes, { 'status.code': 127n, 'status.message': 'no answer', error: true })
})

test('a stream is one span, whether it is read to its end or not', async t => {
  const { agent, tracer, clock } = await withTracer(t)
  const items = async function * (): AsyncGenerator<number> {
    yield 1
    await clock.advance(7)
    yield 2
  }
  const stream = (name: string): AsyncIterable<number> => tracedItems(tracer, name, { kind: 'server' }, items)
  assert.deepEqual(await Array.fromAsync(stream('whole')), [1, 2])
  for await (const item of stream('begun')) if (item === 1) break
  await tracer.stop()
  assert.equal((await agent.span('Recv.whole')).durationMicroseconds, 7_000n)
  assert.equal((await agent.span('Recv.begun')).durationMicroseconds, 0n)
})

test('what waits is sent after a second', async t => {
  const { agent, tracer, clock } = await withTracer(t)
  tracer.span('early', { kind: 'internal' }).end()
  await clock.advance(1_000)
  await agent.span('early')
})

test('many spans go in packets that an agent takes', async t => {
  const { agent, tracer } = await withTracer(t)
  const count = 60
  for (let i = 0; i < count; i++) tracer.span(`span ${i}`, { kind: 'internal', attributes: { text: 'x'.repeat(2_000) } }).end()
  await tracer.stop()
  await agent.span(`span ${count - 1}`)
  assert.equal(agent.batches.length, 2)
  assert.deepEqual(agent.batches.flatMap(batch => batch.spans.map(span => span.name)), Array.from({ length: count }, (_, i) => `span ${i}`))
  assert.deepEqual(new Set(agent.batches.flatMap(batch => batch.spans.map(span => (span.attributes.text as string).length))), new Set([1_024]))
})

test('what comes too fast is dropped and told', async t => {
  const warnings: string[] = []
  const { agent, tracer } = await withTracer(t, { logger: { ...silentLogger, warn: (text: string | object) => { warnings.push(String(text)) } } })
  for (let i = 0; i < 5_000; i++) tracer.span('large', { kind: 'internal', attributes: { text: 'x'.repeat(10_000) } }).end()
  await tracer.stop()
  assert.match(warnings[0] ?? '', /^\d+ spans came too fast/)
  await agent.span('large')
})

test('a trace is recorded as a whole or not at all', async t => {
  const fractions = [0.3, 0.29]
  const { agent, tracer } = await withTracer(t, { samplingProbability: 0.3, random: { ...systemRandom, fraction: () => fractions.shift() ?? assert.fail('only roots are chosen') } })
  for (const name of ['not recorded', 'recorded']) {
    await traced(tracer, name, { kind: 'server' }, () => traced(tracer, `child of ${name}`, { kind: 'internal' }, async () => {}))
  }
  await tracer.stop()
  await agent.span('Recv.recorded')
  assert.deepEqual(agent.batches.flatMap(batch => batch.spans.map(span => span.name)), ['child of recorded', 'Recv.recorded'])
})

test('an agent that is none is refused, one that is not there is no trouble', async () => {
  const options = { samplingProbability: 1, service: 's', attributes: {}, clock: virtualClock(), random: systemRandom, logger: silentLogger }
  assert.throws(() => new JaegerTracer({ ...options, agent: '/ip4/127.0.0.1/tcp/1' as Multiaddress }), { code: 'INVALID_CONFIGURATION' })
  const tracer = new JaegerTracer({ ...options, agent: '/ip4/127.0.0.1/udp/1' as Multiaddress })
  await tracer.start()
  tracer.span('lost', { kind: 'internal' }).end()
  await tracer.stop()
  tracer.span('after the end', { kind: 'internal' }).end()
})
