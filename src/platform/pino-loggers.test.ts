import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Loggers } from './logger.ts'
import { pinoLoggers, type LogFormat } from './pino-loggers.ts'

function loggersTo (lines: string[], format: LogFormat, all = 'info', components: ReadonlyArray<readonly [string, string]> = []): Loggers {
  return pinoLoggers({ all, components: new Map(components) }, format, { write: (line: string) => { lines.push(line) } })
}

test('each line has the time to the millisecond', t => {
  const lines: string[] = []
  const logger = loggersTo(lines, 'json').component('cluster')
  t.mock.timers.enable({ apis: ['Date'], now: 0 })
  const times = ['2026-11-24T10:41:46.007Z', '2026-11-24T10:41:46.000Z', '2026-11-24T10:41:46.999Z', '2026-11-24T10:41:47.010Z', '1970-01-01T00:00:00.100Z', '2026-12-31T23:59:59.999Z', '2027-01-01T00:00:00.000Z']
  for (const time of times) {
    t.mock.timers.setTime(Date.parse(time))
    logger.info('text')
  }
  assert.deepEqual(lines.map(line => JSON.parse(line) as unknown), times.map(time => ({ level: 30, time, component: 'cluster', msg: 'text' })))
})

test('a line for people has time, level, component, text and fields between tabs', t => {
  t.mock.timers.enable({ apis: ['Date'], now: Date.parse('2026-11-24T10:41:46.007Z') })
  const lines: string[] = []
  const logger = loggersTo(lines, 'plain').component('restapi')
  logger.info('without fields')
  logger.error({ cid: 'bafy', attempts: 2 }, 'with fields')
  assert.deepEqual(lines, [
    '2026-11-24T10:41:46.007Z\tINFO\trestapi\twithout fields\n',
    '2026-11-24T10:41:46.007Z\tERROR\trestapi\twith fields\t{"cid":"bafy","attempts":2}\n',
  ])
})

test('a terminal gets the level in colour', t => {
  t.mock.timers.enable({ apis: ['Date'], now: 0 })
  const lines: string[] = []
  loggersTo(lines, 'terminal').component('crdt').warn('careful')
  assert.deepEqual(lines, ['1970-01-01T00:00:00.000Z\t\u001b[33mWARN\u001b[0m\tcrdt\tcareful\n'])
})

test('a component has its own level where one is named, else the general one', () => {
  const lines: string[] = []
  const loggers = loggersTo(lines, 'json', 'warn', [['crdt', 'debug'], ['swarm2', 'info'], ['odd', 'loudly']])
  for (const name of ['cluster', 'crdt', 'swarm2', 'p2p-gorpc', 'pebble', 'odd']) {
    const logger = loggers.component(name)
    for (const level of ['debug', 'info', 'warn', 'error'] as const) logger[level](`${name} ${level}`)
  }
  assert.deepEqual(lines.map(line => (JSON.parse(line) as { msg: string }).msg), [
    'cluster warn', 'cluster error', 'crdt debug', 'crdt info', 'crdt warn', 'crdt error', 'swarm2 info', 'swarm2 warn', 'swarm2 error',
    'p2p-gorpc error', 'pebble warn', 'pebble error', 'odd info', 'odd warn', 'odd error',
  ])
})

test('a component always has the same logger', () => {
  const loggers = loggersTo([], 'json')
  assert.equal(loggers.component('adder'), loggers.component('adder'))
})
