import { randomInt } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'

/**
 * Below the ports that systems give to outgoing connections (32768 and up with Linux, 49152 elsewhere):
 * one of those may be taken before it is listened on.
 */
const range = { from: 10_000, to: 32_000 }

/**
 * Tells other processes that ask here, by UDP ports of the same numbers, which are ours until this process ends:
 * what shall listen on a port may take seconds to do so, and two would each take the other's for their own.
 */
const taken: Socket[] = []

/** Ports of loopback that nothing listens on and that nobody else is given here as long as this process lives. */
export async function freePorts (count: number): Promise<number[]> {
  const ports: number[] = []
  while (ports.length < count) {
    const port = randomInt(range.from, range.to)
    if (await take(port) && await isFree(port)) ports.push(port)
  }
  return ports
}

async function take (port: number): Promise<boolean> {
  const socket = createSocket('udp4').unref()
  try {
    await once(socket.bind({ port, address: '127.0.0.1', exclusive: true }), 'listening')
  } catch {
    socket.close()
    return false
  }
  taken.push(socket)
  return true
}

async function isFree (port: number): Promise<boolean> {
  const server = createServer()
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening')
  } catch {
    return false
  }
  await once(server.close(), 'close')
  return true
}
