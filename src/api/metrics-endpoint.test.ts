import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { request, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { Multiaddress } from '../domain/peer.ts'
import { systemClock } from '../platform/clock.ts'
import type { Platform } from '../platform/lifecycle.ts'
import { silentLogger } from '../platform/logger.ts'
import { noMetrics } from '../platform/metrics.ts'
import { prometheusMetrics, type PrometheusMetrics } from '../platform/prometheus-metrics.ts'
import { systemRandom } from '../platform/random.ts'
import { MetricsEndpoint } from './metrics-endpoint.ts'

const running = new AbortController().signal

async function withEndpoint (t: TestContext, { address = '/ip4/127.0.0.1/tcp/0', metrics }: { address?: string, metrics?: PrometheusMetrics } = {}) {
  const errors: string[] = []
  const platform: Platform = {
    clock: systemClock,
    random: systemRandom,
    metrics: noMetrics,
    loggers: { component: () => ({ ...silentLogger, error: (first: object | string, text?: string) => { errors.push(text ?? String(first)) } }) },
  }
  const endpoint = new MetricsEndpoint({ address: address as Multiaddress, metrics: metrics ?? await prometheusMetrics(), platform })
  t.after(() => endpoint.stop())
  return { endpoint, errors }
}

interface Answer { readonly status: number | undefined, readonly headers: IncomingMessage['headers'], readonly text: string }

function ask (address: Multiaddress | undefined, { method = 'GET', path = '/metrics' } = {}): Promise<Answer> {
  const [, kind, host, , port] = (address ?? '').split('/')
  const target = kind === 'unix' ? { socketPath: (address ?? '').replace('/unix', '') } : { host: host ?? '', port: port ?? '' }
  return new Promise((resolve, reject) => {
    request({ ...target, method, path, agent: false }, response => {
      let text = ''
      response.setEncoding('utf8').on('data', (piece: string) => { text += piece }).on('error', reject)
      response.on('end', () => { resolve({ status: response.statusCode, headers: response.headers, text }) })
    }).on('error', reject).end()
  })
}

test('figures are served in the text form, as they are at the moment', async t => {
  const metrics = await prometheusMetrics()
  let pins = 3
  metrics.gauge('ipfscluster_pins', 'Total number of pins', () => pins)
  const added = metrics.counter('ipfscluster_blocks_added', 'Total number of blocks added')
  const { endpoint } = await withEndpoint(t, { metrics })
  await endpoint.start(running)
  const first = await ask(endpoint.address)
  assert.equal(first.status, 200)
  assert.equal(first.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8')
  assert.match(first.text, /^# HELP ipfscluster_pins Total number of pins\n# TYPE ipfscluster_pins gauge\nipfscluster_pins 3$/m)
  assert.match(first.text, /^# TYPE ipfscluster_blocks_added counter\nipfscluster_blocks_added 0$/m)
  assert.match(first.text, /^process_resident_memory_bytes \d+$/m)
  pins = 4
  added.add(7)
  const second = await ask(endpoint.address, { path: '/metrics?name[]=x' })
  assert.match(second.text, /^ipfscluster_pins 4$/m)
  assert.match(second.text, /^ipfscluster_blocks_added 7$/m)
})

test('HEAD has the headers alone, other methods and paths are told what there is', async t => {
  const { endpoint } = await withEndpoint(t)
  await endpoint.start(running)
  const head = await ask(endpoint.address, { method: 'HEAD' })
  assert.deepEqual([head.status, head.text], [200, ''])
  const post = await ask(endpoint.address, { method: 'POST' })
  assert.deepEqual([post.status, post.headers.allow, post.text], [405, 'GET, HEAD', 'use GET /metrics\n'])
  for (const path of ['/', '/metrics/', '/metricsx', '/%6Detrics']) {
    const other = await ask(endpoint.address, { path })
    assert.deepEqual([other.status, other.text], [404, 'not found: the figures are at /metrics\n'], path)
  }
})

test('all who ask while the figures are made get the same', async t => {
  const metrics = await prometheusMetrics()
  const { promise, resolve } = Promise.withResolvers<string>()
  let made = 0
  const asked = Promise.withResolvers<void>()
  const slow: PrometheusMetrics = {
    ...metrics,
    text () {
      made++
      asked.resolve()
      return promise
    },
  }
  const { endpoint } = await withEndpoint(t, { metrics: slow })
  await endpoint.start(running)
  const client = connect(Number((endpoint.address ?? '').split('/')[4]), '127.0.0.1')
  t.after(() => { client.destroy() })
  let text = ''
  const answered = new Promise<void>(resolve => {
    client.setEncoding('utf8').on('data', (piece: string) => {
      text += piece
      if (text.match(/^a 1$/gm)?.length === 8) resolve()
    })
  })
  // In one piece, so that the server has them all before it answers one.
  client.write('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(8))
  await asked.promise
  resolve('a 1\n')
  await answered
  assert.equal(made, 1)
  await ask(endpoint.address)
  assert.equal(made, 2)
})

test('a figure that cannot be read is an error for this once', async t => {
  const metrics = await prometheusMetrics()
  let isBroken = true
  metrics.gauge('ipfscluster_pins', 'Total number of pins', () => {
    if (isBroken) throw new Error('the store is closed')
    return 1
  })
  const { endpoint, errors } = await withEndpoint(t, { metrics })
  await endpoint.start(running)
  const broken = await ask(endpoint.address)
  assert.deepEqual([broken.status, broken.text], [500, 'the store is closed\n'])
  assert.deepEqual(errors, ['the figures could not be had: the store is closed'])
  isBroken = false
  assert.equal((await ask(endpoint.address)).status, 200)
})

test('it listens on each kind of address', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'metrics-'))
  t.after(() => { rmSync(folder, { recursive: true, force: true }) })
  const socket = join(folder, 'socket')
  for (const address of ['/ip4/127.0.0.1/tcp/0', '/dns4/localhost/tcp/0', `/unix${socket}`]) {
    const { endpoint } = await withEndpoint(t, { address })
    await endpoint.start(running)
    assert.match(endpoint.address ?? '', address.startsWith('/unix') ? /socket$/ : /\/tcp\/[1-9]\d*$/)
    assert.equal((await ask(endpoint.address)).status, 200, address)
    await endpoint.stop()
    assert.equal(endpoint.address, undefined)
  }
  assert.equal(existsSync(socket), false)
})

test('an address that is taken, or none for HTTP, is refused with what to do', async t => {
  const { endpoint: first } = await withEndpoint(t)
  await first.start(running)
  const { endpoint: second } = await withEndpoint(t, { address: first.address as string })
  await assert.rejects(second.start(running), { code: 'ADDRESS_IN_USE', message: `listen ${first.address}: address already in use: stop the program that listens there or configure another address` })
  for (const address of ['/ip4/127.0.0.1/udp/8888', '/ip4/127.0.0.1/udp/8888/quic-v1', '/ip4/127.0.0.1']) {
    const { endpoint } = await withEndpoint(t, { address })
    await assert.rejects(endpoint.start(running), { code: 'INVALID_CONFIGURATION' }, address)
    await endpoint.stop()
  }
})

test('a stop does not wait for clients, and may come twice or before the start', async t => {
  const { endpoint } = await withEndpoint(t)
  await endpoint.stop()
  await endpoint.start(running)
  const port = Number((endpoint.address ?? '').split('/')[4])
  const client = connect(port, '127.0.0.1')
  await once(client, 'connect')
  client.write('GET /metrics HTTP/1.1\r\nHost:')
  client.on('error', () => {})
  await ask(endpoint.address)
  const closed = once(client, 'close')
  await Promise.all([endpoint.stop(), endpoint.stop()])
  await closed
  await assert.rejects(ask(`/ip4/127.0.0.1/tcp/${port}` as Multiaddress), { code: 'ECONNREFUSED' })
})

test('a start that is no longer wanted holds nothing', async t => {
  const { endpoint } = await withEndpoint(t)
  await assert.rejects(endpoint.start(AbortSignal.abort(new Error('stopped'))), /stopped/)
  assert.equal(endpoint.address, undefined)
})
