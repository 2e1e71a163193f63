import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { AssertionError, ClusterError } from '../domain/errors.ts'
import { virtualClock } from '../platform/virtual-clock.ts'
import type { Exchange } from './exchange.ts'
import { ask, askRaw, dial, eventually, startApi } from './running-api.fixture.ts'
import { answerStream, linesOf, linesOfBatches } from './stream-answer.ts'

/** A stream of a test: what it yields is counted, and that it has ended. */
function counted (pieces: (signal: AbortSignal) => AsyncIterable<Uint8Array>) {
  const state = { yielded: 0, ended: 0, exchange: undefined as Exchange | undefined }
  async function * counting (signal: AbortSignal): AsyncGenerator<Uint8Array> {
    try {
      for await (const piece of pieces(signal)) {
        state.yielded += piece.byteLength
        yield piece
      }
    } finally {
      state.ended++
    }
  }
  const handle = (exchange: Exchange): Promise<void> => {
    state.exchange = exchange
    return answerStream(exchange, counting(exchange.signal))
  }
  return { state, routes: [{ method: 'GET', path: '/stream', handle }] }
}

const line = (text: string): Buffer => Buffer.from(`${text}\n`)
const request = 'GET /stream HTTP/1.1\r\nHost: x\r\n\r\n'
const piece = Buffer.alloc(64 * 1024, 'x')
async function * endless (): AsyncGenerator<Uint8Array> { for (;;) yield piece }

test('pieces are sent as they come', async t => {
  const steps = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const { routes } = counted(async function * () {
    yield line('1')
    await steps[0]?.promise
    yield line('2')
    yield new Uint8Array()
    await steps[1]?.promise
  })
  const { port } = await startApi(t, { routes })
  const socket = await dial(t, port)
  let text = ''
  socket.setEncoding('latin1').on('data', (piece: string) => { text += piece })
  socket.write(request)
  await eventually(() => text.includes('1\n'))
  assert.match(text, /^HTTP\/1\.1 200 OK\r\nVary: Origin\r\nContent-Type: application\/json\r\nTrailer: X-Stream-Error\r\n/)
  steps[0]?.resolve()
  await eventually(() => text.includes('2\n'))
  assert.doesNotMatch(text, /\r\n0\r\n/)
  steps[1]?.resolve()
  await eventually(() => text.endsWith('\r\n0\r\nX-Stream-Error: \r\n\r\n'))
})

test('the errors of a stream are told one by one, each on one line', async t => {
  const { routes } = counted(async function * () {
    yield line('1')
    throw new AggregateError([new ClusterError('TIMED_OUT', 'first'), new Error('second\r\nInjected: header\u0000')])
  })
  const { port, lines } = await startApi(t, { routes })
  const answer = await ask(port, '/stream')
  assert.deepEqual(answer.trailers, [['X-Stream-Error', ''], ['X-Stream-Error', 'first'], ['X-Stream-Error', 'second  Injected: header']])
  assert.deepEqual(lines.filter(text => text.startsWith('restapi error')), [
    'restapi error a request failed in an unforeseen way',
    'restapi error sending error response: 500: first',
    'restapi error sending error response: 500: second\r\nInjected: header\u0000',
  ])
})

test('the errors of many peers, and long ones, are told as far as clients take trailers', async t => {
  const goBufferBytes = 4_096
  const told = async (errors: readonly Error[]): Promise<string[]> => {
    const { routes } = counted(async function * () {
      yield line('1')
      throw new AggregateError(errors)
    })
    const { port } = await startApi(t, { routes })
    const { trailers } = await ask(port, '/stream')
    assert.ok(trailers.reduce((sum, [name, value]) => sum + `${name}: ${value}\r\n`.length, '\r\n'.length) < goBufferBytes)
    return trailers.map(([, value]) => value)
  }
  const ofMany = await told(Array.from({ length: 200 }, (_, n) => new ClusterError('PEER_UNREACHABLE', `peer ${n}: ${'no connection '.repeat(10)}`)))
  const listed = ofMany.length - 2
  assert.ok(listed > 15)
  assert.equal(ofMany.at(-1), `and ${200 - listed} more errors, which the log of the peer has`)
  assert.equal(ofMany[listed], `peer ${listed - 1}: ${'no connection '.repeat(10)}`.trim())
  // Bytes of UTF-8, one character each.
  const [, long = ''] = await told([new ClusterError('IPFS_ANSWER', `<html>${'é'.repeat(5_000)}`)])
  assert.match(Buffer.from(long, 'latin1').toString(), /^<html>é{490,497}…$/)
})

test('a stream of nothing is an answer without content, one that fails at once an error', async t => {
  const { routes } = counted(async function * () {})
  const { port } = await startApi(t, { routes })
  const nothing = await ask(port, '/stream')
  assert.deepEqual([nothing.status, nothing.headers['trailer'], nothing.trailers, nothing.body], [204, ['X-Stream-Error'], [], ''])
  const failing = counted(async function * () { throw new ClusterError('TIMED_OUT', 'no answer') })
  const { port: other } = await startApi(t, { routes: failing.routes })
  const failed = await ask(other, '/stream')
  assert.deepEqual([failed.status, failed.headers['trailer'], failed.trailers, failed.body], [500, ['X-Stream-Error'], [], '{"code":500,"message":"no answer"}\n'])
  const failingOften = counted(async function * () { throw new AggregateError([new ClusterError('TIMED_OUT', 'a: no answer'), new ClusterError('PEER_UNREACHABLE', 'b: no way')]) })
  const { port: another } = await startApi(t, { routes: failingOften.routes })
  assert.equal((await ask(another, '/stream')).body, '{"code":500,"message":"a: no answer; b: no way"}\n', 'all that failed are named')
})

test('a connection goes on after a stream, an empty one too', async t => {
  const { routes, state } = counted(async function * () { if (state.ended % 2 === 0) yield line('1') })
  const { port } = await startApi(t, { routes })
  const socket = await dial(t, port)
  let text = ''
  socket.setEncoding('latin1').on('data', (piece: string) => { text += piece })
  for (const count of [1, 2, 3]) {
    socket.write(request)
    await eventually(() => text.match(/^HTTP\/1\.1 20[04]/gm)?.length === count && text.endsWith('\r\n\r\n'))
  }
  assert.deepEqual(text.match(/^HTTP\/1\.1 \d+/gm), ['HTTP/1.1 200', 'HTTP/1.1 204', 'HTTP/1.1 200'])
})

test('a client that knows no trailers gets none', async t => {
  const { routes } = counted(async function * () { yield line('1') })
  const { port } = await startApi(t, { routes })
  const answer = await askRaw(t, port, 'GET /stream HTTP/1.0\r\n\r\n')
  assert.doesNotMatch(answer, /trailer|chunked/i)
  assert.ok(answer.endsWith('\r\n\r\n1\n'))
})

test('a slow client slows the stream down, whatever it is offered', async t => {
  const { routes, state } = counted(endless)
  const { port } = await startApi(t, { routes })
  const socket = await dial(t, port)
  socket.pause()
  socket.write(request)
  // What the kernel and the sockets hold.
  await stands(() => state.yielded)
  const held = state.yielded
  assert.ok(held > 0 && held < 32 * 1024 * 1024, `${held} bytes were made for a client that reads nothing`)
  assert.equal(state.ended, 0)
  let taken = 0
  socket.on('data', (data: Buffer) => { taken += data.length })
  socket.resume()
  await eventually(() => taken > held + 1024 * 1024)
  assert.ok(state.yielded > held)
})

test('a client that goes away ends the stream, whether it was slow or not', async t => {
  const { routes, state } = counted(endless)
  const { port, lines } = await startApi(t, { routes })
  const slow = await dial(t, port)
  slow.pause()
  slow.write(request)
  await stands(() => state.yielded)
  slow.destroy()
  await eventually(() => state.ended === 1)
  const quick = await dial(t, port)
  quick.write(request)
  await once(quick, 'data')
  quick.resetAndDestroy()
  await eventually(() => state.ended === 2)
  await eventually(() => lines.filter(text => text.startsWith('restapilog')).length === 2)
  assert.deepEqual(lines.filter(text => text.startsWith('restapi error')), [])
})

test('a client that takes nothing for an hour has gone, though its connection stands', async t => {
  const clock = virtualClock()
  const { routes, state } = counted(endless)
  const large = Buffer.alloc(16 * 1024 * 1024)
  const { port } = await startApi(t, { clock, routes: [...routes, { method: 'GET', path: '/large', handle: exchange => {
    exchange.begin(200, [])
    exchange.write(large)
    exchange.finish()
  } }] })
  const [unread, halfClosed, late] = [await dial(t, port), await dial(t, port), await dial(t, port)]
  for (const [socket, text] of [[unread, request], [halfClosed, request], [late, request.replace('/stream', '/large')]] as const) {
    socket.pause()
    socket.write(text)
  }
  await stands(() => state.yielded)
  halfClosed.end()
  await clock.advance(3_599_000)
  assert.equal(state.ended, 0)
  await clock.advance(2_000)
  await eventually(() => state.ended === 2)
  // What had been sent can be read; then the connection is over.
  for (const socket of [unread, halfClosed, late]) {
    let taken = 0
    socket.on('data', (data: Buffer) => { taken += data.length })
    socket.resume()
    await eventually(() => socket.readableEnded || socket.destroyed)
    assert.ok(taken < large.length)
  }
})

test('a client that goes away while nothing comes cancels what is waited for', async t => {
  const waiting = Promise.withResolvers<void>()
  const { routes, state } = counted(async function * (signal) {
    yield line('1')
    waiting.resolve()
    await new Promise((_, reject) => { signal.addEventListener('abort', () => { reject(signal.reason as Error) }) })
  })
  const { port, lines } = await startApi(t, { routes })
  const socket = await dial(t, port)
  socket.write(request)
  await waiting.promise
  socket.destroy()
  await eventually(() => state.ended === 1)
  assert.ok(state.exchange?.signal.aborted)
  await eventually(() => lines.some(text => text.startsWith('restapilog')))
  assert.deepEqual(lines.filter(text => text.startsWith('restapi error')), [])
})

test('a stop cancels streams and tells their clients that something is missing', async t => {
  const clock = virtualClock()
  const { routes } = counted(async function * (signal) {
    yield line('1')
    await new Promise((_, reject) => { signal.addEventListener('abort', () => { reject(signal.reason as Error) }) })
  })
  const { api, port } = await startApi(t, { routes, clock })
  const socket = await dial(t, port)
  let text = ''
  socket.setEncoding('latin1').on('data', (piece: string) => { text += piece })
  socket.write(request)
  await eventually(() => text.includes('1\n'))
  const stopped = api.stop()
  await clock.advance(500)
  await eventually(() => text.endsWith('\r\n0\r\nX-Stream-Error: \r\nX-Stream-Error: the peer stops\r\n\r\n'))
  await clock.advance(250)
  await stopped
})

test('a broken promise of our own code ends the process, and the answer is an error all the same', async t => {
  const clock = virtualClock()
  const { routes } = counted(async function * () { throw new AssertionError('the impossible') })
  const { port } = await startApi(t, { routes, clock })
  assert.equal((await ask(port, '/stream')).status, 500)
  await assert.rejects(clock.settle(), new AssertionError('the impossible'))
})

test('values become lines, alone and in batches', async () => {
  const all = async (stream: AsyncIterable<Buffer>): Promise<string> => Buffer.concat(await Array.fromAsync(stream)).toString()
  async function * batches (): AsyncGenerator<number[]> { yield [1, 2]; yield []; yield [3] }
  async function * each (): AsyncGenerator<number> { yield * [1, 2, 3] }
  assert.equal(await all(linesOfBatches(batches(), String)), '1\n2\n3\n')
  assert.equal(await all(linesOf(each(), String)), '1\n2\n3\n')
})

/** Waits until a figure no longer changes: some turns of the event loop are enough for sockets of this machine. */
async function stands (figure: () => number): Promise<void> {
  for (let before = -1, same = 0; same < 1000;) {
    await new Promise(resolve => { setImmediate(resolve) })
    const now = figure()
    same = now === before && now > 0 ? same + 1 : 0
    before = now
  }
}

