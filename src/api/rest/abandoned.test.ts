import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import process from 'node:process'
import { test, type TestContext } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { multipartBody, multipartType } from '../../adder/uploads.fixture.ts'
import { ask, eventually } from '../running-api.fixture.ts'
import { someCid, startRest, type MemoryOperations } from './memory-operations.fixture.ts'

const clients = 1_000
const atOnce = 50
/** Less than one of a thousand abandoned requests may keep if it leaks anything: exchanges with their sockets are some 10 KiB each. */
const heapSlackBytes = 2 * 1024 * 1024

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

async function heapBytes (): Promise<number> {
  // What was closed in this turn is let go in the next ones.
  for (let turn = 0; turn < 5; turn++) {
    await new Promise(resolve => { setImmediate(resolve) })
    collectGarbage()
  }
  return process.memoryUsage().heapUsed
}

/** Everything that keeps a process alive, by kind; timers of connections that were closed end by themselves. */
function resources (): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const kind of process.getActiveResourcesInfo()) if (kind !== 'Timeout' && kind !== 'Immediate') counts[kind] = (counts[kind] ?? 0) + 1
  return counts
}

async function connected (port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  return socket
}

/** Has clients begin a request and go away, many times, and compares what is left with what was there. */
async function abandon (t: TestContext, { begin, operations, port, lines }: { begin: () => Promise<void>, operations: MemoryOperations, port: number, lines: string[] }): Promise<void> {
  const someClients = async (count: number): Promise<void> => {
    for (let done = 0; done < count; done += atOnce) await Promise.all(Array.from({ length: atOnce }, begin))
    await eventually(() => operations.openStreams === 0)
    operations.calls.length = 0
    lines.length = 0
  }
  // What is made once is there then.
  await someClients(200)
  await ask(port, '/version')
  const before = { heap: await heapBytes(), resources: resources() }
  await someClients(clients)
  await eventually(() => process.getActiveResourcesInfo().filter(kind => kind === 'TCPSocketWrap').length <= (before.resources['TCPSocketWrap'] ?? 0))
  const growth = await heapBytes() - before.heap
  t.diagnostic(`heap grew by ${Math.round(growth / 1024)} KiB`)
  assert.deepEqual(resources(), before.resources)
  assert.ok(growth < heapSlackBytes, `the heap grew by ${growth} bytes`)
  assert.equal((await ask(port, '/version')).status, 200)
}

test('1,000 clients that go away in the middle of an upload leave nothing', async t => {
  const { port, operations, lines } = await startRest(t)
  const part = multipartBody([{ path: 'a', content: Buffer.alloc(20_000, 'x') }]).subarray(0, -15)
  const head = `POST /add HTTP/1.1\r\nHost: x\r\nContent-Type: ${multipartType}\r\nContent-Length: 1000000\r\n\r\n`
  await abandon(t, {
    port,
    operations,
    lines,
    async begin () {
      const socket = await connected(port)
      socket.write(head)
      socket.write(part)
      await once(socket, 'data')
      socket.destroy()
    },
  })
})

test('1,000 clients that go away in the middle of a stream leave nothing', async t => {
  const { port, operations, lines } = await startRest(t)
  operations.endless = operations.put(someCid)
  await abandon(t, {
    port,
    operations,
    lines,
    async begin () {
      const socket = await connected(port)
      socket.write('GET /allocations HTTP/1.1\r\nHost: x\r\n\r\n')
      await once(socket, 'data')
      socket.resetAndDestroy()
    },
  })
})

test('1,000 clients that go away without an answer leave nothing', async t => {
  const { port, operations, lines } = await startRest(t)
  let waiting = 0
  const pin = operations.pin.bind(operations)
  operations.pin = async (cid, options) => {
    waiting++
    await new Promise(resolve => { setImmediate(resolve) })
    return pin(cid, options)
  }
  await abandon(t, {
    port,
    operations,
    lines,
    async begin () {
      const socket = await connected(port)
      socket.write(`POST /pins/${someCid} HTTP/1.1\r\nHost: x\r\n\r\n`)
      const before = waiting
      await eventually(() => waiting > before)
      socket.destroy()
    },
  })
})
