import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { indentJson } from './indent-json.ts'

test('agrees with JSON.stringify', () => {
  fc.assert(fc.property(fc.jsonValue(), value => {
    assert.equal(indentJson(JSON.stringify(value)), JSON.stringify(value, undefined, 4))
  }))
})

test('blanks of the sender do not matter', () => {
  assert.equal(indentJson(' { "a" : [ ] ,\n"b":{\t} } '), '{\n    "a": [],\n    "b": {}\n}')
})

test('numbers and escapes stay as they were sent', () => {
  assert.equal(indentJson('{"n":1795494136855464335,"f":1.10,"s":"\\u003ca\\" [,]{}"}'), '{\n    "n": 1795494136855464335,\n    "f": 1.10,\n    "s": "\\u003ca\\" [,]{}"\n}')
})
