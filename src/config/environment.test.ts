import assert from 'node:assert/strict'
import { test } from 'node:test'
import { variableToJson, type VariableType } from './environment.ts'

test('texts become what the reference reads from them', () => {
  const cases: ReadonlyArray<readonly [VariableType, string, unknown]> = [
    ['string', ' as it is ', ' as it is '], ['string', '', ''],
    ['int', '12', 12], ['int', '-3', -3], ['int', '+3', 3], ['int', '0x1F', 31], ['int', '-0b101', -5], ['int', '0o17', 15], ['int', '017', 15], ['int', '1_000', 1000], ['int', '0', 0],
    ['uint64', '18', 18], ['float64', '0.5', 0.5], ['float64', '-1e3', -1000], ['float64', '.5', 0.5],
    ['bool', 't', true], ['bool', 'FALSE', false], ['bool', '0', false], ['bool', 'True', true],
    ['[]string', 'a,b', ['a', 'b']], ['[]string', 'a, b', ['a', ' b']], ['[]string', '', []], ['[]string', '  ', []], ['[]string', ',', ['', '']],
    ['map[string]string', 'a:1,b:2', { a: '1', b: '2' }], ['map[string]string', '', {}], ['map[string]string', 'a:', { a: '' }],
    ['map[string][]string', 'A:1,B:2', { A: ['1'], B: ['2'] }],
  ]
  for (const [type, text, json] of cases) assert.deepEqual(variableToJson(type, text), json, `${type} ${text}`)
})

test('what cannot be read has the reference\'s words', () => {
  const cases: ReadonlyArray<readonly [VariableType, string, string]> = [
    ['int', 'two', 'strconv.ParseInt: parsing "two": invalid syntax'], ['int', '', 'strconv.ParseInt: parsing "": invalid syntax'],
    ['int', '1__0', 'strconv.ParseInt: parsing "1__0": invalid syntax'], ['int', '08', 'strconv.ParseInt: parsing "08": invalid syntax'],
    ['int', '9223372036854775808', 'strconv.ParseInt: parsing "9223372036854775808": value out of range'],
    ['uint64', '-1', 'strconv.ParseUint: parsing "-1": invalid syntax'],
    ['float64', '1,5', 'strconv.ParseFloat: parsing "1,5": invalid syntax'],
    ['bool', 'yes', 'strconv.ParseBool: parsing "yes": invalid syntax'],
    ['map[string]string', 'a', 'invalid map item: "a"'], ['map[string]string', 'a:b:c', 'invalid map item: "a:b:c"'],
  ]
  for (const [type, text, message] of cases) assert.throws(() => variableToJson(type, text), { message }, `${type} ${text}`)
})

test('names that objects have anyway are names like any other', () => {
  const json = variableToJson('map[string]string', '__proto__:x,toString:y') as Record<string, string>
  assert.deepEqual(Object.entries(json), [['__proto__', 'x'], ['toString', 'y']])
  assert.throws(() => variableToJson('bool', 'toString'), /invalid syntax/)
})
