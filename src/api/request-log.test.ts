import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { silentLogger, type Logger } from '../platform/logger.ts'
import { appendedFile, commonLogLine, FileLog, openRequestLog } from './request-log.ts'

const folder = mkdtempSync(join(tmpdir(), 'request-log-'))
after(() => { rmSync(folder, { recursive: true, force: true }) })

function recorder (): { logger: Logger, lines: string[] } {
  const lines: string[] = []
  const write = (first: object | string, text?: string): void => { lines.push(text ?? String(first)) }
  return { logger: { debug: write, info: write, warn: write, error: write }, lines }
}

test('a line has the form of the Common Log Format', () => {
  const request = { method: 'POST', httpVersion: '1.1', socket: { remoteAddress: '127.0.0.1' } } as IncomingMessage
  const line = (url: string, time: string): string => commonLogLine(request, url, Date.parse(time), 200, 505)
  assert.equal(line('/pins/Qm?a=b', '2026-11-24T10:41:46.999Z'), '127.0.0.1 - - [24/Nov/2026:10:41:46 +0000] "POST /pins/Qm?a=b HTTP/1.1" 200 505')
  assert.equal(line('/', '2026-01-02T03:04:05Z'), '127.0.0.1 - - [02/Jan/2026:03:04:05 +0000] "POST / HTTP/1.1" 200 505')
  assert.equal(line('/', '2026-12-31T23:59:59.001Z'), '127.0.0.1 - - [31/Dec/2026:23:59:59 +0000] "POST / HTTP/1.1" 200 505')
})

test('what is in a URL can neither end the line nor its quotes', () => {
  const request = { method: 'GET', httpVersion: '1.0', socket: {} } as IncomingMessage
  assert.equal(commonLogLine(request, '/a"b\\c\u00e9', 0, 400, 0), '@ - - [01/Jan/1970:00:00:00 +0000] "GET /a\\"b\\\\cé HTTP/1.0" 400 0')
  assert.equal(commonLogLine(request, '/a\nb\r\u001b[31m', 0, 400, 0).includes('\n'), false)
})

test('without a file the lines go to the log of the peer', async () => {
  const { logger, lines } = recorder()
  const log = await openRequestLog('', logger, silentLogger)
  log.line('one')
  log.line('two')
  await log.close()
  assert.deepEqual(lines, ['one', 'two'])
})

test('a file is appended to, and complete when the log is closed', async () => {
  const path = join(folder, 'access.log')
  writeFileSync(path, 'before\n')
  const { logger, lines } = recorder()
  const log = await openRequestLog(path, logger, logger)
  for (let i = 0; i < 1000; i++) log.line(`line ${i}`)
  await log.close()
  assert.equal(readFileSync(path, 'utf8'), `before\n${Array.from({ length: 1000 }, (_, i) => `line ${i}\n`).join('')}`)
  assert.deepEqual(lines, [])
  await log.close()
})

test('a disk that is too slow makes lines drop, not memory grow, and that is told', async () => {
  const path = join(folder, 'slow.log')
  const { logger, lines } = recorder()
  const log = await openRequestLog(path, silentLogger, logger)
  const line = 'x'.repeat(64 * 1024)
  // Nothing is written before this turn of the event loop ends.
  for (let i = 0; i < 100; i++) log.line(line)
  await new Promise<void>(resolve => {
    const tryAgain = (): void => {
      log.line('again')
      if (lines.length > 0) resolve()
      else setImmediate(tryAgain)
    }
    setImmediate(tryAgain)
  })
  await log.close()
  const text = readFileSync(path, 'utf8')
  assert.ok(text.length < 2 * 1024 * 1024, String(text.length))
  assert.ok(text.endsWith('again\n'))
  assert.deepEqual(lines, ['the disk was too slow for the log of requests'])
})

test('a file that cannot be written is refused at the start', async () => {
  const path = join(folder, 'absent', 'access.log')
  await assert.rejects(openRequestLog(path, silentLogger, silentLogger), { code: 'INVALID_CONFIGURATION', message: `the log of requests cannot be written: open ${path}: no such file or directory` })
})

test('a full disk is told once, and the log goes on when there is room again', async () => {
  const { logger, lines } = recorder()
  let isFull = false
  const written: string[] = []
  const log = new FileLog({
    async append (text) {
      if (isFull) throw new Error('ENOSPC: no space left on device, write')
      written.push(text)
    },
    async close () {},
  }, 'access.log', logger)
  const turn = (): Promise<void> => new Promise(resolve => { setImmediate(resolve) })
  log.line('one')
  await turn()
  isFull = true
  for (const text of ['two', 'three', 'four']) {
    log.line(text)
    await turn()
  }
  assert.deepEqual(lines, ['the log of requests cannot be written'])
  isFull = false
  log.line('five')
  await log.close()
  assert.deepEqual(written, ['one\n', 'five\n'])
  assert.deepEqual(lines, ['the log of requests cannot be written', 'the log of requests is written again'])
})

test('a line that a full disk cuts off ends before the next one', async () => {
  let room = 6
  let written = ''
  const file = appendedFile({
    async write (bytes: Uint8Array, from: number) {
      if (room === 0) throw new Error('ENOSPC: no space left on device, write')
      const taken = bytes.subarray(from, from + room)
      room -= taken.length
      written += Buffer.from(taken).toString()
      return { bytesWritten: taken.length }
    },
    async close () {},
  })
  await assert.rejects(file.append('one\ntwo\n'))
  await assert.rejects(file.append('three\n'))
  room = 100
  await file.append('four\n')
  await file.append('five\n')
  assert.equal(written, 'one\ntw\nfour\nfive\n')
})

test('a log on a full disk ends with the peer', { skip: existsSync('/dev/full') ? false : 'no /dev/full' }, async () => {
  const { logger, lines } = recorder()
  const log = await openRequestLog('/dev/full', silentLogger, logger)
  log.line('one')
  await log.close()
  log.line('two')
  assert.deepEqual(lines, ['the log of requests cannot be written'])
})
