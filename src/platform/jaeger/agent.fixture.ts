import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import type { Multiaddress } from '../../domain/peer.ts'
import { readBatch, type ReadBatch, type ReadSpan } from './compact-reader.fixture.ts'

export interface Agent {
  readonly address: Multiaddress
  readonly batches: readonly ReadBatch[]
  /** Resolves with the first span of the name, once it has come. */
  span (name: string): Promise<ReadSpan>
}

/** Takes spans on loopback as a Jaeger agent does. */
export async function listenAsAgent (t: TestContext): Promise<Agent> {
  const socket = createSocket('udp4')
  const batches: ReadBatch[] = []
  let arrived = Promise.withResolvers<void>()
  socket.on('message', packet => {
    batches.push(readBatch(packet))
    arrived.resolve()
    arrived = Promise.withResolvers()
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  t.after(() => { socket.close() })
  return {
    address: `/ip4/127.0.0.1/udp/${(socket.address() as AddressInfo).port}` as Multiaddress,
    batches,
    async span (name) {
      for (;;) {
        const found = batches.flatMap(batch => batch.spans).find(span => span.name === name)
        if (found !== undefined) return found
        await arrived.promise
      }
    },
  }
}
