import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { test } from 'node:test'
import type { Multiaddress } from '../../domain/peer.ts'
import type { PeerStream } from '../network.ts'
import { handOver } from '../spent-memory.ts'
import { connectedNetworks, testNetwork, type TestNetwork } from './network.fixture.ts'

/** The digests of what each stream has brought, by the first byte, which is a number. */
function digests ({ network }: TestNetwork): { readonly found: Map<number, string>, readonly done: (count: number) => Promise<void> } {
  const found = new Map<number, string>()
  let told = (): void => {}
  network.handle('/bytes', stream => {
    void (async () => {
      const hash = createHash('sha256')
      let number: number | undefined
      for await (const chunk of stream.incoming) {
        number ??= chunk[0] as number
        // Others run in between: what waits here must stay as it is.
        if (chunk.length > 3_000) await new Promise(resolve => { setImmediate(resolve) })
        hash.update(chunk)
      }
      found.set(number as number, hash.digest('hex'))
      told()
    })().catch(() => { told() })
  })
  return { found, done: async count => { while (found.size < count) await new Promise<void>(resolve => { told = resolve }) } }
}

async function send (stream: PeerStream, parts: readonly Uint8Array[]): Promise<void> {
  for (const part of parts) {
    const bytes = Uint8Array.from(part)
    handOver(bytes, 'encryption')
    await stream.write(bytes)
  }
  await stream.closeWrite()
}

for (const secret of [new Uint8Array(32).fill(7), new Uint8Array()]) {
  test(`many streams of all sizes bring what was sent, in order, ${secret.length > 0 ? 'in a private network' : 'without a secret'}`, { timeout: 60_000 }, async t => {
    const [a, b] = await connectedNetworks(t, 2, { secret }) as [TestNetwork, TestNetwork]
    const { found, done } = digests(b)
    const sizes = [1, 100, 511, 512, 5_000, 65_519, 65_520, 262_144, 300_001, 1_500_000]
    const uploads = Array.from({ length: 24 }, (_, number) => Array.from({ length: 6 }, (_, i) => {
      const part = randomBytes(sizes[(number * 5 + i * 3) % sizes.length] as number)
      if (i === 0) part[0] = number
      return part
    }))
    await Promise.all(uploads.map(async parts => send(await a.network.open(b.self, '/bytes', {}), parts)))
    await done(uploads.length)
    for (const [number, parts] of uploads.entries()) assert.equal(found.get(number), createHash('sha256').update(Buffer.concat(parts)).digest('hex'), `stream ${number}`)
  })
}

test('what was handed over is free when it was sent, what was not stays', { timeout: 60_000 }, async t => {
  const [a, b] = await connectedNetworks(t, 2) as [TestNetwork, TestNetwork]
  const { done } = digests(b)
  const given = randomBytes(300_000)
  const kept = Uint8Array.from(given)
  const lent = Uint8Array.from(given)
  handOver(lent, 'encryption')
  const stream = await a.network.open(b.self, '/bytes', {})
  await stream.write(kept)
  await stream.write(lent)
  await stream.closeWrite()
  await done(1)
  assert.equal(lent.length, 0)
  assert.equal(Buffer.compare(kept, given), 0)
})

test('what was received may be sent on, to many', { timeout: 60_000 }, async t => {
  const [a, b] = await connectedNetworks(t, 2) as [TestNetwork, TestNetwork]
  const { found, done } = digests(a)
  const data = randomBytes(400_000)
  data[0] = 9
  const received = new Promise<Uint8Array[]>((resolve, reject) => {
    b.network.handle('/once', stream => { Array.fromAsync(stream.incoming).then(resolve, reject) })
  })
  const stream = await a.network.open(b.self, '/once', {})
  await send(stream, [data])
  const pieces = await received
  for (let i = 0; i < 3; i++) {
    found.clear()
    const back = await b.network.open(a.self, '/bytes', {})
    for (const piece of pieces) await back.write(piece)
    await back.closeWrite()
    await done(1)
    assert.equal(found.get(9), createHash('sha256').update(data).digest('hex'))
  }
})

test('a connection on which somebody changes a byte ends, and nothing of it is read', { timeout: 60_000 }, async t => {
  const far = await testNetwork(t)
  await far.network.start(new AbortController().signal)
  const { port } = new URL(`tcp://x:${/tcp\/(\d+)/.exec(far.network.addresses()[0] as string)?.[1]}`)
  const sockets: Socket[] = []
  let mayChange = false
  const cable = createServer(near => {
    const on = connect(Number(port), '127.0.0.1')
    sockets.push(near, on)
    near.on('data', data => {
      if (mayChange && data.length > 10_000) (data as Buffer).writeUInt8((data as Buffer).readUInt8(5_000) ^ 1, 5_000)
      on.write(data)
    })
    on.on('data', data => { near.write(data) })
    for (const [one, other] of [[near, on], [on, near]] as const) one.on('error', () => {}).on('close', () => { other.destroy() })
  }).listen(0, '127.0.0.1')
  await new Promise(resolve => { cable.once('listening', resolve) })
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    cable.close()
  })
  const near = await testNetwork(t)
  await near.network.start(new AbortController().signal)
  await near.network.connect(`/ip4/127.0.0.1/tcp/${(cable.address() as AddressInfo).port}/p2p/${far.self}` as Multiaddress, {})
  const good = randomBytes(100_000)
  const received: Uint8Array[] = []
  const ended = new Promise<unknown>(resolve => {
    far.network.handle('/bytes', stream => {
      void (async () => { for await (const chunk of stream.incoming) received.push(Uint8Array.from(chunk)) })().then(resolve, resolve)
    })
  })
  const stream = await near.network.open(far.self, '/bytes', {})
  await stream.write(good)
  while (Buffer.concat(received).length < good.length) await new Promise(resolve => { setImmediate(resolve) })
  mayChange = true
  await stream.write(randomBytes(200_000)).catch(() => {})
  assert.ok(await ended instanceof Error)
  assert.equal(Buffer.compare(Buffer.concat(received).subarray(0, good.length), good), 0)
  assert.ok(Buffer.concat(received).length < good.length + 200_000)
})
