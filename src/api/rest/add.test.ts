import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { multipartBody, multipartType, plainAddOptions, type FixtureEntry } from '../../adder/uploads.fixture.ts'
import { ClusterError } from '../../domain/errors.ts'
import { ask, dial, eventually, type Answer } from '../running-api.fixture.ts'
import { self, someCid, startRest } from './memory-operations.fixture.ts'

const entries: FixtureEntry[] = [{ path: 'dir', kind: 'directory' }, { path: 'dir/a b.txt', content: 'hello' }]

function add (port: number, query = '', body: Uint8Array = multipartBody(entries), type = multipartType): Promise<Answer> {
  return ask(port, `/add${query}`, { method: 'POST', headers: { 'Content-Type': type }, body })
}

const output = (name: string, size: number): object => ({ name, cid: someCid, ...(size > 0 && { size }), allocations: [self] })
const lines = (answer: Answer): unknown[] => answer.body.split('\n').filter(line => line !== '').map(line => JSON.parse(line) as unknown)

test('what is added is told a line each, and a trailer only when something went wrong', async t => {
  const { port, operations } = await startRest(t)
  const answer = await add(port)
  assert.equal(answer.status, 200)
  assert.deepEqual(lines(answer), [output('dir', 0), output('dir/a b.txt', 5)])
  assert.deepEqual(answer.trailers, [])
  assert.deepEqual(answer.headers, { 'vary': ['Origin'], 'content-type': ['application/json'], 'cache-control': ['no-cache'], 'x-chunked-output': ['1'], 'trailer': ['X-Stream-Error'], 'transfer-encoding': ['chunked'] })
  assert.deepEqual(operations.calls, [['add', { ...plainAddOptions, pin: { ...plainAddOptions.pin, metadata: {} } }]])
})

test('without streaming the answer is one array', async t => {
  const { port } = await startRest(t)
  const answer = await add(port, '?stream-channels=false')
  assert.deepEqual([answer.status, JSON.parse(answer.body)], [200, [output('dir', 0), output('dir/a b.txt', 5)]])
  assert.deepEqual(answer.headers, { 'vary': ['Origin'], 'content-type': ['application/json'], 'cache-control': ['no-cache'], 'content-length': [String(Buffer.byteLength(answer.body))] })
})

test('progress is told before the file is whole', async t => {
  const { port } = await startRest(t)
  const answer = await add(port, '?progress=true', multipartBody([{ path: 'a', content: 'hello' }]))
  assert.deepEqual(lines(answer), [{ name: '', cid: null, bytes: 5 }, output('a', 5)])
})

test('an error in the middle is in the trailer, or the answer when there is no stream', async t => {
  const { port, operations } = await startRest(t)
  operations.failures.set('add', new ClusterError('NOT_ENOUGH_PEERS', 'not enough peers'))
  const streamed = await add(port)
  assert.deepEqual([streamed.status, lines(streamed).length, streamed.trailers], [200, 2, [['X-Stream-Error', 'not enough peers']]])
  const collected = await add(port, '?stream-channels=false')
  assert.deepEqual([collected.status, collected.body, collected.headers['cache-control']], [500, '{"code":500,"message":"not enough peers"}\n', ['no-cache']])
})

test('a client that is still sending is told why its add failed', async t => {
  const { port, lines: log } = await startRest(t)
  const body = multipartBody([{ path: 'a', content: 'hello' }, { path: 'b' }]).subarray(0, -15)
  const piece = Buffer.alloc(1_000_000, 'a header that is too long')
  const failure = 'multipart: NextPart: the headers of a part are too large'
  for (const [query, answer] of [['', new RegExp(`\r\nX-Stream-Error: ${failure}\r\n\r\n$`)], ['?stream-channels=false', new RegExp(`"message":"${failure}"\\}\n$`)]] as const) {
    const socket = await dial(t, port)
    socket.write(`POST /add${query} HTTP/1.1\r\nHost: x\r\nContent-Type: ${multipartType}\r\nContent-Length: 1000000000\r\n\r\n`)
    socket.write(body)
    socket.write(piece)
    const answers = (): number => log.filter(line => line.startsWith('restapilog')).length
    const before = answers()
    await eventually(() => answers() > before)
    socket.write(piece)
    let text = ''
    for await (const data of socket.setEncoding('latin1')) text += data as string
    assert.match(text, answer)
  }
})

test('what is no upload, has no file or bad options is refused before anything is added', async t => {
  const { port, operations } = await startRest(t)
  const body = multipartBody(entries)
  const refusals: ReadonlyArray<readonly [query: string, body: Uint8Array, type: string, message: string]> = [
    ['', body, 'text/plain', 'request Content-Type isn\'t multipart/form-data'],
    ['', body, '', 'request Content-Type isn\'t multipart/form-data'],
    ['', body, 'multipart/form-data', 'no multipart boundary param in Content-Type'],
    ['?layout=round', body, multipartType, 'layout parameter is invalid'],
    ['?format=zip', body, multipartType, 'format parameter is invalid'],
    ['?wrap-with-directory=maybe', body, multipartType, 'parameter wrap-with-directory invalid'],
    ['?replication=x', body, multipartType, 'parameter replication-min invalid'],
    ['', Buffer.from('--bound--\r\n'), multipartType, 'the upload has no file: send at least one multipart part'],
  ]
  for (const [query, upload, type, message] of refusals) {
    const answer = await add(port, query, upload, type)
    assert.deepEqual([answer.status, answer.body], [400, `{"code":400,"message":${JSON.stringify(message)}}\n`], `${query} ${type}`)
    assert.equal(answer.headers['x-chunked-output'], undefined)
  }
  assert.deepEqual(operations.calls, [])
})

test('the connection ends with the answer', async t => {
  const { port } = await startRest(t)
  const socket = await dial(t, port)
  const body = multipartBody(entries)
  socket.write(`POST /add HTTP/1.1\r\nHost: x\r\nContent-Type: ${multipartType}\r\nContent-Length: ${body.length}\r\n\r\n`)
  socket.write(body)
  let text = ''
  for await (const piece of socket.setEncoding('latin1')) text += piece as string
  assert.match(text, /^Connection: close\r$/m)
})

test('that the connection ends is said once, also when the upload goes on behind its last part', async t => {
  const { port } = await startRest(t)
  const socket = await dial(t, port)
  const body = multipartBody(entries)
  socket.write(`POST /add?stream-channels=false HTTP/1.1\r\nHost: x\r\nContent-Type: ${multipartType}\r\nContent-Length: ${body.length + 1_000_000}\r\n\r\n`)
  socket.write(body)
  let text = ''
  for await (const piece of socket.setEncoding('latin1')) text += piece as string
  assert.equal(text.match(/^Connection: close\r$/mg)?.length, 1)
})

test('the answer begins before the upload ends, and a file is told when it is done', async t => {
  const { port } = await startRest(t)
  const socket = await dial(t, port)
  let text = ''
  socket.setEncoding('latin1').on('data', (piece: string) => { text += piece })
  const chunk = (text: string): void => { socket.write(`${text.length.toString(16)}\r\n${text}\r\n`) }
  const body = multipartBody([{ path: 'first', content: 'hello' }, { path: 'second', content: 'you' }]).toString()
  const middle = body.indexOf('you')
  socket.write(`POST /add HTTP/1.1\r\nHost: x\r\nContent-Type: ${multipartType}\r\nTransfer-Encoding: chunked\r\n\r\n`)
  chunk(body.slice(0, middle))
  await eventually(() => text.includes('"first"'))
  assert.match(text, /^HTTP\/1\.1 200 OK\r\n/)
  assert.doesNotMatch(text, /"second"|\r\n0\r\n/)
  chunk(body.slice(middle))
  socket.write('0\r\n\r\n')
  await once(socket, 'end')
  assert.match(text, /"second".*\n\r\n0\r\n\r\n$/)
})

test('an upload that is cut off is told as such', async t => {
  const { port } = await startRest(t)
  const answer = await add(port, '', multipartBody(entries).subarray(0, -20))
  assert.deepEqual([answer.status, answer.trailers], [200, [['X-Stream-Error', 'multipart: NextPart: EOF']]])
})

test('a client that goes away in the middle of its upload cancels the add', async t => {
  const { port, operations, lines: log } = await startRest(t)
  const begun = Promise.withResolvers<AbortSignal | undefined>()
  operations.onStream = begun.resolve
  const socket = await dial(t, port)
  socket.write(`POST /add HTTP/1.1\r\nHost: x\r\nContent-Type: ${multipartType}\r\nContent-Length: 1000000\r\n\r\n`)
  socket.write(multipartBody([{ path: 'a', content: 'hello' }]).subarray(0, -15))
  const signal = await begun.promise
  socket.destroy()
  await eventually(() => operations.openStreams === 0)
  await eventually(() => signal?.aborted === true)
  await eventually(() => log.some(line => line.startsWith('restapilog')))
  assert.deepEqual(log.filter(line => line.startsWith('restapi error')), [])
})
