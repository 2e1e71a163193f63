import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fullWriter, logFormat, parseLogLevels } from './loggers.ts'

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

test('what a full disk does not take is lost, and a line that was cut off ends before the next', () => {
  let room = 14
  let written = ''
  const left: string[] = []
  const write = fullWriter((bytes, from) => {
    if (room === 0) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
    const taken = Buffer.from(bytes).subarray(from, from + room)
    room -= taken.length
    written += taken.toString()
    return taken.length
  }, { leave: bytes => { left.push(bytes.toString()) }, waitingBytes: () => 0 })
  write('first line\n')
  write('second line\n')
  write('third line\n')
  assert.equal(written, 'first line\nsec')
  room = 1_000
  write('fourth line\n')
  write('fifth line\n')
  assert.equal(written, 'first line\nsec\nfourth line\nfifth line\n')
  assert.deepEqual(left, [], 'the stream would end the process with the error')
})

test('what a slow reader has no room for is left to the stream, and so is what comes behind it, up to a bound', () => {
  let written = ''
  let left = ''
  let room = 3
  let waitingBytes = 0
  const write = fullWriter((bytes, from) => {
    if (room === 0) throw Object.assign(new Error('try again'), { code: 'EAGAIN' })
    const taken = Buffer.from(bytes).subarray(from, from + room)
    room -= taken.length
    written += taken.toString()
    return taken.length
  }, {
    leave (bytes) {
      left += Buffer.from(bytes).toString()
      waitingBytes += bytes.length
    },
    waitingBytes: () => waitingBytes,
  })
  write('a line\n')
  // There is room again, but what was left before has not been written.
  room = 1_000
  write('another\n')
  assert.deepEqual([written, left], ['a l', 'ine\nanother\n'])
  waitingBytes = 0
  write('a third\n')
  assert.equal(written, 'a la third\n')
  room = 0
  write('a fourth\n')
  const line = `${'x'.repeat(1024 * 1024)}\n`
  for (let i = 0; i < 100; i++) write(line)
  assert.ok(waitingBytes > 16 * 1024 * 1024 && waitingBytes < 18 * 1024 * 1024, 'what waits is bounded')
})
