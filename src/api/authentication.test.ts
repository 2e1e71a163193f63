import assert from 'node:assert/strict'
import { test } from 'node:test'
import { virtualClock } from '../platform/virtual-clock.ts'
import { Authentication } from './authentication.ts'

const authentication = new Authentication({ 'alice': 'secret', 'bob': 'a:b:c', 'empty': '', '': 'nobody', 'jörg': 'pässword', '__proto__': 'x' }, virtualClock())
const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`
const realm = 'realm="Restricted IPFS Cluster API"'
const denied = { message: 'unauthorized: access denied', challenges: [`Basic ${realm}`] }
const invalidToken = { message: 'unauthorized: invalid token', challenges: [`Bearer ${realm}, error="invalid_token"`] }
const nothingGiven = { message: 'unauthorized: no auth provided', challenges: [`Bearer ${realm}`, `Basic ${realm}`] }

test('user and password prove the user', () => {
  assert.equal(authentication.check(basic('alice:secret')), 'alice')
  assert.equal(authentication.check(basic('alice:secret').replace('Basic', 'bASIC')), 'alice')
  assert.equal(authentication.check(basic('bob:a:b:c')), 'bob')
  assert.equal(authentication.check(basic('jörg:pässword')), 'jörg')
})

test('a wrong user or password is denied, also an empty one that is right', () => {
  for (const text of ['alice:Secret', 'alice:', 'carol:secret', 'empty:', ':nobody', ':', 'alice:secret ', 'constructor:x', 'toString:']) {
    assert.deepEqual(authentication.check(basic(text)), denied, text)
  }
})

test('a token proves its user', () => {
  const token = authentication.token('alice')
  assert.equal(authentication.check(`Bearer ${token}`), 'alice')
  assert.equal(authentication.check(`bearer ${token}`), 'alice')
  for (const bad of ['Bearer ', 'Bearer x', `Bearer ${token}x`, `Bearer  ${token}`]) assert.deepEqual(authentication.check(bad), invalidToken, bad)
})

test('there is no token for somebody unknown', () => {
  for (const user of ['carol', 'constructor']) assert.equal(authentication.token(user), undefined)
})

test('without anything that can be read the client is told what there is', () => {
  for (const text of [undefined, '', 'Basic', 'Basic !!!', 'Basic YWxpY2U', basic('no colon'), 'Digest a=b', 'Bearer', 'Token abc']) {
    assert.deepEqual(authentication.check(text), nothingGiven, String(text))
  }
})
