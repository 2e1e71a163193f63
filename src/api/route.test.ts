import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fastifyPaths, isMethodNotAllowed, type Route } from './route.ts'

const row = (method: string, path: string): Route => ({ method, path, handle: () => {} })

test('a row is written in the forms of fastify', () => {
  const forms = (path: string): string[] => fastifyPaths(path).map(({ url }) => url)
  assert.deepEqual(forms('/id'), ['/id'])
  assert.deepEqual(forms('/pins/{hash}/recover'), ['/pins/:hash/recover'])
  assert.deepEqual(forms('/pins/{keyType:ipfs|ipns}/{path...}'), ['/pins/ipfs/*', '/pins/ipns/*'])
})

test('the parameters are those of the row, whatever fastify calls them', () => {
  const [ipfs, ipns] = fastifyPaths('/pins/{keyType:ipfs|ipns}/{path...}')
  assert.deepEqual(ipfs?.parametersOf({ '*': 'Qm/a' }), { 'keyType': 'ipfs', 'path': 'Qm/a', '*': 'Qm/a' })
  assert.deepEqual(ipns?.parametersOf({}), { keyType: 'ipns', path: '' })
  assert.deepEqual(fastifyPaths('/pins/{hash}')[0]?.parametersOf({ hash: 'Qm' }), { hash: 'Qm' })
})

test('a method is not allowed when no row behind the last one of the path has it', () => {
  const rows = [row('GET', '/a'), row('POST', '/a/{x}'), row('DELETE', '/a/{x:b|c}/{rest...}'), row('GET', '/last')]
  const verdicts: ReadonlyArray<readonly [method: string, path: string, isNotAllowed: boolean]> = [
    ['PUT', '/a', true],
    ['POST', '/a', false], // POST /a/{x} follows
    ['GET', '/a/x', false], // GET /last follows
    ['DELETE', '/a/x', false],
    ['DELETE', '/last', true],
    ['POST', '/last', true],
    ['POST', '/a/b/c/d', true],
    ['POST', '/a/b/', true],
    ['GET', '/nothing', false],
    ['PUT', '/a/b\nc', true],
  ]
  for (const [method, path, isNotAllowed] of verdicts) assert.equal(isMethodNotAllowed(rows, method, path), isNotAllowed, `${method} ${path}`)
})
