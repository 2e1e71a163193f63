import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once, type EventEmitter } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import ssdp from '@achingbrain/ssdp'
import { until } from './network.fixture.ts'
import { surviveRouterMessages } from './router-messages.ts'

const place = (port: number): { type: 'udp4', bind: { address: string, port: number }, broadcast: { address: string, port: number }, maxHops: number } =>
  ({ type: 'udp4', bind: { address: '127.0.0.1', port }, broadcast: { address: '239.255.255.250', port: 1900 }, maxHops: 1 })

test('whatever comes to the search for routers, it goes on', async t => {
  await surviveRouterMessages()
  await surviveRouterMessages()
  const router = 'urn:schemas-upnp-org:device:InternetGatewayDevice:2'
  const asked: string[] = []
  const description = createServer(({ url = '' }, response) => { asked.push(url); response.setHeader('content-type', 'text/xml').end('<root><device/></root>') })
  description.listen(0, '127.0.0.1')
  await once(description, 'listening')
  t.after(() => description.close())
  const search = await ssdp({ cache: false, sockets: [place(0)] })
  t.after(() => search.stop())
  const [socket] = search.sockets
  assert.ok(socket !== undefined)
  const { port } = socket.address()
  const sender = createSocket('udp4')
  t.after(() => sender.close())
  const location = `http://127.0.0.1:${(description.address() as AddressInfo).port}/`
  const answer = (usn: string, type: string, more = ''): string => `HTTP/1.1 200 OK\r\nUSN: ${usn}\r\nST: ${type}\r\nLOCATION: ${location}${usn}\r\n${more}\r\n`
  const counts = 'CACHE-CONTROL: max-age=60\r\n'
  const hostile = [
    'X * HTTP/1.1\r\n\r\n', 'HTTP/1.1 200 OK\r\n\r\n', ' ', `NOTIFY * HTTP/1.1\r\nLOCATION: 5\r\nUSN: 1\r\nNT: ${router}\r\nNTS: 3\r\nCACHE-CONTROL: x\r\n\r\n`,
    answer('endless', router), answer('television', 'urn:schemas-upnp-org:device:MediaRenderer:1', counts), `NOTIFY * HTTP/1.1\r\nUSN: a\r\nNT: ${router}\r\nNTS: ssdp:update\r\nLOCATION: ${location}\r\n\r\n`,
  ]
  const found = new Promise<string>(resolve => { search.on('service:discover', ({ uniqueServiceName }) => { resolve(uniqueServiceName) }) })
  for (const message of hostile) sender.send(message, port, '127.0.0.1')
  sender.send(answer('router', router, counts), port, '127.0.0.1')
  assert.equal(await found, 'router')
  assert.deepEqual(asked, ['/router'])
})

test('a search does without the places that another program has', async t => {
  await surviveRouterMessages()
  const other = createSocket('udp4')
  t.after(() => other.close())
  other.bind(0, '127.0.0.1')
  await once(other, 'listening')
  const { port } = other.address()
  const search = await ssdp({ cache: false, sockets: [place(port), place(0)] })
  t.after(() => search.stop())
  assert.equal(search.sockets.length, 1)
  await assert.rejects(ssdp({ cache: false, sockets: [place(port)] }), /Opening all sockets failed/)
})

test('of many that pass for routers and never answer some are asked at a time', { timeout: 60_000 }, async t => {
  await surviveRouterMessages()
  const asked: ServerResponse[] = []
  let isSilent = true
  const description = createServer((_request, response) => { if (isSilent) asked.push(response); else response.end('<root/>') })
  description.listen(0, '127.0.0.1')
  await once(description, 'listening')
  t.after(() => { description.close(); description.closeAllConnections() })
  const search = await ssdp({ cache: false, sockets: [place(0)] })
  t.after(() => search.stop())
  const location = `http://127.0.0.1:${(description.address() as AddressInfo).port}/`
  const answered = (): boolean => (search as unknown as EventEmitter).emit('ssdp:search-response', { USN: 'x', ST: 'urn:schemas-upnp-org:device:InternetGatewayDevice:2', LOCATION: location, ttl: () => 1_000 })
  assert.equal(Array.from({ length: 1_000 }, answered).filter(Boolean).length, 64)
  await until(() => asked.length === 64)
  isSilent = false
  for (const response of asked) response.end('<root/>')
  await until(answered)
})
