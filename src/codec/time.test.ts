import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { time } from '../../test/arbitraries.ts'
import { ClusterError } from '../domain/errors.ts'
import { formatTime, parseTime } from './time.ts'

test('a moment comes back from its text', () => {
  fc.assert(fc.property(time, (value) => {
    assert.equal(parseTime(formatTime(value)), value)
  }))
})

test('the text of whole milliseconds is that of the runtime without trailing zeros', () => {
  fc.assert(fc.property(fc.date({ min: new Date('0001-01-02'), max: new Date('9999-12-31'), noInvalidDate: true }), (date) => {
    if (date.getTime() !== 0) assert.equal(formatTime(date.getTime()), date.toISOString().replace(/\.?0*Z$/, 'Z'))
  }))
})

test('an unset moment is the zero time, and so is what has no text', () => {
  assert.equal(formatTime(0), '0001-01-01T00:00:00Z')
  assert.equal(parseTime('0001-01-01T00:00:00Z'), 0)
  for (const value of [NaN, Infinity, -Infinity, 1e18, -1e18]) assert.equal(formatTime(value), '0001-01-01T00:00:00Z')
})

test('a fraction that rounds up carries into the second', () => {
  assert.equal(formatTime(1_700_000_001_000 - 2 ** -12), '2023-11-14T22:13:21Z')
  assert.equal(formatTime(1_700_000_000_000.25), '2023-11-14T22:13:20.00025Z')
})

test('the last moment is that of year 9999, however it is rounded or moved', () => {
  for (const fraction of ['.9999999', '.99999', '.99', '']) {
    const time = parseTime(`9999-12-31T23:59:59${fraction}Z`)
    assert.equal(formatTime(time).slice(0, 19), '9999-12-31T23:59:59', fraction)
  }
  for (const text of ['9999-12-31T23:59:59-12:00', '0000-01-01T00:00:00+12:00']) {
    assert.throws(() => parseTime(text), { code: 'INVALID_INPUT', message: `parsing time "${text}": year out of range` })
  }
})

test('offsets and long fractions are read', () => {
  const noon = Date.UTC(2026, 10, 24, 12)
  const texts = [['2026-11-24T12:00:00Z', 0], ['2026-11-24T14:00:00+02:00', 0], ['2026-11-24T05:00:00-07:00', 0], ['2026-11-24T12:00:00.123456789Z', 123.457], ['2026-11-24T12:00:00,5Z', 500]] as const
  for (const [text, more] of texts) assert.equal(parseTime(text), noon + more, text)
})

test('what is no time is refused in the words of the reference', () => {
  const form = 'as "2006-01-02T15:04:05Z07:00": cannot parse'
  const texts: ReadonlyArray<readonly [text: string, message: string]> = [
    ['tomorrow', `parsing time "tomorrow" ${form} "tomorrow" as "2006"`],
    ['', `parsing time "" ${form} "" as "2006"`],
    ['2026-11-24', `parsing time "2026-11-24" ${form} "" as "T"`],
    ['2026-1-24T07:43:00Z', `parsing time "2026-1-24T07:43:00Z" ${form} "1-24T07:43:00Z" as "01"`],
    ['2026-11-24T07:43:00', `parsing time "2026-11-24T07:43:00" ${form} "" as "Z07:00"`],
    ['2026-13-24T07:43:00Z', 'parsing time "2026-13-24T07:43:00Z": month out of range'],
    ['2026-02-30T07:43:00Z', 'parsing time "2026-02-30T07:43:00Z": day out of range'],
    ['2026-11-24T24:43:00Z', 'parsing time "2026-11-24T24:43:00Z": hour out of range'],
    ['2026-11-24T07:43:00+25:00', 'parsing time "2026-11-24T07:43:00+25:00": time zone offset hour out of range'],
    ['2026-11-24T07:43:00Zx', 'parsing time "2026-11-24T07:43:00Zx": extra text: "x"'],
    ['é"', `parsing time "\\xc3\\xa9\\"" ${form} "\\xc3\\xa9\\"" as "2006"`],
  ]
  for (const [text, message] of texts) assert.throws(() => parseTime(text), { code: 'INVALID_INPUT', message }, text)
})

test('no text does more than be refused, and a long one is not repeated in full', () => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.{0,8}$/)), (text) => {
    try {
      assert.ok(Number.isFinite(parseTime(text)))
    } catch (error) {
      assert.ok(error instanceof ClusterError, String(error))
    }
  }), { numRuns: 2000 })
  assert.throws(() => parseTime('9'.repeat(1e6)), (error: Error) => error.message.length < 300)
})
