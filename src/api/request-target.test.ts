import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { parseTarget, plainPathEnd, redirectOf, routableUrl } from './request-target.ts'

const url = fc.oneof(
  fc.array(fc.constantFrom('/', '//', '.', '..', 'pins', 'Qm', '%2F', '%2e', '%41', '%zz', '%', '?', '&a=b', '#', ' ', 'é', '\u0001', ':', '~', '*'), { maxLength: 8 }).map(parts => `/${parts.join('')}`),
  fc.string({ maxLength: 20 }),
)

test('a path that is plain is left as it is by every rule', () => {
  fc.assert(fc.property(url, text => {
    const end = plainPathEnd(text)
    if (end < 0) return
    const target = parseTarget(text)
    assert.deepEqual(target, { path: text.slice(0, end), query: text.slice(end) })
    assert.equal(redirectOf(target), undefined)
    assert.ok(text.slice(0, end).split('/').every(segment => !/[%?#]/.test(segment)))
  }), { numRuns: 2000 })
})

test('what a redirect leads to is in its final form, and on this host', () => {
  fc.assert(fc.property(url, text => {
    const target = parseTarget(text)
    const redirect = target && redirectOf(target)
    if (redirect === undefined) return
    assert.match(redirect.location, /^\/(?!\/)/)
    const next = parseTarget(redirect.location)
    assert.ok(next !== undefined, redirect.location)
    // Of several slashes at the end one goes at a time; the root is sent to itself, as in the reference.
    if (redirect.status === 301) assert.notEqual(redirectOf(next)?.status, 301, redirect.location)
  }), { numRuns: 2000 })
})

test('a url for the router has the decoded path in its segments', () => {
  fc.assert(fc.property(url, text => {
    const target = parseTarget(text)
    if (target === undefined) return
    const routable = routableUrl(target)
    const path = routable.slice(0, routable.length - target.query.length)
    assert.equal(path.split('/').map(decodeURIComponent).join('/'), Buffer.from(target.path, 'latin1').toString())
  }), { numRuns: 2000 })
})

test('slashes at the end go first, then the path is cleaned', () => {
  const redirects: ReadonlyArray<readonly [path: string, status: 301 | 307, location: string]> = [
    ['/id/', 307, '/id'],
    ['/id/?a=b&c', 307, '/id?a=b&c'],
    ['/', 307, '/'],
    ['//', 307, '/'],
    ['//id', 301, '/id'],
    ['/pins//x?local=true', 301, '/pins/x?local=true'],
    ['/a/../id', 301, '/id'],
    ['/a/./b', 301, '/a/b'],
    ['/../../id', 301, '/id'],
    ['//evil.example/x', 301, '/evil.example/x'],
    ['/%2Fid', 301, '/id'],
    ['/pins/%2e%2e/id', 301, '/id'],
    ['/a%20b%22/', 307, '/a%20b%22'],
  ]
  for (const [text, status, location] of redirects) {
    const target = parseTarget(text)
    assert.ok(target !== undefined, text)
    assert.deepEqual(redirectOf(target), { status, location }, text)
  }
})

test('the absolute form that proxies get is taken like the usual one', () => {
  assert.deepEqual(parseTarget('http://127.0.0.1:9094/pins/a?b=c'), { path: '/pins/a', query: '?b=c' })
  assert.deepEqual(parseTarget('http://host'), { path: '', query: '' })
  assert.deepEqual(parseTarget('http://host?x'), { path: '', query: '?x' })
})

test('broken targets are not taken', () => {
  for (const text of ['/%', '/%4', '/%zz/x', 'id', 'pins/x', '/a\u0000b', '/a\u007f']) assert.equal(parseTarget(text), undefined, text)
})
