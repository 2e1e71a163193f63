import assert from 'node:assert/strict'
import { test } from 'node:test'
import { logFormat, parseLogLevels } from './loggers.ts'

test('levels are read for all and by component', () => {
  assert.deepEqual(parseLogLevels('', false), { levels: { all: 'info', components: new Map() }, repeated: [] })
  assert.deepEqual(parseLogLevels('warn,,cluster:debug,pintracker:error', false), { levels: { all: 'warn', components: new Map([['cluster', 'debug'], ['pintracker', 'error']]) }, repeated: [] })
  assert.deepEqual(parseLogLevels('all:error', false)?.levels.all, 'error')
  assert.deepEqual(parseLogLevels('a:info,info,a:debug,warn', false), { levels: { all: 'warn', components: new Map([['a', 'debug']]) }, repeated: ['a', 'all'] })
  assert.equal(parseLogLevels('a:b:c', false), undefined)
  assert.deepEqual(parseLogLevels('a:b:c', true), { levels: { all: 'debug', components: new Map() }, repeated: [] })
})

test('the form of the log is for who reads it', () => {
  assert.equal(logFormat({}, 'json', true), 'terminal')
  assert.equal(logFormat({}, 'json', false), 'json')
  assert.equal(logFormat({}, 'plain', false), 'plain')
  assert.equal(logFormat({ GOLOG_LOG_FMT: 'json' }, 'plain', true), 'json')
  assert.equal(logFormat({ GOLOG_LOG_FMT: 'nocolor' }, 'json', true), 'plain')
  assert.equal(logFormat({ GOLOG_LOG_FMT: 'color' }, 'json', false), 'terminal')
})
