import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { freePorts } from '../scripts/free-ports.ts'

test('a port can be listened on and is given to nobody else', async t => {
  const ports = await freePorts(20)
  assert.equal(new Set(ports).size, 20)
  for (const port of ports) {
    // Which is how others are told.
    const other = createSocket('udp4')
    t.after(() => { other.close() })
    await assert.rejects(once(other.bind({ port, address: '127.0.0.1' }), 'listening'), { code: 'EADDRINUSE' })
    const server = createServer()
    await once(server.listen(port, '127.0.0.1'), 'listening')
    await once(server.close(), 'close')
  }
})
