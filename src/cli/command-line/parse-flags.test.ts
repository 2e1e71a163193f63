import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Flag } from './command.ts'
import { moveFlagsToFront, parseFlags } from './parse-flags.ts'

const flags: readonly Flag[] = [
  { kind: 'boolean', names: ['force', 'f'], usage: '' },
  { kind: 'text', names: ['name', 'n'], usage: '', default: 'none', environment: 'TEST_NAME' },
  { kind: 'integer', names: ['count', 'c'], usage: '', default: 7 },
  { kind: 'duration', names: ['wait'], usage: '' },
  { kind: 'texts', names: ['metadata'], usage: '' },
]

function parse (...args: string[]) { return parseFlags(flags, args, {}) }

test('one dash is as good as two, values stand behind = or a blank', () => {
  for (const args of [['-name', 'x'], ['--name', 'x'], ['--name=x'], ['-n', 'x'], ['-n=x']]) {
    const { values, rest, problem } = parse(...args, 'rest')
    assert.deepEqual([values.text('name'), rest, problem], ['x', ['rest'], undefined])
  }
})

test('a boolean flag takes its value behind = only', () => {
  assert.equal(parse('--force').values.boolean('force'), true)
  assert.equal(parse('--force=false').values.boolean('force'), false)
  const { values, rest } = parse('-f', 'false')
  assert.deepEqual([values.boolean('force'), rest], [true, ['false']])
})

test('flags end at the first argument, at --, and at a lone dash', () => {
  assert.deepEqual(parse('-f', 'a', '-c', '1').rest, ['a', '-c', '1'])
  assert.deepEqual(parse('-f', '--', '-c').rest, ['-c'])
  assert.deepEqual(parse('-f', '-', '-c').rest, ['-', '-c'])
})

test('a value may begin with a dash', () => {
  assert.equal(parse('--count', '-2').values.integer('count'), -2)
  assert.equal(parse('--name', '--force').values.text('name'), '--force')
})

test('integers are read in every base of the reference', () => {
  for (const [text, value] of [['0x10', 16], ['-0b11', -3], ['0o17', 15], ['017', 15], ['1_000', 1000], ['+5', 5]] as const) {
    assert.equal(parse('-c', text).values.integer('count'), value, text)
  }
})

test('what cannot be read is told in the words of the reference', () => {
  const cases: ReadonlyArray<readonly [string[], string]> = [
    [['-x'], 'flag provided but not defined: -x'],
    [['--x=1'], 'flag provided but not defined: -x'],
    [['---force'], 'bad flag syntax: ---force'],
    [['-=x'], 'bad flag syntax: -=x'],
    [['--name'], 'flag needs an argument: -name'],
    [['-c', 'x'], 'invalid value "x" for flag -c: parse error'],
    [['-c', '08'], 'invalid value "08" for flag -c: parse error'],
    [['-c', '9223372036854775808'], 'invalid value "9223372036854775808" for flag -c: value out of range'],
    [['--wait', '5'], 'invalid value "5" for flag -wait: parse error'],
    [['--force=maybe'], 'invalid boolean value "maybe" for -force: parse error'],
  ]
  for (const [args, message] of cases) assert.equal(parse(...args).problem, message)
})

test('two names of one flag are refused', () => {
  assert.equal(parse('-c', '1', '--count', '2').twoForms, 'Cannot use two forms of the same flag: c count')
  assert.equal(parse('-c', '1', '-c', '2').twoForms, undefined)
})

test('the environment gives a value, also an empty one, unless the flag is there', () => {
  const read = (args: string[], value?: string) => parseFlags(flags, args, { TEST_NAME: value }).values
  assert.equal(read([]).text('name'), 'none')
  assert.equal(read([], '').text('name'), '')
  assert.equal(read([], 'x').isSet('name'), true)
  assert.equal(read(['-n', 'y'], 'x').text('name'), 'y')
})

test('repeated flags: the last one counts, a list collects', () => {
  const { values } = parse('-c', '1', '-c', '2', '--metadata', 'a=1', '--metadata', 'b=2')
  assert.deepEqual([values.integer('count'), values.texts('metadata')], [2, ['a=1', 'b=2']])
})

test('asking for a flag that the table lacks is a defect', () => {
  assert.throws(() => parse().values.text('nosuch'), /no flag nosuch/)
  assert.throws(() => parse().values.text('count'), /flag count is integer/)
})

test('flags behind the arguments move to the front with what may be their value', () => {
  assert.deepEqual(moveFlagsToFront(flags, ['cid', '--force']), ['--force', 'cid'])
  assert.deepEqual(moveFlagsToFront(flags, ['a', '-c', '-1', 'b', '--name=x']), ['-c', '-1', '--name=x', 'a', 'b'])
  assert.deepEqual(moveFlagsToFront(flags, ['a', '--', '-c', '1']), ['--', 'a', '-c', '1'])
  assert.deepEqual(moveFlagsToFront(flags, ['a', '--unknown']), ['a', '--unknown'])
})

test('moving flags loses no word and keeps each order', () => {
  const word = fc.constantFrom('a', 'b', '--force', '-c', '--name=x', '-1', '--', '-', '--unknown')
  fc.assert(fc.property(fc.array(word), args => {
    assert.deepEqual(moveFlagsToFront(flags, args).toSorted(), args.toSorted())
  }))
})

test('any words are read or refused, never thrown', () => {
  fc.assert(fc.property(fc.array(fc.string()), args => {
    const { rest, problem } = parse(...args)
    assert.ok(problem !== undefined || rest.length <= args.length)
  }))
})
