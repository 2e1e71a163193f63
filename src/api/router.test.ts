import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Route } from './route.ts'
import { Router } from './router.ts'

const row = (method: string, path: string): Route => ({ method, path, handle: () => {} })

/** The row that serves a request and its parameters, or the refusal. */
function found (rows: readonly Route[], method: string, url: string): unknown {
  const result = new Router(rows).find(method, url)
  return 'route' in result ? [result.route.path, result.parameters] : result.refusal
}

test('a row serves its method and path and reads the parameters', () => {
  const rows = [row('GET', '/pins'), row('GET', '/pins/{hash}'), row('DELETE', '/pins/{hash}'), row('POST', '/pins/{keyType:ipfs|ipns}/{path...}')]
  assert.deepEqual(found(rows, 'GET', '/pins'), ['/pins', {}])
  assert.deepEqual(found(rows, 'GET', '/pins?local=true&x=/pins/a'), ['/pins', {}])
  assert.deepEqual(found(rows, 'DELETE', '/pins/Qm'), ['/pins/{hash}', { hash: 'Qm' }])
  assert.deepEqual(found(rows, 'POST', '/pins/ipns/Qm/a/b?x=1'), ['/pins/{keyType:ipfs|ipns}/{path...}', { keyType: 'ipns', path: 'Qm/a/b' }])
  assert.deepEqual(found(rows, 'POST', '/pins/ipld/Qm'), 404)
})

test('the first row counts, whatever is fixed in it', () => {
  const rows = [row('POST', '/pins/{hash}/recover'), row('POST', '/pins/recover'), row('POST', '/pins/{hash}'), row('POST', '/pins/{keyType:ipfs}/{path...}')]
  assert.deepEqual(found(rows, 'POST', '/pins/ipfs/recover'), ['/pins/{hash}/recover', { hash: 'ipfs' }])
  assert.deepEqual(found(rows, 'POST', '/pins/recover'), ['/pins/recover', {}])
  assert.deepEqual(found(rows, 'POST', '/pins/ipfs'), ['/pins/{hash}', { hash: 'ipfs' }])
})

test('parameters are decoded, each segment for itself', () => {
  const rows = [row('GET', '/a/{x}/{rest...}')]
  assert.deepEqual(found(rows, 'GET', '/a/%C3%BC%2Fb/c%20d/e%25'), ['/a/{x}/{rest...}', { x: 'ü/b', rest: 'c d/e%' }])
  assert.deepEqual(found(rows, 'GET', '/a/%3F%23'), 404)
  assert.deepEqual(found(rows, 'GET', '/a//b'), 404)
})

test('a parameter has no meaning to objects', () => {
  assert.deepEqual(found([row('GET', '/a/{x}')], 'GET', '/a/__proto__'), ['/a/{x}', { x: '__proto__' }])
})

test('a method is not allowed when no row behind the last one of the path has it', () => {
  const rows = [row('GET', '/a'), row('POST', '/a/{x}'), row('DELETE', '/a/{x:b|c}/{rest...}'), row('GET', '/last')]
  const verdicts: ReadonlyArray<readonly [method: string, path: string, refusal: number]> = [
    ['PUT', '/a', 405],
    ['POST', '/a', 404], // POST /a/{x} follows
    ['GET', '/a/x', 404], // GET /last follows
    ['DELETE', '/a/x', 404],
    ['DELETE', '/last', 405],
    ['POST', '/last', 405],
    ['POST', '/a/b/c/d', 405],
    ['POST', '/a/b/', 405],
    ['GET', '/nothing', 404],
    ['PUT', '/a/b%0Ac', 405],
  ]
  for (const [method, path, refusal] of verdicts) assert.equal(found(rows, method, path), refusal, `${method} ${path}`)
})
