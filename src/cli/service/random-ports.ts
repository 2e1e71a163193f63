import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, isIPv6 } from 'node:net'
import type { Multiaddress } from '../../domain/peer.ts'

/**
 * The addresses with every TCP and UDP port replaced by one that is free now; all else is kept.
 * @throws Error when the machine has no such address
 */
export async function withRandomPorts (addresses: readonly Multiaddress[]): Promise<Multiaddress[]> {
  const results: Multiaddress[] = []
  for (const address of addresses) {
    const parts = address.split('/')
    for (let at = 1; at < parts.length; at++) {
      const isUdp = parts[at] === 'udp'
      if (!isUdp && parts[at] !== 'tcp') continue
      // The host stands before the protocol of the port.
      const host = parts[at - 1] as string
      parts[++at] = String(isUdp ? await freeUdpPort(host) : await freeTcpPort(host))
    }
    results.push(parts.join('/') as Multiaddress)
  }
  return results
}

async function freeTcpPort (host: string): Promise<number> {
  const server = createServer()
  server.listen(0, host)
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

async function freeUdpPort (host: string): Promise<number> {
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4')
  socket.bind(0, host)
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  await once(socket, 'close')
  return port
}
