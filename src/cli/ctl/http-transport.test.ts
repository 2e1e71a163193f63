import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { TransportError, UploadError, type HttpRequest } from '../../client/http-transport.ts'
import { readText } from '../../client/text-lines.ts'
import { NodeHttpTransport } from './http-transport.ts'

const transport = new NodeHttpTransport({ verifyCertificates: true, environment: {} })

async function serving<T> (listener: RequestListener, use: (url: URL, server: Server) => Promise<T>, path?: string): Promise<T> {
  const server = createServer(listener)
  if (path === undefined) server.listen(0, '127.0.0.1')
  else server.listen(path)
  await once(server, 'listening')
  const address = server.address()
  try {
    return await use(new URL(`http://127.0.0.1:${typeof address === 'string' ? 80 : (address as AddressInfo).port}/x?y=z`), server)
  } finally {
    server.close()
    server.closeAllConnections()
  }
}

function request (url: URL, more: Partial<HttpRequest> = {}): HttpRequest {
  return { method: 'GET', url, socketPath: undefined, headers: {}, body: undefined, signal: undefined, ...more }
}

async function * repeat (chunk: Uint8Array, times: number, onChunk = (): void => {}): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < times; i++) {
    onChunk()
    yield chunk
  }
}

async function bytesOf (body: AsyncIterable<Uint8Array>): Promise<number> {
  let bytes = 0
  for await (const chunk of body) bytes += chunk.length
  return bytes
}

test('status, headers, body and repeated trailers', async () => {
  await serving((_, response) => {
    response.writeHead(201, { trailer: 'X-Stream-Error', 'x-answer': 'yes' })
    response.write('body')
    response.addTrailers([['X-Stream-Error', ''], ['X-Stream-Error', 'broke']])
    response.end()
  }, async url => {
    const answer = await transport.send(request(url))
    assert.deepEqual([answer.status, answer.header('x-answer'), await readText(answer.body, 100)], [201, 'yes', 'body'])
    assert.deepEqual(answer.trailer('x-stream-error'), ['', 'broke'])
    assert.deepEqual(answer.trailer('x-other'), [])
  })
})

test('a body is sent in chunks while the answer already comes', async () => {
  await serving((incoming, response) => {
    response.write('early ')
    void bytesOf(incoming).then(bytes => response.end(`${incoming.headers['transfer-encoding']} ${bytes}`))
  }, async url => {
    const answer = await transport.send(request(url, { method: 'POST', body: repeat(new Uint8Array(100_000), 50) }))
    assert.equal(await readText(answer.body, 100), 'early chunked 5000000')
  })
})

test('a body is made no faster than the peer takes it', async () => {
  let made = 0
  let held: IncomingMessage | undefined
  const chunk = new Uint8Array(1024 * 1024)
  await serving(incoming => { held = incoming }, async (url, server) => {
    const sending = transport.send(request(url, { method: 'POST', body: repeat(chunk, 200, () => { made++ }) }))
    await once(server, 'request')
    // The peer does not read: what is made beyond the buffers of both sides would be kept in memory.
    let before = -1
    while (before !== made) {
      before = made
      for (let turn = 0; turn < 50; turn++) await new Promise(resolve => { setImmediate(resolve) })
    }
    assert.ok(made < 100, `${made} MiB made`)
    held?.destroy()
    await assert.rejects(sending, TransportError)
  })
})

test('an answer is read no faster than it is asked for', async () => {
  await serving((_, response) => {
    let written = 0
    const write = (): void => {
      while (written < 200 * 1024 * 1024) {
        written += 1024 * 1024
        if (!response.write(new Uint8Array(1024 * 1024))) {
          response.once('drain', write)
          return
        }
      }
      response.end()
    }
    write()
  }, async url => {
    const before = process.memoryUsage().arrayBuffers
    const answer = await transport.send(request(url))
    const chunks = answer.body[Symbol.asyncIterator]()
    await chunks.next()
    for (let turn = 0; turn < 200; turn++) await new Promise(resolve => { setImmediate(resolve) })
    assert.ok(process.memoryUsage().arrayBuffers - before < 64 * 1024 * 1024)
    await chunks.return?.()
  })
})

test('an answer before the whole body was sent is the answer', async () => {
  await serving((_, response) => { response.writeHead(400, { connection: 'close' }).end('no') }, async url => {
    const answer = await transport.send(request(url, { method: 'POST', body: repeat(new Uint8Array(64 * 1024), 1_000_000) }))
    assert.deepEqual([answer.status, await readText(answer.body, 100)], [400, 'no'])
  })
})

test('a body that cannot be made ends the request with its error', async () => {
  const broken = (async function * () {
    yield new Uint8Array(10)
    throw new Error('open x: permission denied')
  })()
  await serving(() => {}, async url => {
    await assert.rejects(transport.send(request(url, { method: 'POST', body: broken })), error => error instanceof UploadError && error.message === 'open x: permission denied')
  })
})

test('a connection that is cut in the middle', async () => {
  await serving((_, response) => {
    response.write('half')
    setImmediate(() => { response.destroy() })
  }, async url => {
    const answer = await transport.send(request(url))
    await assert.rejects(readText(answer.body, 100), error => error instanceof TransportError && error.message === 'unexpected EOF')
  })
  await serving((_, response) => { response.destroy() }, async url => {
    await assert.rejects(transport.send(request(url)), error => error instanceof TransportError && error.message === 'EOF')
  })
})

test('nobody listens', async () => {
  const url = await serving(() => {}, async url => url)
  await assert.rejects(transport.send(request(url)), { message: `dial tcp ${url.host}: connect: connection refused` })
  await assert.rejects(transport.send(request(url, { socketPath: '/nosuch/socket' })), { message: 'dial unix /nosuch/socket: connect: no such file or directory' })
})

test('https at a plain port', async () => {
  await serving(() => {}, async url => {
    await assert.rejects(transport.send(request(new URL(url.href.replace('http:', 'https:')))), { message: 'http: server gave HTTP response to HTTPS client' })
  })
})

test('a unix socket', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'flotilla-socket-'))
  const path = join(folder, 'api')
  try {
    await serving((incoming, response) => { response.end(incoming.url) }, async () => {
      const answer = await transport.send(request(new URL('http://restapi/id'), { socketPath: path }))
      assert.equal(await readText(answer.body, 100), '/id')
    }, path)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

test('the signal ends a request, before and behind the head of the answer', async () => {
  await serving(() => {}, async (url, server) => {
    const controller = new AbortController()
    const sending = transport.send(request(url, { signal: controller.signal }))
    await once(server, 'request')
    controller.abort()
    await assert.rejects(sending, TransportError)
  })
  await serving((_, response) => { response.write('half') }, async url => {
    const controller = new AbortController()
    const answer = await transport.send(request(url, { signal: controller.signal }))
    controller.abort()
    await assert.rejects(readText(answer.body, 100), TransportError)
  })
})
