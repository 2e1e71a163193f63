import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fastifyPaths, Refusals, type Route } from './route.ts'

const row = (method: string, path: string): Route => ({ method, path, handle: () => {} })

test('a row is written in the forms of fastify', () => {
  const forms = (path: string): string[] => fastifyPaths(path).map(({ url }) => url)
  assert.deepEqual(forms('/id'), ['/id'])
  assert.deepEqual(forms('/pins/{hash}/recover'), ['/pins/:hash/recover'])
  assert.deepEqual(forms('/pins/{keyType:ipfs|ipns}/{path...}'), ['/pins/ipfs/*', '/pins/ipns/*'])
})

test('the parameters are those of the row, whatever fastify calls them', () => {
  const [ipfs, ipns] = fastifyPaths('/pins/{keyType:ipfs|ipns}/{path...}')
  assert.deepEqual(ipfs?.parametersOf({ '*': 'Qm/a' }), { keyType: 'ipfs', path: 'Qm/a' })
  assert.deepEqual(ipns?.parametersOf({}), { keyType: 'ipns', path: '' })
  assert.deepEqual(fastifyPaths('/pins/{hash}')[0]?.parametersOf({ hash: 'Qm' }), { hash: 'Qm' })
})

test('a method is not allowed when no row behind the last one of the path has it', () => {
  const refusals = new Refusals([row('GET', '/a'), row('POST', '/a/{x}'), row('DELETE', '/a/{x:b|c}/{rest...}'), row('GET', '/last')])
  const verdicts: ReadonlyArray<readonly [method: string, path: string, status: number]> = [
    ['PUT', '/a', 405],
    ['POST', '/a', 404], // POST /a/{x} follows
    ['GET', '/a/x', 404], // GET /last follows
    ['DELETE', '/a/x', 404],
    ['DELETE', '/last', 405],
    ['POST', '/last', 405],
    ['POST', '/a/b/c/d', 405],
    ['POST', '/a/b/', 405],
    ['GET', '/nothing', 404],
    ['PUT', '/a/b\nc', 405],
  ]
  for (const [method, path, status] of verdicts) assert.equal(refusals.statusOf(method, path), status, `${method} ${path}`)
})
