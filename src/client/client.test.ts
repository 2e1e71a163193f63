import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseCid } from '../domain/cid.ts'
import type { PeerId } from '../domain/peer.ts'
import { defaultPinOptions } from '../domain/pin.ts'
import { TrackerStatus } from '../domain/status.ts'
import { defaultAddOptions } from './add-options.ts'
import { ApiError } from './api-error.ts'
import { Client } from './client.ts'
import { hostFromMultiaddress } from './host.ts'
import { TransportError, UploadError, type HttpAnswer, type HttpRequest, type HttpTransport } from './http-transport.ts'
import { multipartBody } from './multipart.ts'
import { waitForStatus } from './wait-for-status.ts'

const cid = parseCid('bafkreicx3mxcmx3eg5ct3tsv54ijv5rgz5vxg2g56q66qvnjrdhnogif5a')
const peer = '12D3KooWRemBrjRS8LMURnRLqhZY7uLrG9SQzU736oxibJEbngkR' as PeerId
const pinJson = JSON.stringify({ cid, type: 'pin', name: 'x', allocations: [peer], max_depth: -1, timestamp: '2026-11-24T04:22:04Z' })
const statusJson = (status: string): string => JSON.stringify({ cid, name: '', peer_map: { [peer]: { status, timestamp: '2026-11-24T04:22:04Z' } } })

interface Scripted { readonly status?: number, readonly body?: string | AsyncIterable<Uint8Array>, readonly trailers?: string[], readonly location?: string }

/** A transport that answers from a script and remembers what it was asked. */
class ScriptedTransport implements HttpTransport {
  readonly sent: string[] = []
  readonly requests: HttpRequest[] = []
  readonly #script: (request: HttpRequest) => Scripted | Promise<Scripted>

  constructor (script: (request: HttpRequest) => Scripted | Promise<Scripted>) { this.#script = script }

  async send (request: HttpRequest): Promise<HttpAnswer> {
    this.requests.push(request)
    this.sent.push(`${request.method} ${request.url.href}`)
    const { status = 200, body = '', trailers = [''], location } = await this.#script(request)
    return {
      status,
      header: name => name === 'location' ? location : undefined,
      body: typeof body === 'string' ? bytesOf([body]) : body,
      trailer: name => name === 'x-stream-error' ? trailers : [],
    }
  }
}

async function * bytesOf (texts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) if (text !== '') yield new TextEncoder().encode(text)
}

function clientOf (script: (request: HttpRequest) => Scripted | Promise<Scripted>, hosts = ['/ip4/127.0.0.1/tcp/1'], options = {}) {
  const transport = new ScriptedTransport(script)
  return { transport, client: new Client({ transport, hosts: hosts.map(host => hostFromMultiaddress(host, { https: false })), ...options }) }
}

const refused = (): never => { throw new TransportError('dial tcp 127.0.0.1:1: connect: connection refused') }
const collect = async <T>(items: AsyncIterable<T>): Promise<T[]> => await Array.fromAsync(items)

describe('requests', () => {
  const sentBy = async (call: (client: Client) => unknown): Promise<string> => {
    const { client, transport } = clientOf(() => { throw new TransportError('x') })
    await Promise.resolve(call(client)).catch(() => {})
    return (transport.sent[0] ?? '').replace('http://127.0.0.1:1', '')
  }

  test('pin options are sent as the reference sends them', async () => {
    assert.equal(await sentBy(client => client.pinPath(`/ipfs/${cid}`, defaultPinOptions)),
      `POST /pins/ipfs/${cid}?mode=recursive&name=&replication-max=0&replication-min=0&shard-size=0&user-allocations=`)
    assert.equal(await sentBy(client => client.pin(cid, {
      ...defaultPinOptions, name: 'a b*~(é)', expireAt: Date.UTC(2026, 0, 1, 0, 0, 0, 5), metadata: { 'k ': 'v&', '': 'no' }, pinUpdate: cid, userAllocations: [peer, peer],
    })), `POST /pins/${cid}?expire-at=2026-01-01T00%3A00%3A00.005Z&meta-k+=v%26&mode=recursive&name=a+b%2A~%28%C3%A9%29&pin-update=${cid}` +
      `&replication-max=0&replication-min=0&shard-size=0&user-allocations=${peer}%2C${peer}`)
  })

  test('a path keeps its segments', async () => {
    assert.equal(await sentBy(client => client.unpinPath(`/ipfs/${cid}/a b/100%?#x`)), `DELETE /pins/ipfs/${cid}/a%20b/100%25%3F%23x`)
  })

  test('lists and their filters', async () => {
    assert.equal(await sentBy(client => collect(client.allocations('all'))), 'GET /allocations?filter=all')
    assert.equal(await sentBy(client => collect(client.allocations(['shard-pin', 'pin']))), 'GET /allocations?filter=pin%2Cshard-pin')
    assert.equal(await sentBy(client => collect(client.statusAll(0, false))), 'GET /pins?local=false&filter=&cids=')
    assert.equal(await sentBy(client => collect(client.statusAll(TrackerStatus.error, true))), 'GET /pins?local=true&filter=error&cids=')
    assert.equal(await sentBy(client => collect(client.statusAll(TrackerStatus.pinned | TrackerStatus.pinError, true))), 'GET /pins?local=true&filter=pin_error%2Cpinned&cids=')
    assert.equal(await sentBy(client => collect(client.statusOf([cid, cid], false))), `GET /pins?local=false&filter=&cids=${cid},${cid}`)
  })

  test('add options', async () => {
    assert.equal(await sentBy(client => collect(client.add(multipartBody(() => (async function * () {})(), 'b'), { ...defaultAddOptions, recursive: true }))),
      'POST /add?chunker=size-262144&cid-version=0&format=unixfs&hash=sha2-256&hidden=false&layout=&local=false&mode=recursive&name=&no-pin=false&nocopy=false' +
      '&progress=false&raw-leaves=false&recursive=true&replication-max=0&replication-min=0&shard=false&shard-size=104857600&stream-channels=true&user-allocations=&wrap-with-directory=false')
  })

  test('the others', async () => {
    assert.equal(await sentBy(client => client.removePeer(peer)), `DELETE /peers/${peer}`)
    assert.equal(await sentBy(client => client.recover(cid, true)), `POST /pins/${cid}/recover?local=true`)
    assert.equal(await sentBy(client => client.collectGarbage(false)), 'POST /ipfs/gc?local=false')
    assert.equal(await sentBy(client => client.metrics('tag:group')), 'GET /monitor/metrics/tag%3Agroup')
    assert.equal(await sentBy(client => client.health()), 'GET /health')
  })

  test('credentials go with every request', async () => {
    const { client, transport } = clientOf(() => ({ body: '{"version":"1"}' }), undefined, { credentials: { username: 'ü', password: 'p:w' } })
    await client.version()
    assert.equal(transport.requests[0]?.headers.authorization, `Basic ${Buffer.from('ü:p:w').toString('base64')}`)
  })
})

describe('answers', () => {
  test('one value', async () => {
    assert.equal(await clientOf(() => ({ body: '{"version":"1.1.6"}\n' })).client.version(), '1.1.6')
  })

  test('success without a body', async () => {
    assert.equal(await clientOf(() => ({ status: 204 })).client.removePeer(peer), undefined)
  })

  test('an error of the peer', async () => {
    await assert.rejects(clientOf(() => ({ status: 404, body: '{"code":404,"message":"gone"}\n' })).client.allocation(cid),
      error => error instanceof ApiError && error.status === 404 && error.code === 'NOT_FOUND' && error.message === 'gone')
  })

  test('an error that is no JSON', async () => {
    await assert.rejects(clientOf(() => ({ status: 502, body: 'bad gateway' })).client.id(), error => error instanceof ApiError && error.status === 502 && error.message === 'bad gateway')
  })

  test('a success that cannot be read', async () => {
    for (const body of ['', 'null', '{"version":1}', '<html>', '{"version":"1"']) {
      await assert.rejects(clientOf(() => ({ body })).client.version(), error => error instanceof ApiError && error.status === 200, body)
    }
  })

  test('a redirect is followed with the same method, within the host', async () => {
    const { client, transport } = clientOf(request => request.url.pathname.endsWith('/')
      ? { status: 307, location: `${request.url.pathname.slice(0, -1)}${request.url.search}` }
      : { body: pinJson })
    assert.equal((await client.pinPath(`/ipfs/${cid}/`, defaultPinOptions)).name, 'x')
    assert.equal(transport.sent[1], transport.sent[0]?.replace('/?', '?'))
    await assert.rejects(clientOf(() => ({ status: 302, location: 'http://elsewhere/' })).client.id(), /redirected to http:\/\/elsewhere\//)
    await assert.rejects(clientOf(() => ({ status: 302, location: '/id' })).client.id(), /which is not followed/)
  })
})

describe('streams', () => {
  test('lines may be cut anywhere', async () => {
    const text = `${pinJson}\n\n${pinJson}\n${pinJson}`
    for (const size of [1, 7, text.length]) {
      const pieces = Array.from({ length: Math.ceil(text.length / size) }, (_, i) => text.slice(i * size, (i + 1) * size))
      assert.equal((await collect(clientOf(() => ({ body: bytesOf(pieces) })).client.allocations('all'))).length, 3)
    }
  })

  test('nothing at all', async () => {
    assert.deepEqual(await collect(clientOf(() => ({ status: 204 })).client.allocations('all')), [])
  })

  test('the trailer is an error behind the values', async () => {
    const seen: string[] = []
    await assert.rejects(async () => {
      for await (const pin of clientOf(() => ({ body: `${pinJson}\n`, trailers: ['', 'store broke', 'peer left'] })).client.allocations('all')) seen.push(pin.name)
    }, error => error instanceof ApiError && error.status === 500 && error.message === 'store broke; peer left')
    assert.deepEqual(seen, ['x'])
  })

  test('a cut connection is an error behind the values', async () => {
    const cut = (async function * () {
      yield * bytesOf([`${pinJson}\n`])
      throw new TransportError('unexpected EOF')
    })()
    await assert.rejects(collect(clientOf(() => ({ body: cut })).client.allocations('all')), { code: 'PEER_UNREACHABLE', message: 'unexpected EOF' })
  })

  test('a line that never ends is refused', async () => {
    const endless = (async function * () { for (;;) yield new Uint8Array(1024 * 1024).fill(0x20) })()
    await assert.rejects(collect(clientOf(() => ({ body: endless })).client.allocations('all')), { code: 'TOO_LARGE' })
  })

  test('is not read ahead of its reader and closed when the reader leaves', async () => {
    let produced = 0
    let isClosed = false
    const body = (async function * () {
      try {
        for (;;) {
          produced++
          yield * bytesOf([`${pinJson}\n`])
        }
      } finally {
        isClosed = true
      }
    })()
    let read = 0
    for await (const pin of clientOf(() => ({ body })).client.allocations('all')) {
      assert.equal(pin.name, 'x')
      read++
      assert.ok(produced <= read + 1)
      if (read === 10) break
    }
    assert.equal(isClosed, true)
  })

  test('each value comes with the text that it was read from', async () => {
    const json = '{"version":"1", "more": 12345678901234567890}'
    const { client } = clientOf(() => ({ body: `${json}\n` }))
    const [received] = (await collect(client.stream({ method: 'GET', target: '/x', decode: value => value }).batches())).flat()
    assert.equal(received?.json, json)
  })
})

describe('several hosts', () => {
  const hosts = ['/ip4/127.0.0.1/tcp/1', '/ip4/127.0.0.1/tcp/2', '/ip4/127.0.0.1/tcp/3']

  test('the next one is asked until one answers, and first the next time', async () => {
    const { client, transport } = clientOf(({ url }) => url.port === '2' ? { body: '{"version":"2"}' } : refused(), hosts)
    assert.equal(await client.version(), '2')
    assert.equal(await client.version(), '2')
    assert.deepEqual(transport.requests.map(({ url }) => url.port), ['1', '2', '2'])
  })

  test('an answer that is an error is an answer', async () => {
    const { client, transport } = clientOf(() => ({ status: 500, body: '{"code":500,"message":"no"}' }), hosts)
    await assert.rejects(client.version(), { message: 'no' })
    assert.equal(transport.requests.length, 1)
  })

  test('when none answers the last one is told', async () => {
    const heard: number[] = []
    const observer = { attempt: () => {}, request: () => {}, answer: () => {}, gaveUp: (attempts: number) => { heard.push(attempts) } }
    const { client } = clientOf(({ url }) => { throw new TransportError(`${url.port} refused`) }, hosts, { observer })
    await assert.rejects(client.version(), error => error instanceof ApiError && error.status === 0 && error.message === 'Get "http://127.0.0.1:3/version": 3 refused')
    assert.deepEqual(heard, [3])
  })

  test('a body is made again for each host, and not when it cannot be made', async () => {
    let made = 0
    const body = multipartBody(() => { made++; return (async function * () {})() }, 'b')
    const { client, transport } = clientOf(async ({ url, body }) => {
      for await (const chunk of body ?? []) assert.ok(chunk.length > 0)
      return url.port === '3' ? { body: `{"name":"x","cid":"${cid}"}\n` } : refused()
    }, hosts)
    assert.equal((await collect(client.add(body, defaultAddOptions))).length, 1)
    assert.equal(made, 3)
    const broken = clientOf(() => { throw new UploadError('open x: permission denied') }, hosts)
    await assert.rejects(collect(broken.client.add(body, defaultAddOptions)), /open x: permission denied$/)
    assert.equal(broken.transport.requests.length, 1)
    assert.equal(transport.requests.length, 3)
  })

  test('at least one is needed', () => {
    assert.throws(() => clientOf(refused, []), { code: 'INVALID_INPUT' })
  })
})

test('the time limit and the signal of the caller end a request', async () => {
  const hang = ({ signal }: HttpRequest): Promise<never> => new Promise((_, reject) => {
    signal?.addEventListener('abort', () => { reject(new TransportError('aborted')) })
  })
  // A timer of its own keeps the process alive while the unreferenced limit runs.
  const keepAlive = setInterval(() => {}, 1000)
  try {
    await assert.rejects(clientOf(hang, undefined, { timeoutMs: 1 }).client.id(), /context deadline exceeded \(Client.Timeout exceeded while awaiting headers\)$/)
    const controller = new AbortController()
    const waiting = clientOf(hang).client.id({ signal: controller.signal })
    controller.abort(new Error('not needed any more'))
    await assert.rejects(waiting, /not needed any more$/)
  } finally {
    clearInterval(keepAlive)
  }
})

test('a time limit longer than a timer of the runtime is one all the same', async () => {
  const { client } = clientOf(() => ({ body: '{"version":"1.1.6"}' }), undefined, { timeoutMs: 1e10 + 0.5 })
  assert.equal(await client.version(), '1.1.6')
})

describe('waiting for a status', () => {
  const wait = (statuses: readonly string[][], target: number, limit: number) => {
    const rounds = [...statuses]
    const { client } = clientOf(() => ({
      body: JSON.stringify({ cid, peer_map: Object.fromEntries((rounds.shift() ?? []).map((status, i) => [`peer${i}`, { status }])) }),
    }))
    return waitForStatus(client, { cid, target, limit, pause: async () => {} }).then(() => statuses.length - rounds.length)
  }

  test('all peers, remote ones count as pinned', async () => {
    assert.equal(await wait([['pinning', 'remote'], ['pinned', 'pinning'], ['pinned', 'remote']], TrackerStatus.pinned, 0), 3)
    assert.equal(await wait([['unpinning', 'unpinned'], ['unpinned', 'unpinned']], TrackerStatus.unpinned, -1), 2)
  })

  test('as many as asked for, or as there are', async () => {
    assert.equal(await wait([['pinning', 'pinning'], ['pinned', 'pinning']], TrackerStatus.pinned, 1), 2)
    assert.equal(await wait([['pinned', 'pinning'], ['pinned', 'pinned']], TrackerStatus.pinned, 5), 2)
  })

  test('a peer in error ends it', async () => {
    await assert.rejects(wait([['pinning', 'pin_error']], TrackerStatus.pinned, 1), { message: 'error has occurred while attempting to reach status: pinned' })
  })

  test('an error of the API ends it', async () => {
    const { client } = clientOf(() => ({ status: 500, body: '{"code":500,"message":"no"}' }))
    await assert.rejects(waitForStatus(client, { cid, target: TrackerStatus.pinned, limit: 0, pause: async () => {} }), ApiError)
  })

  test('every status is told', async () => {
    const told: string[] = []
    const bodies = [statusJson('pinning'), statusJson('pinned')]
    const { client } = clientOf(() => ({ body: bodies.shift() ?? '' }))
    await waitForStatus(client, { cid, target: TrackerStatus.pinned, limit: 0, pause: async () => {}, onStatus: status => { told.push(String(status.peerMap[peer]?.status)) } })
    assert.deepEqual(told, [String(TrackerStatus.pinning), String(TrackerStatus.pinned)])
  })
})

describe('hosts', () => {
  const origin = (text: string, https = false): string => hostFromMultiaddress(text, { https }).origin

  test('the networks of the contract', () => {
    assert.equal(origin('/ip4/1.2.3.4/tcp/9094'), 'http://1.2.3.4:9094')
    assert.equal(origin('/ip6/::1/tcp/9094/http'), 'http://[::1]:9094')
    assert.equal(origin('/dns4/example.org/tcp/443', true), 'https://example.org:443')
    assert.equal(origin('/ip4/1.2.3.4'), 'http://1.2.3.4')
    assert.deepEqual(hostFromMultiaddress('/unix/run/p2p/api', { https: false }), { origin: 'http+unix://restapi', socketPath: '/run/p2p/api' })
  })

  test('what cannot be contacted', () => {
    assert.throws(() => origin('1.2.3.4'), { code: 'INVALID_MULTIADDRESS', message: 'failed to parse multiaddr "1.2.3.4": must begin with /' })
    assert.throws(() => origin('/memory/1'), { code: 'INVALID_MULTIADDRESS' })
    assert.throws(() => origin(`/ip4/1.2.3.4/tcp/1/p2p/${peer}`), { code: 'UNSUPPORTED' })
    assert.throws(() => origin('/dnsaddr/example.org'), { code: 'UNSUPPORTED' })
  })
})
