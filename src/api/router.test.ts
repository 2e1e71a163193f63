import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test, type TestContext } from 'node:test'
import type { Route } from './route.ts'
import { ask, startApi } from './running-api.fixture.ts'

/** Tells which of the rows serves a request, with its parameters, or the status of the refusal. */
async function finder (t: TestContext, rows: ReadonlyArray<readonly [method: string, path: string]>): Promise<(method: string, url: string) => Promise<unknown>> {
  const routes = rows.map(([method, path]): Route => ({ method, path, handle: exchange => { exchange.json(JSON.stringify([path, exchange.parameters])) } }))
  const { port } = await startApi(t, { routes })
  return async (method, url) => {
    const { status, body } = await ask(port, url, { method })
    return status === 200 ? JSON.parse(body) : status
  }
}

test('a row serves its method and path and reads the parameters', async t => {
  const found = await finder(t, [['GET', '/pins'], ['GET', '/pins/{hash}'], ['DELETE', '/pins/{hash}'], ['POST', '/pins/{keyType:ipfs|ipns}/{path...}']])
  assert.deepEqual(await found('GET', '/pins'), ['/pins', {}])
  assert.deepEqual(await found('GET', '/pins?local=true&x=/pins/a'), ['/pins', {}])
  assert.deepEqual(await found('DELETE', '/pins/Qm'), ['/pins/{hash}', { hash: 'Qm' }])
  assert.deepEqual(await found('POST', '/pins/ipns/Qm/a/b?x=1'), ['/pins/{keyType:ipfs|ipns}/{path...}', { keyType: 'ipns', path: 'Qm/a/b' }])
  assert.deepEqual(await found('POST', '/pins/ipld/Qm'), 404)
})

test('a row that is named by its method and path alone serves before one with places', async t => {
  const found = await finder(t, [['POST', '/pins/{hash}'], ['POST', '/pins/{hash}/recover'], ['POST', '/pins/recover'], ['POST', '/pins/{keyType:ipfs}/{path...}'], ['POST', '/pins/{hash:ipfs}/recover']])
  assert.deepEqual(await found('POST', '/pins/Qm/recover'), ['/pins/{hash}/recover', { hash: 'Qm' }])
  assert.deepEqual(await found('POST', '/pins/recover'), ['/pins/recover', {}])
  assert.deepEqual(await found('POST', '/pins/ipfs'), ['/pins/{hash}', { hash: 'ipfs' }])
  assert.deepEqual(await found('POST', '/pins/ipfs/recover'), ['/pins/{hash:ipfs}/recover', { hash: 'ipfs' }])
  assert.deepEqual(await found('POST', '/pins/ipfs/recovered'), ['/pins/{keyType:ipfs}/{path...}', { keyType: 'ipfs', path: 'recovered' }])
})

test('parameters are decoded once', async t => {
  const found = await finder(t, [['GET', '/a/{x}/{rest...}']])
  assert.deepEqual(await found('GET', '/a/%C3%BC%20b/c%20d/e%25'), ['/a/{x}/{rest...}', { x: 'ü b', rest: 'c d/e%' }])
  assert.deepEqual(await found('GET', '/a/%2541%3F/%253f%23'), ['/a/{x}/{rest...}', { x: '%41?', rest: '%3f#' }])
  assert.deepEqual(await found('GET', '/a/%3F%23'), 404)
})

test('a parameter may be long, and has no meaning to objects', async t => {
  const found = await finder(t, [['GET', '/a/{x}']])
  const long = 'x'.repeat(4000)
  assert.deepEqual(await found('GET', `/a/${long}`), ['/a/{x}', { x: long }])
  assert.deepEqual(await found('GET', '/a/__proto__'), ['/a/{x}', { x: '__proto__' }])
})

test('a body of any kind is left to its row', async t => {
  const routes = ['POST', 'DELETE', 'PUT'].map((method): Route => ({
    method,
    path: '/a',
    handle: async exchange => {
      let text = ''
      for await (const piece of exchange.request) text += String(piece)
      exchange.json(JSON.stringify(text))
    },
  }))
  const { port } = await startApi(t, { routes })
  for (const { method } of routes) {
    for (const type of ['application/json', 'no type', 'text/plain']) {
      assert.equal((await ask(port, '/a', { method, body: '{broken', headers: { 'Content-Type': type, 'Content-Length': '7' } })).body, '"{broken"\n', `${method} ${type}`)
    }
  }
})

test('no compiler of schemas is loaded: to load them takes longer than all the rest of fastify', async t => {
  await startApi(t, { routes: [{ method: 'GET', path: '/a', handle: exchange => { exchange.empty() } }] })
  const loaded = Object.keys(createRequire(import.meta.url).cache)
  assert.ok(loaded.some(path => path.includes('/node_modules/fastify/')))
  assert.deepEqual(loaded.filter(path => /\/node_modules\/(ajv|@fastify\/[\w-]*compiler)\//.test(path)), [])
})
