import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatJsonText, parseJsonText } from './json-text.ts'

test('what is wrong is shown with its place', () => {
  const wrong: ReadonlyArray<readonly [string, string]> = [
    ['', 'unexpected end of JSON input'],
    ['{', 'unexpected end of JSON input'],
    ['{"a": tru', 'unexpected end of JSON input'],
    ['{"a": "x', 'unexpected end of JSON input'],
    ['hello', 'service.json is not JSON: invalid character "h" in line 1, column 1'],
    ['{\n  "a": [1,]\n}', 'service.json is not JSON: invalid character "]" in line 2, column 11'],
    ['{\n  "a": 1,\n}', 'service.json is not JSON: invalid character "}" in line 3, column 1'],
    ['{"a": 1} x', 'service.json is not JSON: invalid character "x" in line 1, column 10'],
    ['{\'a\': 1}', 'service.json is not JSON: invalid character "\'" in line 1, column 2'],
    ['{"a": 1, // why\n}', 'service.json is not JSON: invalid character "/" in line 1, column 10'],
    ['{"a": +1}', 'service.json is not JSON: invalid character "+" in line 1, column 7'],
  ]
  for (const [text, message] of wrong) assert.throws(() => parseJsonText(text, 'service.json'), { code: 'INVALID_CONFIGURATION', message }, text)
})

test('every beginning of a JSON text is cut off, not invalid', () => {
  fc.assert(fc.property(fc.jsonValue().map(json => JSON.stringify({ json })), fc.nat(), (text, at) => {
    assert.throws(() => parseJsonText(text.slice(0, at % text.length), 'x'), { message: 'unexpected end of JSON input' })
  }))
})

test('written text is read back', () => {
  fc.assert(fc.property(fc.jsonValue(), json => {
    assert.deepEqual(parseJsonText(formatJsonText(json, 2), 'x'), JSON.parse(JSON.stringify(json)))
  }))
  assert.equal(formatJsonText({ a: '<b>&\u2028' }, 2), '{\n  "a": "\\u003cb\\u003e\\u0026\\u2028"\n}')
})
