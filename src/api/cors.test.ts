import assert from 'node:assert/strict'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { test } from 'node:test'
import type { CorsOptions } from './api-options.ts'
import { Cors, isPreflight } from './cors.ts'
import { defaultApiOptions } from './running-api.fixture.ts'

const corsWith = (options: Partial<CorsOptions>): Cors => new Cors({ ...defaultApiOptions, ...options })
const request = (method: string, headers: IncomingHttpHeaders): IncomingMessage => ({ method, headers }) as IncomingMessage
const strict: Partial<CorsOptions> = { corsAllowedOrigins: ['https://app.example', 'https://*.trusted.example'], corsAllowedMethods: ['GET', 'POST'], corsAllowedHeaders: ['Authorization', 'Content-Type'], corsMaxAgeMs: 600_999 }

test('a page that may ask is told what it may read', () => {
  assert.deepEqual(corsWith({}).headers(request('GET', { origin: 'https://any.example' })), [
    'Vary', 'Origin', 'Access-Control-Allow-Origin', '*',
    'Access-Control-Expose-Headers', 'Content-Type, X-Stream-Output, X-Chunked-Output, X-Content-Length', 'Access-Control-Allow-Credentials', 'true',
  ])
  assert.deepEqual(corsWith({ ...strict, corsExposedHeaders: ['x-mine', 'ETAG', 'odd name'], corsAllowCredentials: false }).headers(request('POST', { origin: 'https://APP.example' })), [
    'Vary', 'Origin', 'Access-Control-Allow-Origin', 'https://APP.example', 'Access-Control-Expose-Headers', 'X-Mine, Etag, odd name',
  ])
})

test('other pages and methods are told nothing', () => {
  const nothing = ['Vary', 'Origin']
  assert.deepEqual(corsWith({}).headers(request('GET', {})), nothing)
  assert.deepEqual(corsWith({}).headers(request('GET', { origin: '' })), nothing)
  assert.deepEqual(corsWith({}).headers(request('POST', { origin: 'https://any.example' })), nothing)
  for (const origin of ['https://app.example.evil', 'http://app.example', 'https://trusted.example', 'null']) {
    assert.deepEqual(corsWith(strict).headers(request('GET', { origin })), nothing, origin)
  }
})

test('one star in an origin stands for any characters, but not for fewer than there are', () => {
  const allows = (allowed: string, origin: string): boolean => corsWith({ corsAllowedOrigins: [allowed] }).headers(request('GET', { origin })).length > 2
  assert.ok(allows('https://*.trusted.example', 'https://a.b.trusted.example'))
  assert.ok(allows('http://localhost:*', 'http://localhost:8080'))
  assert.ok(!allows('ab*ba', 'aba'))
  assert.ok(allows('ab*ba', 'abba'))
  assert.ok(!allows('https://*.trusted.example', 'https://trusted.example'))
})

test('a preflight request is told what it may do', () => {
  const vary = ['Vary', 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers']
  const ask = (cors: Cors, method: string, headers?: string, origin = 'https://app.example') =>
    cors.preflight({ origin, 'access-control-request-method': method, ...(headers !== undefined && { 'access-control-request-headers': headers }) })
  assert.deepEqual(ask(corsWith(strict), 'POST', 'authorization,content-type'), [
    ...vary, 'Access-Control-Allow-Origin', 'https://app.example', 'Access-Control-Allow-Methods', 'POST',
    'Access-Control-Allow-Headers', 'authorization,content-type', 'Access-Control-Allow-Credentials', 'true', 'Access-Control-Max-Age', '600',
  ])
  assert.deepEqual(ask(corsWith({}), 'GET'), [...vary, 'Access-Control-Allow-Origin', '*', 'Access-Control-Allow-Methods', 'GET', 'Access-Control-Allow-Credentials', 'true'])
  for (const refused of [ask(corsWith({}), 'PUT'), ask(corsWith(strict), 'GET', undefined, 'https://evil.example'), ask(corsWith({}), 'GET', undefined, ''), ask(corsWith(strict), 'GET', 'x-other')]) {
    assert.deepEqual(refused, vary)
  }
})

test('the headers of a preflight are taken as browsers send them: in lower case, sorted, each once', () => {
  const isAllowed = (headers: string, allowed = ['X-B', 'x-a', 'X-C']): boolean =>
    corsWith({ corsAllowedHeaders: allowed }).preflight({ origin: 'https://a.example', 'access-control-request-method': 'GET', 'access-control-request-headers': headers }).length > 2
  for (const good of ['x-a', 'x-a,x-b,x-c', 'x-a, x-c', 'x-a,\tx-b', '', ',,x-a,,', ','.repeat(15)]) assert.ok(isAllowed(good), JSON.stringify(good))
  for (const bad of ['X-A', 'x-b,x-a', 'x-a,x-a', 'x-d', 'x-a,  x-b', 'x-a;x-b', ','.repeat(16)]) assert.ok(!isAllowed(bad), JSON.stringify(bad))
  assert.ok(isAllowed('anything, at,all', ['*']))
  for (const usual of ['accept,content-type', 'x-requested-with']) assert.ok(isAllowed(usual, []))
})

test('a preflight request is an OPTIONS request that names a method', () => {
  assert.ok(isPreflight(request('OPTIONS', { 'access-control-request-method': 'GET' })))
  assert.ok(!isPreflight(request('OPTIONS', { 'access-control-request-method': '' })))
  assert.ok(!isPreflight(request('OPTIONS', {})))
  assert.ok(!isPreflight(request('GET', { 'access-control-request-method': 'GET' })))
})
