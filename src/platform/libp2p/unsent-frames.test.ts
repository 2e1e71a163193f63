import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MessageStream, StreamMuxer, StreamMuxerFactory } from '@libp2p/interface'
import { patientMuxer } from './patient-muxer.ts'

/** A connection below a muxer; it says whether it has room. */
class Connection extends EventTarget {
  readonly status = 'open'
  hasRoom = false
  sent = 0
  aborted: Error[] = []
  pause (): void {}
  resume (): void {}
  send (): boolean { this.sent++; return this.hasRoom }
  abort (error: Error): void { this.aborted.push(error) }
}

function connected (): { readonly connection: Connection, readonly send: (count: number) => void } {
  const connection = new Connection()
  const factory = { createStreamMuxer: () => new EventTarget() as unknown as StreamMuxer } as unknown as StreamMuxerFactory
  const seen = connection as unknown as MessageStream
  patientMuxer(() => factory)({}).createStreamMuxer(seen)
  return { connection, send: count => { for (let i = 0; i < count; i++) seen.send(new Uint8Array(12)) } }
}

test('who makes this peer answer on and on and takes nothing is cut off', async () => {
  const { connection, send } = connected()
  send(65_536)
  await Promise.resolve()
  assert.deepEqual(connection.aborted, [])
  send(100_000)
  await Promise.resolve()
  assert.equal(connection.aborted.length, 1)
  assert.equal(connection.sent, 65_537)
})

test('who takes what is sent, though slowly, is not cut off', async () => {
  const { connection, send } = connected()
  for (let turn = 0; turn < 10; turn++) {
    send(60_000)
    if (turn % 2 === 0) connection.dispatchEvent(new Event('drain'))
    else {
      connection.hasRoom = true
      send(1)
      connection.hasRoom = false
    }
  }
  await Promise.resolve()
  assert.deepEqual(connection.aborted, [])
})
