import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { signToken, userOfToken } from './json-web-token.ts'

const now = Date.UTC(2026, 10, 24, 10)
const seconds = now / 1000
const passwords = new Map([['alice', 'secret'], ['bob', 'hunter2'], ['empty', ''], ['', 'nobody']])
const userOf = (token: string): string | undefined => userOfToken(token, user => passwords.get(user), now)
const base64 = (text: string): string => Buffer.from(text).toString('base64url')

/** A token of the given parts, signed as its header says or by `hash`. */
function token (header: unknown, claims: unknown, password = 'secret', hash = 'sha256'): string {
  const signed = `${base64(JSON.stringify(header))}.${base64(JSON.stringify(claims))}`
  return `${signed}.${createHmac(hash, password).update(signed).digest('base64url')}`
}
const hs256 = { alg: 'HS256', typ: 'JWT' }

test('a token proves its user and is the same each time', () => {
  fc.assert(fc.property(fc.string({ minLength: 1 }), fc.string({ minLength: 1 }), (user, password) => {
    const signed = signToken(user, password)
    assert.equal(signed, signToken(user, password))
    assert.equal(userOfToken(signed, name => name === user.toWellFormed() ? password : undefined, now), user.toWellFormed())
    assert.equal(userOfToken(signed, () => `${password}x`, now), undefined)
  }))
  const [header = '', claims = ''] = signToken('alice', 'secret').split('.')
  assert.deepEqual([header, claims].map(part => Buffer.from(part, 'base64url').toString()), ['{"alg":"HS256","typ":"JWT"}', '{"iss":"alice"}'])
})

test('tokens of other makers are taken with any of the three hashes', () => {
  assert.equal(userOf(token({ alg: 'HS256' }, { iss: 'alice', sub: 'x' })), 'alice')
  assert.equal(userOf(token({ alg: 'HS384' }, { iss: 'alice' }, 'secret', 'sha384')), 'alice')
  assert.equal(userOf(token({ alg: 'HS512', kid: 'x' }, { iss: 'bob' }, 'hunter2', 'sha512')), 'bob')
})

test('the times of a token count when they are given', () => {
  const at = (claims: object): string | undefined => userOf(token(hs256, { iss: 'alice', ...claims }))
  for (const good of [{ exp: seconds + 1 }, { nbf: seconds }, { iat: seconds - 1 }, { exp: null, nbf: null }, { exp: seconds + 1.9 }]) assert.equal(at(good), 'alice', JSON.stringify(good))
  for (const bad of [{ exp: seconds }, { exp: seconds - 1 }, { nbf: seconds + 1 }, { iat: seconds + 1 }, { exp: 'soon' }, { exp: String(seconds + 9) }, { nbf: {} }]) assert.equal(at(bad), undefined, JSON.stringify(bad))
})

test('a token that proves nothing is refused', () => {
  const good = token(hs256, { iss: 'alice' })
  const [header = '', claims = '', signature = ''] = good.split('.')
  const bad: Readonly<Record<string, string>> = {
    'nothing': '',
    'two parts': `${header}.${claims}`,
    'four parts': `${good}.x`,
    'no signature': `${header}.${claims}.`,
    'a short signature': `${header}.${claims}.${signature.slice(0, -4)}`,
    'a long signature': `${good}AAAA`,
    'signature in another alphabet': `${header}.${claims}.${Buffer.from(signature, 'base64url').toString('base64')}`,
    'half a byte in the signature': `${good}A`,
    'other claims': `${header}.${base64('{"iss":"bob"}')}.${signature}`,
    'no hash': token({ alg: 'none' }, { iss: 'alice' }),
    'no hash, no signature': `${base64('{"alg":"none"}')}.${base64('{"iss":"alice"}')}.`,
    'an unknown hash': token({ alg: 'RS256' }, { iss: 'alice' }),
    'another hash than it says': token({ alg: 'HS512' }, { iss: 'alice' }),
    'hash named by an array': token({ alg: ['HS256'] }, { iss: 'alice' }),
    'another password': token(hs256, { iss: 'alice' }, 'hunter2'),
    'a user without a password': token(hs256, { iss: 'empty' }, ''),
    'an unknown user': token(hs256, { iss: 'carol' }),
    'no user': token(hs256, {}, 'nobody'),
    'an empty user': token(hs256, { iss: '' }, 'nobody'),
    'a user that is no text': token(hs256, { iss: ['alice'] }),
    'claims that are a list': token(hs256, [{ iss: 'alice' }]),
    'claims that are null': token(hs256, null),
    'claims that are no JSON': `${header}.${base64('{')}.${signature}`,
    'a header that is no JSON': `${base64('x')}.${claims}.${signature}`,
  }
  for (const [what, text] of Object.entries(bad)) assert.equal(userOf(text), undefined, what)
  assert.equal(userOf(good), 'alice')
})

test('no text is more than refused', () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.tuple(fc.base64String(), fc.base64String(), fc.base64String()).map(parts => parts.join('.'))), text => {
    assert.equal(userOf(text), undefined)
  }))
})
