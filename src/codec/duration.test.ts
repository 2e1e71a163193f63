import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { ClusterError } from '../domain/errors.ts'
import { formatDuration, parseDuration } from './duration.ts'

test('durations are read in milliseconds and written in their normal form', () => {
  const cases: ReadonlyArray<readonly [text: string, ms: number, normal: string]> = [
    ['0', 0, '0s'], ['24h', 86_400_000, '24h0m0s'], ['90m', 5_400_000, '1h30m0s'], ['-1.5h', -5_400_000, '-1h30m0s'], ['2h45m', 9_900_000, '2h45m0s'],
    ['300ms', 300, '300ms'], ['1500ms', 1500, '1.5s'], ['.5s', 500, '500ms'], ['1us', 0.001, '1µs'], ['1µs', 0.001, '1µs'], ['1μs', 0.001, '1µs'],
    ['7ns', 0.000007, '7ns'], ['1m0.5s', 60_500, '1m0.5s'], ['+5s', 5000, '5s'], ['1ms1us', 1.001, '1.001ms'],
  ]
  for (const [text, ms, normal] of cases) {
    assert.equal(parseDuration(text), ms, text)
    assert.equal(formatDuration(ms), normal, text)
  }
})

test('a duration comes back from its text', () => {
  fc.assert(fc.property(fc.integer({ min: -(2 ** 50), max: 2 ** 50 }), (micros) => {
    assert.equal(parseDuration(formatDuration(micros / 1000)), micros / 1000)
  }))
})

test('what is no duration is refused in the words of the reference', () => {
  const texts: ReadonlyArray<readonly [text: string, message: string]> = [
    ['soon', 'time: invalid duration "soon"'], ['', 'time: invalid duration ""'], ['.', 'time: invalid duration "."'], ['-', 'time: invalid duration "-"'],
    ['5', 'time: missing unit in duration "5"'], ['1day', 'time: unknown unit "day" in duration "1day"'], ['1h-5m', 'time: unknown unit "h-" in duration "1h-5m"'],
    ['2562048h', 'time: invalid duration "2562048h"'], ['3é', 'time: unknown unit "\\xc3\\xa9" in duration "3\\xc3\\xa9"'],
  ]
  for (const [text, message] of texts) assert.throws(() => parseDuration(text), { code: 'INVALID_INPUT', message }, text)
})

test('no text does more than be refused', () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[-+]?[\d.hmsunµ]{0,40}$/)), (text) => {
    try {
      assert.ok(Number.isFinite(parseDuration(text)))
    } catch (error) {
      assert.ok(error instanceof ClusterError, String(error))
    }
  }), { numRuns: 2000 })
  assert.throws(() => parseDuration('1'.repeat(1e6)), { code: 'INVALID_INPUT' })
})
