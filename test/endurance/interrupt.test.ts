import assert from 'node:assert/strict'
import { Agent, request, type ClientRequest } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { test, type TestContext } from 'node:test'
import { lockFolder } from '../../src/platform/folder-lock.ts'
import { cidOf, PinClients } from './pin-clients.ts'
import { listPinset, seenByCid } from './pinset-checks.ts'
import { withScratchPeer, type ScratchPeer } from './scratch-peer.ts'
import { Seeded } from './seeded.ts'

/** Enough that a listing nobody reads does not fit into the buffers on its way. */
const pinsBefore = 10_000
const pinsAtOnce = 1_000
const skip = process.platform === 'win32' ? 'signals are those of POSIX' : false

/** Requests that the stop will cut off. */
class Requests {
  readonly #port: number
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 2 * pinsAtOnce })
  readonly #sent: ClientRequest[] = []

  constructor (port: number) { this.#port = port }

  /** Resolves with the status when the answer has begun, with undefined when there is none. */
  send (method: string, path: string, options: { readonly body?: AsyncIterable<Uint8Array>, readonly contentType?: string, readonly isRead?: boolean } = {}): Promise<number | undefined> {
    const { promise, resolve } = Promise.withResolvers<number | undefined>()
    const headers = options.contentType === undefined ? {} : { 'Content-Type': options.contentType }
    const sent = request({ host: '127.0.0.1', port: this.#port, agent: this.#agent, method, path, headers }, response => {
      response.on('error', () => {})
      if (options.isRead !== false) response.resume()
      resolve(response.statusCode)
    })
    sent.once('error', () => { resolve(undefined) })
    this.#sent.push(sent)
    if (options.body === undefined) sent.end()
    // The stop breaks it off.
    else pipeline(options.body, sent).catch(() => {})
    return promise
  }

  close (): void {
    for (const sent of this.#sent) sent.destroy()
    this.#agent.destroy()
  }
}

/** An upload of one file that never ends; `onBytes` is told how much was taken. */
async function * endlessUpload (onBytes: (count: number) => void): AsyncGenerator<Uint8Array> {
  yield Buffer.from('--part\r\nContent-Disposition: form-data; name="file"; filename="endless"\r\nContent-Type: application/octet-stream\r\n\r\n')
  const random = new Seeded(1)
  for (;;) {
    yield Buffer.alloc(256 * 1024, `${random.below(2 ** 32)} `)
    onBytes(256 * 1024)
  }
}

async function interrupt (t: TestContext, peer: ScratchPeer, signal: NodeJS.Signals, first: number): Promise<void> {
  const requests = new Requests(peer.apiPort)
  try {
    let uploaded = 0
    const add = requests.send('POST', '/add', { contentType: 'multipart/form-data; boundary=part', body: endlessUpload(count => { uploaded += count }) })
    const listings = [requests.send('GET', '/pins', { isRead: false }), requests.send('GET', '/allocations', { isRead: false })]
    const statuses = await Promise.all(listings)
    assert.ok(statuses.every(status => status === 200 || status === 204), `listings were answered with ${statuses.join(' and ')}`)
    await peer.until(async () => uploaded > 8 * 1024 * 1024)
    const acknowledged: number[] = []
    const pins = Array.from({ length: pinsAtOnce }, async (_, i) => {
      if (await requests.send('POST', `/pins/${cidOf(first + i)}`) === 200) acknowledged.push(first + i)
    })
    // In the middle of them.
    await peer.until(async () => acknowledged.length > 0)
    const start = performance.now()
    assert.deepEqual(await peer.end(signal), { exit: 0, signal: null })
    t.diagnostic(`${signal} with an add, ${pinsAtOnce} pins and two listings in flight: ended after ${Math.round(performance.now() - start)} ms, ${acknowledged.length} pins acknowledged`)
    ;(await lockFolder(peer.path)).release()
    await Promise.all([add, ...pins])
    await peer.start()
    const pinned = new Set((await listPinset(peer)).map(pin => pin.cid))
    assert.deepEqual(acknowledged.filter(n => !pinned.has(cidOf(n))), [], 'what was acknowledged is there')
  } finally {
    requests.close()
  }
}

test('signals end a busy daemon in order, and the folder is free at once', { skip }, t => withScratchPeer(async peer => {
  await peer.start()
  await peer.canAllocate()
  const requests = new Requests(peer.apiPort)
  for (let n = 0; n < pinsBefore; n += pinsAtOnce) {
    const statuses = await Promise.all(Array.from({ length: pinsAtOnce }, (_, i) => requests.send('POST', `/pins/${cidOf(n + i)}`)))
    assert.deepEqual([...new Set(statuses)], [200])
  }
  requests.close()
  for (const [round, signal] of (['SIGINT', 'SIGTERM', 'SIGHUP'] as const).entries()) await interrupt(t, peer, signal, pinsBefore + round * pinsAtOnce)
  assert.deepEqual(await peer.end('SIGINT'), { exit: 0, signal: null })
}))

test('a daemon with the embedded node ends in order while it adds and pins', { skip }, t => withScratchPeer(async peer => {
  peer.configure(json => { json.ipfs_connector = { embedded: { listen_multiaddress: '/ip4/127.0.0.1/tcp/0', gateway_multiaddress: '' } } })
  await peer.start()
  await peer.canAllocate()
  await interrupt(t, peer, 'SIGINT', 0)
}))

test('changes that wait for their batch are in the pinset after a stop', { skip }, () => withScratchPeer(async peer => {
  const batching = { CLUSTER_CRDT_BATCHING_MAXBATCHSIZE: '100000', CLUSTER_CRDT_BATCHING_MAXBATCHAGE: '1h' }
  await peer.start(batching)
  await peer.canAllocate()
  const clients = new PinClients(peer.apiPort, new Seeded(3))
  clients.start()
  await peer.until(async () => clients.counts.pins > 300)
  assert.deepEqual(await peer.end('SIGTERM'), { exit: 0, signal: null })
  await clients.stop()
  await peer.start()
  assert.deepEqual(clients.settle(seenByCid(await listPinset(peer))), [])
}))

test('a signal while the daemon starts ends it, and the next start works', { skip }, () => withScratchPeer(async peer => {
  for (const line of ['Initializing', 'Datastore backend', 'RESTAPI (HTTP)']) {
    peer.spawn()
    await peer.until(async () => peer.log().includes(line))
    assert.deepEqual(await peer.end('SIGTERM'), { exit: 0, signal: null }, `after "${line}"`)
    ;(await lockFolder(peer.path)).release()
  }
  await peer.start()
}))
