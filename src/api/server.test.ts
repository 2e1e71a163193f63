import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request as requestHttps } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { ClusterError } from '../domain/errors.ts'
import type { Multiaddress } from '../domain/peer.ts'
import { systemClock } from '../platform/clock.ts'
import { virtualClock } from '../platform/virtual-clock.ts'
import { selfSigned } from './certificate.fixture.ts'
import type { Exchange } from './exchange.ts'
import type { Route } from './route.ts'
import { ask, askRaw, defaultApiOptions, dial, loggedPlatform, startApi } from './running-api.fixture.ts'
import { apiServer } from './server.ts'

const say = (text: string) => (exchange: Exchange): void => exchange.json(JSON.stringify([text, exchange.parameters, Object.fromEntries(exchange.query)]))
const rows: Route[] = [
  { method: 'GET', path: '/plain', handle: say('plain') },
  { method: 'POST', path: '/items/all', handle: say('all') },
  { method: 'POST', path: '/items/{id}', handle: say('item') },
  { method: 'GET', path: '/items/{id}', handle: say('item') },
  { method: 'POST', path: '/items/{kind:a|b}/{rest...}', handle: say('rest') },
  { method: 'DELETE', path: '/gone', handle: exchange => exchange.empty() },
  { method: 'GET', path: '/refused', handle: async () => { throw new ClusterError('INVALID_INPUT', 'no <good>') } },
  { method: 'GET', path: '/surprise', handle: () => { throw new TypeError('x is not a function') } },
]
const json = ['application/json']

test('a request finds its row, its parameters and its query', async t => {
  const { port } = await startApi(t, { routes: rows })
  const found = async (method: string, path: string): Promise<unknown> => JSON.parse((await ask(port, path, { method })).body)
  assert.deepEqual(await found('GET', '/plain'), ['plain', {}, {}])
  assert.deepEqual(await found('POST', '/items/all?x=1&x=2&y=a+b%21&bad=%zz&semi;=1'), ['all', {}, { x: '1', y: 'a b!' }])
  assert.deepEqual(await found('GET', '/items/all'), ['item', { id: 'all' }, {}])
  assert.deepEqual(await found('POST', '/items/a%2Fb%20c'), ['rest', { kind: 'a', rest: 'b c' }, {}])
})

test('a handler\'s answer is JSON with its length, and may differ by origin', async t => {
  const { port } = await startApi(t, { routes: rows, options: { headers: { 'X-Extra': ['one', 'two'], 'Content-Length': ['7'] } } })
  const { status, headers, body } = await ask(port, '/plain?x=%C3%A9')
  assert.deepEqual([status, body], [200, '["plain",{},{"x":"é"}]\n'])
  assert.deepEqual(headers, { 'vary': ['Origin'], 'x-extra': ['one', 'two'], 'content-type': json, 'content-length': ['24'] })
  const gone = await ask(port, '/gone', { method: 'DELETE' })
  assert.deepEqual([gone.status, gone.headers, gone.body], [204, { 'vary': ['Origin'], 'x-extra': ['one', 'two'], 'content-type': json }, ''])
})

test('an error is told by its code, and what nobody foresaw is logged', async t => {
  const { port, lines } = await startApi(t, { routes: rows })
  const refused = await ask(port, '/refused')
  assert.deepEqual([refused.status, refused.body, refused.headers['content-type']], [400, '{"code":400,"message":"no \\u003cgood\\u003e"}\n', json])
  const surprise = await ask(port, '/surprise')
  assert.deepEqual([surprise.status, surprise.body], [500, '{"code":500,"message":"x is not a function"}\n'])
  assert.deepEqual(lines.filter(line => !line.startsWith('restapilog') && !line.includes('info')), [
    'restapi warn sending error response: 400: no <good>',
    'restapi error a request failed in an unforeseen way',
    'restapi error sending error response: 500: x is not a function',
  ])
})

test('what no row serves is not found, or the method is not allowed', async t => {
  const { port } = await startApi(t, { routes: rows, options: { headers: { 'X-Extra': ['one'] } } })
  for (const [method, path] of [['GET', '/nothing'], ['DELETE', '/plain'], ['POST', '/plain'], ['GET', '/items/a/b'], ['GET', '/PLAIN'], ['GET', '/plain;x'], ['PROPFIND', '/nothing']] as const) {
    const answer = await ask(port, path, { method })
    assert.deepEqual([answer.status, answer.body, answer.headers['x-extra']], [404, '{"code":404,"message":"not found"}\n', ['one']], `${method} ${path}`)
  }
  for (const [method, path] of [['PUT', '/plain'], ['HEAD', '/plain'], ['OPTIONS', '/plain'], ['POST', '/surprise'], ['POST', '/gone'], ['PATCH', '/items/x'], ['PURGE', '/items/a/b/c'], ['QUERY', '/plain']] as const) {
    const answer = await ask(port, path, { method })
    assert.deepEqual([answer.status, answer.body, answer.headers], [405, '', { 'vary': ['Origin'], 'content-length': ['0'] }], `${method} ${path}`)
  }
})

test('a path that is not in its final form is redirected', async t => {
  const { port } = await startApi(t, { routes: rows })
  const redirects: ReadonlyArray<readonly [method: string, path: string, status: number, location: string, body: string]> = [
    ['GET', '/plain/?a=<b>&c', 307, '/plain?a=<b>&c', '<a href="/plain?a=&lt;b&gt;&amp;c">Temporary Redirect</a>.\n\n'],
    ['POST', '/items/x/', 307, '/items/x', ''],
    ['GET', '/', 307, '/', '<a href="/">Temporary Redirect</a>.\n\n'],
    ['GET', '//plain', 301, '/plain', ''],
    ['DELETE', '/a/../gone', 301, '/gone', ''],
    ['GET', '//evil.example//', 307, '/evil.example/', '<a href="/evil.example/">Temporary Redirect</a>.\n\n'],
  ]
  for (const [method, path, status, location, body] of redirects) {
    const answer = await ask(port, path, { method })
    assert.deepEqual([answer.status, answer.headers['location'], answer.body], [status, [location], body], path)
    assert.deepEqual(answer.headers['content-type'], body === '' ? undefined : ['text/html; charset=utf-8'])
    assert.deepEqual(answer.headers['vary'], ['Origin'])
  }
})

test('what is no request is refused and the connection closed', async t => {
  const { port } = await startApi(t, { routes: rows, options: { headers: { 'X-Extra': ['one'] } } })
  const refusals: ReadonlyArray<readonly [text: string, status: string]> = [
    ['nonsense\r\n\r\n', '400 Bad Request'],
    ['GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n', '400 Bad Request'],
    ['POST /plain?name=caf\u00e9 HTTP/1.1\r\nHost: x\r\n\r\n', '400 Bad Request'],
    ['GET plain HTTP/1.1\r\nHost: x\r\n\r\n', '400 Bad Request'],
    ['GET /plain HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n', '400 Bad Request'],
    ['GET /plain HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n', '400 Bad Request'],
    [`GET /plain HTTP/1.1\r\nHost: x\r\nX-Large: ${'x'.repeat(9000)}\r\n\r\n`, '431 Request Header Fields Too Large'],
  ]
  for (const [text, status] of refusals) {
    const [head = '', body] = (await askRaw(t, port, text)).split('\r\n\r\n')
    assert.match(head, new RegExp(`^HTTP/1\\.1 ${status}\r\n`), text.slice(0, 60))
    assert.match(head, /^Content-Type: text\/plain; charset=utf-8$/mi)
    assert.match(head, /^Connection: close$/mi)
    assert.doesNotMatch(head, /^(?:Vary|X-Extra)/mi)
    assert.ok(body?.includes(status))
    assert.equal(body?.includes('percent-encoded'), text.includes('\u00e9'), text.slice(0, 60))
  }
  assert.match(await askRaw(t, port, `GET /plain HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Large: ${'x'.repeat(7500)}\r\n\r\n`), /^HTTP\/1\.1 200 /)
})

test('the forms of a target that are no path are answered too', async t => {
  const { port } = await startApi(t, { routes: rows })
  const status = async (target: string): Promise<string> => (await askRaw(t, port, `${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)).slice(9, 12)
  assert.equal(await status('OPTIONS *'), '200')
  assert.equal(await status('GET *'), '301')
  assert.equal(await status('GET http://elsewhere/plain'), '200')
  assert.equal(await status('GET http://elsewhere'), '301')
})

test('many requests may come on one connection, also before the first is answered', async t => {
  const { port } = await startApi(t, { routes: rows })
  const answer = await askRaw(t, port, 'GET /plain?n=1 HTTP/1.1\r\nHost: x\r\n\r\nGET /plain?n=2 HTTP/1.1\r\nHost: x\r\n\r\nGET /plain?n=3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  assert.deepEqual(answer.match(/\{"n":"\d"\}/g), ['{"n":"1"}', '{"n":"2"}', '{"n":"3"}'])
})

test('an answer that comes before the end of an upload arrives, and the rest is thrown away for a moment', async t => {
  const clock = virtualClock()
  const { port } = await startApi(t, { routes: rows, clock })
  const socket = await dial(t, port)
  socket.write('DELETE /gone HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n')
  const piece = Buffer.alloc(64 * 1024)
  const send = (): void => { while (socket.writable && socket.write(piece)); }
  socket.on('drain', send)
  send()
  let text = ''
  for await (const data of socket.setEncoding('latin1')) {
    text += data as string
    await clock.advance(500)
  }
  assert.match(text, /^HTTP\/1\.1 204 No Content\r\n/)
  assert.match(text, /^Connection: close\r$/m)
})

test('the log of requests has each answer, with its size and whatever was asked', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'server-'))
  t.after(() => { rmSync(folder, { recursive: true, force: true }) })
  const clock = virtualClock(Date.UTC(2026, 10, 24, 10, 41, 46))
  const { platform } = loggedPlatform({ ...clock, after: systemClock.after })
  const api = apiServer({ name: 'restapi', options: { ...defaultApiOptions, httpLogFile: 'access.log' }, folder, routes: rows, errors: { statusOf: () => 500, body: () => '{}' }, authentication: undefined, platform })
  await api.start(new AbortController().signal)
  const port = Number(api.addresses()[0]?.split('/').at(-1))
  await ask(port, '/plain?a="b"')
  await ask(port, '/gone', { method: 'DELETE' })
  await ask(port, '/plain/')
  await api.stop()
  const prefix = '127.0.0.1 - - [24/Nov/2026:10:41:46 +0000]'
  assert.equal(readFileSync(join(folder, 'access.log'), 'utf8'), `${prefix} "GET /plain?a=\\"b\\" HTTP/1.1" 200 27\n${prefix} "DELETE /gone HTTP/1.1" 204 0\n${prefix} "GET /plain/ HTTP/1.1" 307 42\n`)
})

test('configured headers that cannot be sent keep the API from starting', async t => {
  for (const headers of [{ 'bad name': ['x'] }, { 'X-Bad': ['line\nbreak'] }]) {
    await assert.rejects(startApi(t, { routes: rows, options: { headers } }), { code: 'INVALID_CONFIGURATION', message: /^restapi\.headers: / })
  }
})

test('it listens on all addresses, or on none', async t => {
  const two = ['/ip4/127.0.0.1/tcp/0', '/ip4/127.0.0.1/tcp/0'] as Multiaddress[]
  const { api } = await startApi(t, { routes: rows, options: { httpListenMultiaddress: two } })
  const addresses = api.addresses()
  assert.equal(new Set(addresses).size, 2)
  for (const address of addresses) assert.equal((await ask(Number(address.split('/')[4]), '/plain')).status, 200)
  await api.stop()
  const [first, second] = addresses as [Multiaddress, Multiaddress]
  const { api: other } = await startApi(t, { routes: rows, options: { httpListenMultiaddress: [second] } })
  await assert.rejects(startApi(t, { routes: rows, options: { httpListenMultiaddress: [first, second] } }), { code: 'ADDRESS_IN_USE' })
  await assert.rejects(ask(Number(first.split('/')[4]), '/plain'), { code: 'ECONNREFUSED' })
  await other.stop()
})

test('the API is served over HTTPS and on a socket', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'server-'))
  t.after(() => { rmSync(folder, { recursive: true, force: true }) })
  const { certificate, key } = selfSigned('ecdsa')
  writeFileSync(join(folder, 'c.pem'), certificate)
  writeFileSync(join(folder, 'k.pem'), key)
  const { port, lines } = await startApi(t, { routes: rows, folder, options: { sslCertFile: 'c.pem', sslKeyFile: 'k.pem' } })
  const status = await new Promise(resolve => { requestHttps({ host: '127.0.0.1', port, path: '/plain', ca: certificate, servername: 'localhost', agent: false }, response => { response.resume(); resolve(response.statusCode) }).end() })
  assert.equal(status, 200)
  assert.ok(lines.includes(`restapi info RESTAPI (HTTPS): /ip4/127.0.0.1/tcp/${port}`), lines.join('\n'))
  assert.equal(await askRaw(t, port, 'GET /plain HTTP/1.1\r\nHost: x\r\n\r\n'), 'HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n')
  const socket = join(folder, 's')
  const { api } = await startApi(t, { routes: rows, options: { httpListenMultiaddress: [`/unix${socket}` as Multiaddress] } })
  assert.deepEqual(api.addresses(), [`/unix${socket}`])
  await api.stop()
  assert.equal(existsSync(socket), false)
})

/** A row whose answer the test decides, and what happened to its signal. */
function heldRow () {
  const asked = Promise.withResolvers<Exchange>()
  const cancelled = Promise.withResolvers<unknown>()
  const answer = Promise.withResolvers<void>()
  const row: Route = {
    method: 'GET',
    path: '/held',
    async handle (exchange) {
      exchange.signal.addEventListener('abort', () => { cancelled.resolve(exchange.signal.reason) })
      asked.resolve(exchange)
      await answer.promise
      exchange.json('"held"')
    },
  }
  return { row, asked: asked.promise, cancelled: cancelled.promise, answer: answer.resolve }
}

test('a stop lets requests end and takes no more', async t => {
  const { row, asked, answer } = heldRow()
  const { api, port } = await startApi(t, { routes: [row] })
  const waiting = ask(port, '/held')
  await asked
  const stopped = api.stop()
  await assert.rejects(ask(port, '/held'), { code: 'ECONNREFUSED' })
  answer()
  assert.deepEqual([(await waiting).status, (await waiting).body], [200, '"held"\n'])
  await stopped
  await api.stop()
})

test('a stop closes connections on which nothing is asked', async t => {
  const { api, port } = await startApi(t, { routes: rows })
  const idle = await dial(t, port)
  const used = await dial(t, port)
  used.write('GET /plain HTTP/1.1\r\nHost: x\r\n\r\n')
  await once(used, 'data')
  const closed = [once(idle.resume(), 'end'), once(used.resume(), 'end')]
  await api.stop()
  await Promise.all(closed)
})

test('a stop cancels what does not end, and cuts it off then', async t => {
  const clock = virtualClock()
  const { row, asked, cancelled } = heldRow()
  const { api, port } = await startApi(t, { routes: [row], clock })
  const waiting = assert.rejects(ask(port, '/held'), { code: 'ECONNRESET' })
  await asked
  const stopped = api.stop()
  await clock.advance(499)
  let isCancelled = false
  void cancelled.then(() => { isCancelled = true })
  await clock.settle()
  assert.equal(isCancelled, false)
  await clock.advance(1)
  assert.deepEqual(await cancelled, new ClusterError('CANCELLED', 'the peer stops'))
  await clock.advance(250)
  await waiting
  await stopped
})

test('a client that goes away cancels its request', async t => {
  const { row, asked, cancelled, answer } = heldRow()
  const { port, lines } = await startApi(t, { routes: [row] })
  const socket = await dial(t, port)
  socket.write('GET /held HTTP/1.1\r\nHost: x\r\n\r\n')
  const exchange = await asked
  socket.destroy()
  assert.deepEqual(await cancelled, new ClusterError('CANCELLED', 'the client went away'))
  assert.ok(exchange.isAbandoned)
  answer()
  // An answer to nobody is no failure.
  await ask(port, '/nothing')
  assert.deepEqual(lines.filter(line => line.startsWith('restapi error')), [])
})

test('an answer has so long as is configured', async t => {
  const clock = virtualClock()
  const { row, asked, cancelled, answer } = heldRow()
  const { port } = await startApi(t, { routes: [row], clock, options: { writeTimeoutMs: 2_000 } })
  const waiting = assert.rejects(ask(port, '/held'), { code: 'ECONNRESET' })
  await asked
  await clock.advance(1_999)
  const exchange = await asked
  assert.equal(exchange.isAbandoned, false)
  await clock.advance(1)
  await waiting
  assert.deepEqual(await cancelled, new ClusterError('CANCELLED', 'the client went away'))
  answer()
})

function authenticated (t: TestContext) {
  const { row, answer } = heldRow()
  answer()
  return startApi(t, { routes: [...rows, row, { method: 'GET', path: '/health', handle: exchange => exchange.empty() }, { method: 'GET', path: '/who', handle: exchange => exchange.json(JSON.stringify(exchange.user)) }], options: { basicAuthCredentials: { alice: 'secret' }, headers: { 'X-Extra': ['one'] }, corsAllowedMethods: ['GET'] } })
}

test('without a user nothing is told, not even whether there is something', async t => {
  const { port } = await authenticated(t)
  for (const path of ['/plain', '/nothing', '/plain/', '//plain', '/health/', '/health?x', '/HEALTH']) {
    const { status, headers, body } = await ask(port, path)
    if (path === '/health?x') { assert.equal(status, 204); continue }
    assert.deepEqual([status, body], [401, '{"code":401,"message":"unauthorized: no auth provided"}\n'], path)
    const realm = 'realm="Restricted IPFS Cluster API"'
    assert.deepEqual(headers, { 'x-extra': ['one'], 'content-type': json, 'www-authenticate': [`Bearer ${realm}`, `Basic ${realm}`], 'content-length': ['56'] }, path)
  }
  assert.equal((await ask(port, '/%zz')).status, 400)
  assert.equal((await ask(port, '/health', { method: 'POST' })).status, 401)
})

test('with a user the request is served, and OPTIONS and health checks without', async t => {
  const { port } = await authenticated(t)
  const Authorization = `Basic ${Buffer.from('alice:secret').toString('base64')}`
  assert.equal((await ask(port, '/who', { headers: { Authorization } })).body, '"alice"\n')
  assert.equal((await ask(port, '/nothing', { headers: { Authorization } })).status, 404)
  assert.equal((await ask(port, '/health')).status, 204)
  assert.equal((await ask(port, '/plain', { method: 'OPTIONS' })).status, 405)
  const preflight = await ask(port, '/plain', { method: 'OPTIONS', headers: { 'Origin': 'https://a.example', 'Access-Control-Request-Method': 'GET' } })
  assert.deepEqual([preflight.status, preflight.headers['access-control-allow-origin'], preflight.headers['x-extra']], [204, ['*'], undefined])
})

test('pages of other origins are told what they may read, also in errors and redirects', async t => {
  const { port } = await startApi(t, { routes: rows })
  for (const path of ['/plain', '/refused', '/nothing', '/plain/']) {
    const { headers } = await ask(port, path, { headers: { Origin: 'https://a.example' } })
    assert.deepEqual(headers['access-control-allow-origin'], ['*'], path)
  }
})
