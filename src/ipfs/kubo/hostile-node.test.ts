import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import { cidFromBytes, parseCid, type Cid } from '../../domain/cid.ts'
import { ClusterError } from '../../domain/errors.ts'
import { parseMultiaddress } from '../../domain/multiaddress.ts'
import { defaultPinOptions, pinWithOptions, type Pin } from '../../domain/pin.ts'
import { systemClock, type Clock } from '../../platform/clock.ts'
import { silentLoggers } from '../../platform/logger.ts'
import { noMetrics } from '../../platform/metrics.ts'
import { systemRandom } from '../../platform/random.ts'
import { virtualClock, type VirtualClock } from '../../platform/virtual-clock.ts'
import type { Block, IpfsConnector } from '../connector.ts'
import { kuboConnector, type KuboConnectorOptions } from './kubo-connector.ts'

const peer = '12D3KooWQE3CWA3MJ1YhrYNP8EE3JErGbrCtpKRkFrWgi45nYAMn'
const cids = Array.from({ length: 200 }, (_, i) => cidFromBytes(Buffer.concat([Buffer.from([1, 0x55, 0x12, 0x20]), createHash('sha256').update(`item ${i}`).digest()])))
const cid = cids[0] as Cid
const pinOf = (item: Cid): Pin => pinWithOptions(item, defaultPinOptions, 0)

/** Answers one request; `path` is the command and its query. `body` is all that has come of the request's body. */
type Answer = (socket: Socket, path: string, body: () => string) => void

interface HostileNode { readonly port: number, readonly paths: string[], close (): Promise<void> }

/** A server on a real socket that says whatever bytes it is told to. */
async function hostileNode (answer: Answer, place: number | string = 0): Promise<HostileNode> {
  const sockets = new Set<Socket>()
  const paths: string[] = []
  const server: Server = createServer(socket => {
    sockets.add(socket)
    let request = { text: '', isAnswered: false }
    socket.on('error', () => {}).on('close', () => sockets.delete(socket)).on('data', (chunk: Buffer) => {
      const current = request
      current.text += chunk.toString('latin1')
      const head = current.text.indexOf('\r\n\r\n')
      if (head < 0) return
      const isChunked = /transfer-encoding: chunked/i.test(current.text.slice(0, head))
      if (!isChunked || current.text.endsWith('\r\n0\r\n\r\n')) request = { text: '', isAnswered: false }
      if (current.isAnswered) return
      current.isAnswered = true
      const path = (/^POST \/api\/v0\/(\S*)/.exec(current.text) ?? [])[1] ?? ''
      paths.push(path)
      answer(socket, path, () => current.text.slice(head + 4))
    })
  })
  server.listen(typeof place === 'number' ? { port: place, host: '127.0.0.1' } : { path: place })
  await once(server, 'listening')
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    paths,
    async close () {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

function connectorTo (place: number | string, options: Partial<KuboConnectorOptions> = {}, clock: Clock = systemClock): IpfsConnector {
  return kuboConnector({
    nodeMultiaddress: parseMultiaddress(typeof place === 'number' ? `/ip4/127.0.0.1/tcp/${place}` : `/unix${place}`),
    ipfsRequestTimeoutMs: 30_000,
    pinTimeoutMs: 30_000,
    unpinTimeoutMs: 30_000,
    repogcTimeoutMs: 30_000,
    informerTriggerInterval: 0,
    unpinDisable: false,
    ...options,
  }, { clock, random: systemRandom, loggers: silentLoggers, metrics: noMetrics })
}

async function withNode (answer: Answer, work: (ipfs: IpfsConnector, node: HostileNode) => Promise<void>, options: Partial<KuboConnectorOptions> = {}, clock: Clock = systemClock): Promise<void> {
  const node = await hostileNode(answer)
  const ipfs = connectorTo(node.port, options, clock)
  try {
    await work(ipfs, node)
  } finally {
    await ipfs.stop()
    await node.close()
  }
}

const chunk = (text: string): string => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`
const head = (status = '200 OK', type = 'application/json'): string => `HTTP/1.1 ${status}\r\nContent-Type: ${type}\r\nTransfer-Encoding: chunked\r\nTrailer: X-Stream-Error\r\n\r\n`
const whole = (text: string, status = '200 OK', type = 'application/json'): string => `${head(status, type)}${text === '' ? '' : chunk(text)}0\r\n\r\n`
const refusedBecause = (message: string): string => whole(`${JSON.stringify({ Message: message, Code: 0, Type: 'error' })}\n`, '500 Internal Server Error')
const notPinned = refusedBecause(`path '${cid}' is not pinned`)

/** Every call that asks the node for something, each to its end. */
const calls: Readonly<Record<string, (ipfs: IpfsConnector) => Promise<unknown>>> = {
  id: ipfs => ipfs.id(),
  version: ipfs => ipfs.version(),
  pin: ipfs => ipfs.pin(pinOf(cid)),
  pinStatus: ipfs => ipfs.pinStatus(cid),
  listPins: async ipfs => Array.fromAsync(ipfs.listPins()),
  unpin: ipfs => ipfs.unpin(cid),
  putBlocks: ipfs => ipfs.putBlocks(streamOf([rawBlock('a block')])),
  getBlock: ipfs => ipfs.getBlock(cid),
  resolve: ipfs => ipfs.resolve(`/ipfs/${cid}/a`),
  repositoryStat: ipfs => ipfs.repositoryStat(),
  garbageCollect: async ipfs => Array.fromAsync(ipfs.garbageCollect()),
  swarmPeers: ipfs => ipfs.swarmPeers(),
  configKey: ipfs => ipfs.configKey('Datastore/StorageMax'),
}

function rawBlock (text: string): Block {
  const bytes = Buffer.from(text)
  return { cid: CID.createV1(0x55, createDigest(0x12, createHash('sha256').update(bytes).digest())), bytes }
}

/** Resolves when the connection is gone, however it ended. */
function closing (socket: Socket): Promise<void> {
  return new Promise(resolve => { socket.once('close', () => { resolve() }) })
}

/** Lets time go on until the promise is settled. */
async function until<T> (clock: VirtualClock, promise: Promise<T>): Promise<T> {
  let isSettled = false
  promise.catch(() => {}).finally(() => { isSettled = true })
  await clock.until(() => isSettled, 3_600_000)
  return promise
}

async function * streamOf (blocks: readonly Block[]): AsyncGenerator<Block> { yield * blocks }

function failsWith (code: string, message: RegExp): (error: unknown) => boolean {
  return error => {
    assert.ok(error instanceof ClusterError, String(error))
    assert.equal(error.code, code, error.message)
    assert.match(error.message, message)
    return true
  }
}

const nonsense: ReadonlyArray<[what: string, answer: string]> = [
  ['a web page', whole('<html><body>It works!</body></html>', '200 OK', 'text/html')],
  ['a JSON list', whole('[1,2,3]\n')],
  ['a JSON text', whole('"yes"\n')],
  ['half a JSON object', whole('{"ID": "12D3Koo')],
  ['an object with other types', whole('{"ID":7,"Version":8,"Cid":9,"Type":{},"Progress":"x","Pins":"x","Path":[],"RepoSize":"x","Key":true,"Peers":5,"Datastore":"x"}\n')],
  ['no HTTP at all', 'SSH-2.0-OpenSSH_9.7\r\n'],
]

for (const [what, answer] of nonsense) {
  test(`answers of a node that sends ${what} are refused`, async () => {
    for (const [name, call] of Object.entries(calls)) {
      await withNode(socket => { socket.end(answer) }, async ipfs => {
        await assert.rejects(call(ipfs), (error: unknown) => error instanceof ClusterError && ['IPFS_UNREACHABLE', 'IPFS_ANSWER'].includes(error.code) && error.message.length < 2_000, name)
      })
    }
  })
}

test('a wrong status shows what came, shortened', async () => {
  await withNode(socket => { socket.end(whole(`<h1>Bad Gateway</h1>${'x'.repeat(1e6)}`, '502 Bad Gateway', 'text/html')) }, async ipfs => {
    await assert.rejects(ipfs.id(), (error: unknown) => failsWith('IPFS_UNREACHABLE', /^IPFS request failed \(is it running\?\) \(id\)\. Code 502: <h1>Bad Gateway<\/h1>x+…$/)(error) && (error as Error).message.length < 1_000)
  })
})

test('a refusal reads as the reference words it', async () => {
  await withNode((socket, path) => { socket.write(path.startsWith('pin/ls') ? notPinned : refusedBecause('no room')) }, async ipfs => {
    await assert.rejects(ipfs.pin(pinOf(cid)), { code: 'IPFS_ANSWER', message: `IPFS error (pin/add?arg=${cid}&recursive=true&progress=true). Code: 500. Message: no room` })
    await assert.rejects(ipfs.pin({ ...pinOf(cid), maxDepth: 0 }), { message: `IPFS error (pin/add?arg=${cid}&recursive=false&progress=true). Code: 500. Message: no room` })
    await assert.rejects(ipfs.pin({ ...pinOf(cid), maxDepth: 3 }), { message: `IPFS error (pin/add?arg=${cid}&max-depth=3&recursive=true&progress=true). Code: 500. Message: no room` })
    await assert.rejects(ipfs.resolve(`/ipfs/${cid}/a b/(c)`), { message: `IPFS error (resolve?arg=%2Fipfs%2F${cid}%2Fa+b%2F%28c%29). Code: 500. Message: no room` })
  })
})

test('a node that is down reads as the reference words it', async () => {
  const node = await hostileNode(() => {})
  await node.close()
  const ipfs = connectorTo(node.port)
  const dialled = `dial tcp 127.0.0.1:${node.port}: connect: connection refused`
  const url = `http://127.0.0.1:${node.port}/api/v0`
  await assert.rejects(ipfs.id(), { code: 'IPFS_UNREACHABLE', message: `Post "${url}/id": ${dialled}` })
  await assert.rejects(Array.fromAsync(ipfs.garbageCollect()), { message: `Post "${url}/repo/gc?stream-errors=true": ${dialled}` })
  await assert.rejects(Array.fromAsync(ipfs.listPins()), { message: `Post "${url}/pin/ls?stream=true&type=recursive": ${dialled}` })
  await assert.rejects(ipfs.resolve(`/ipfs/${cid}/a.txt`), { message: `Post "${url}/resolve?arg=%2Fipfs%2F${cid}%2Fa.txt": ${dialled}` })
  const answers = await ipfs.pinMany([pinOf(cid), pinOf(cids[1] as Cid)])
  assert.deepEqual(answers.map(answer => answer?.message), [cid, cids[1]].map(item => `Post "${url}/pin/ls?stream=true&arg=${item}&type=recursive": ${dialled}`))
  await ipfs.stop()
})

test('a unix socket is used, and named when nobody listens there', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'kubo-socket-'))
  const path = join(folder, 'rpc')
  const ipfs = connectorTo(path)
  await assert.rejects(ipfs.id(), { message: `Post "http+unix://ipfs/api/v0/id": dial unix ${path}: connect: no such file or directory` })
  const node = await hostileNode(socket => { socket.write(whole(`{"ID":"${peer}","Addresses":null}`)) }, path)
  assert.equal((await ipfs.id()).id, peer)
  await ipfs.stop()
  await node.close()
  await rm(folder, { recursive: true, force: true })
})

test('a cut connection is a failure of every call, whatever came before', async () => {
  const begun: Readonly<Record<string, string>> = {
    'pin/add': '{"Progress":1}\n', 'pin/ls': `{"Cid":"${cid}","Type":"recursive"}\n`, 'repo/gc': `{"Key":{"/":"${cid}"}}\n`, 'block/put': '', id: `{"ID":"${peer}"}`,
  }
  await withNode((socket, path) => {
    const [command = ''] = path.split('?')
    if (command === 'pin/ls' && path.includes('arg=')) socket.write(notPinned)
    else socket.end(`${head()}${chunk(begun[command] ?? '{"half":')}`)
  }, async ipfs => {
    for (const name of ['id', 'version', 'pin', 'listPins', 'unpin', 'putBlocks', 'getBlock', 'resolve', 'repositoryStat', 'garbageCollect', 'swarmPeers', 'configKey']) {
      await assert.rejects((calls[name] as (ipfs: IpfsConnector) => Promise<unknown>)(ipfs), failsWith('IPFS_UNREACHABLE', /closed the connection|before it was complete/), name)
    }
  })
})

test('an answer to pin/add without confirmation is no success, one with it is', async () => {
  let last = ''
  await withNode((socket, path) => {
    if (path.startsWith('pin/ls')) socket.write(notPinned)
    else socket.end(last)
  }, async ipfs => {
    last = whole('{"Progress":1}\n{"Progress":2}\n')
    await assert.rejects(ipfs.pin(pinOf(cid)), failsWith('IPFS_UNREACHABLE', /before it was complete/))
    last = whole('')
    await assert.rejects(ipfs.pin(pinOf(cid)), failsWith('IPFS_UNREACHABLE', /before it was complete/))
    last = `${head()}${chunk('{"Progress":1}\n')}0\r\nX-Stream-Error: the merkledag is broken\r\n\r\n`
    await assert.rejects(ipfs.pin(pinOf(cid)), failsWith('IPFS_ANSWER', /Message: the merkledag is broken$/))
    last = `${head()}${chunk(`{"Pins":["${cid}"]}\n`)}` // Cut behind the confirmation.
    await ipfs.pin(pinOf(cid))
  })
})

test('a list that reports its failure at the end is a failure', async () => {
  await withNode(socket => { socket.end(`${head()}${chunk(`{"Cid":"${cid}","Type":"recursive"}\n`)}0\r\nX-Stream-Error: the store is closed\r\n\r\n`) }, async ipfs => {
    await assert.rejects(Array.fromAsync(ipfs.listPins()), failsWith('IPFS_ANSWER', /^IPFS error \(pin\/ls\?stream=true&type=recursive\)\. Code: 500\. Message: the store is closed$/))
  })
})

test('a collection in which blocks failed tells of each, one that was ended otherwise is a failure', async () => {
  const removed = `{"Key":{"/":"${cid}"}}\n`
  const failed = '{"Key":null,"Error":"garbage collection aborted: could not retrieve some links"}\n'
  const collecting = async (lines: string, end: string): Promise<unknown> => {
    let keys: unknown
    await withNode(socket => { socket.end(`${head()}${chunk(lines)}0\r\nX-Stream-Error: ${end}\r\n\r\n`) }, async ipfs => { keys = await Array.fromAsync(ipfs.garbageCollect()) })
    return keys
  }
  assert.deepEqual(await collecting(removed + failed, 'encountered errors during gc run'), [{ cid, error: '' }, { cid: undefined, error: 'garbage collection aborted: could not retrieve some links' }])
  await assert.rejects(collecting(removed + failed, 'context canceled'), failsWith('IPFS_ANSWER', /Message: context canceled$/))
  await assert.rejects(collecting(removed, 'encountered errors during gc run'), failsWith('IPFS_ANSWER', /errors during gc run$/))
})

test('a line without end is refused before it fills the memory', async () => {
  await withNode(socket => {
    socket.write(head())
    const more = (): void => { while (!socket.destroyed && socket.write(chunk('x'.repeat(16_384)))); }
    socket.on('drain', more)
    more()
  }, async ipfs => {
    await assert.rejects(Array.fromAsync(ipfs.listPins()), failsWith('IPFS_UNREACHABLE', /longer than 262144 bytes/))
    await assert.rejects(ipfs.id(), failsWith('IPFS_UNREACHABLE', /larger than \d+ bytes \(id\)/))
    await assert.rejects(ipfs.getBlock(cid), failsWith('IPFS_UNREACHABLE', /larger than \d+ bytes/))
  })
})

test('a block with other bytes than asked for is refused', async () => {
  await withNode(socket => { socket.write(whole('other bytes', '200 OK', 'text/plain')) }, async ipfs => {
    await assert.rejects(ipfs.getBlock(cid), failsWith('IPFS_UNREACHABLE', /other bytes/))
  })
})

test('a node that accepts and says nothing ends every call at its deadline', async () => {
  const clock = virtualClock()
  await withNode(() => {}, async ipfs => {
    for (const [name, call] of Object.entries(calls)) {
      await assert.rejects(until(clock, call(ipfs)), (error: unknown) => error instanceof ClusterError && error.code === 'TIMED_OUT', name)
    }
    await assert.rejects(until(clock, ipfs.id()), failsWith('TIMED_OUT', /did not answer within 30s \(ipfs_request_timeout\)$/))
    const answers = await until(clock, ipfs.pinMany(cids.slice(0, 3).map(pinOf)))
    assert.deepEqual(answers.map(answer => answer?.code), ['IPFS_STALLED', 'IPFS_STALLED', 'IPFS_STALLED'])
  }, {}, clock)
})

test('a list that comes slowly is read to its end; one that stands still is given up', async () => {
  const clock = virtualClock()
  const listing = Promise.withResolvers<Socket>()
  await withNode(socket => {
    listing.resolve(socket)
    socket.write(head())
  }, async (ipfs, node) => {
    const pins = ipfs.listPins()[Symbol.asyncIterator]()
    let next = pins.next()
    for (const item of cids.slice(0, 6)) {
      ;(await listing.promise).write(chunk(`{"Cid":"${item}","Type":"recursive"}\n`))
      assert.deepEqual(await next, { done: false, value: [{ cid: item, type: 'recursive' }] })
      next = pins.next()
      await clock.advance(29_000)
    }
    ;(await listing.promise).write('0\r\n\r\n')
    while (node.paths.length < 2) await clock.settle()
    await assert.rejects(until(clock, next), failsWith('TIMED_OUT', /pin\/ls\?stream=true&type=direct": .*ipfs_request_timeout/))
  }, {}, clock)
})

test('a pin goes on as long as blocks come, and stalls when none do', async () => {
  const clock = virtualClock()
  let pinning = Promise.withResolvers<Socket>()
  await withNode((socket, path) => {
    if (path.startsWith('pin/ls')) { socket.write(notPinned); return }
    pinning.resolve(socket)
    socket.write(head())
  }, async ipfs => {
    const seen: number[] = []
    const onProgress = (blocks: number): void => { seen.push(blocks) }
    const comes = async (blocks: number): Promise<void> => {
      ;(await pinning.promise).write(chunk(`{"Progress":${blocks}}\n`))
      while (seen.at(-1) !== blocks) await clock.settle()
      await clock.advance(29_000)
    }
    const pinned = ipfs.pin(pinOf(cid), { onProgress })
    for (const blocks of [1, 2, 4, 5]) await comes(blocks)
    ;(await pinning.promise).write(`${chunk(`{"Pins":["${cid}"]}\n`)}0\r\n\r\n`)
    await pinned
    assert.deepEqual(seen, [1, 2, 4, 5])

    pinning = Promise.withResolvers<Socket>()
    const stalled = assert.rejects(ipfs.pin(pinOf(cid), { onProgress }), failsWith('IPFS_STALLED', new RegExp(`^pinning ${cid} made no progress for 30s \\(pin_timeout\\): 2 blocks came`)))
    await comes(1)
    await comes(2)
    ;(await pinning.promise).write(chunk('{"Progress":2}\n'))
    await clock.settle()
    await clock.advance(1_000)
    await stalled
  }, {}, clock)
})

test('an update without end becomes an ordinary pin', async () => {
  const clock = virtualClock()
  await withNode((socket, path) => {
    if (path.startsWith('pin/update')) return
    if (path.startsWith('pin/add')) socket.write(whole(`{"Pins":["${cid}"]}\n`))
    else socket.write(path.includes(cid) ? notPinned : whole(`{"Cid":"${cids[1]}","Type":"recursive"}\n`))
  }, async (ipfs, node) => {
    const pinned = ipfs.pin({ ...pinOf(cid), pinUpdate: cids[1] })
    while (node.paths.length < 3) await clock.settle()
    await clock.advance(30_000)
    await pinned
    assert.deepEqual(node.paths, [
      `pin/ls?stream=true&arg=${cid}&type=recursive`,
      `pin/ls?stream=true&arg=${cids[1]}&type=recursive`,
      `pin/update?arg=${cids[1]}&arg=${cid}&unpin=false`,
      `pin/add?arg=${cid}&recursive=true&progress=true`,
    ])
  }, {}, clock)
})

test('ten origins are dialled before a pin, and no longer than it lasts', async () => {
  const dials = new Set<Socket>()
  const closed: Array<Promise<unknown>> = []
  const pinning = Promise.withResolvers<Socket>()
  await withNode((socket, path) => {
    if (path.startsWith('swarm/connect')) {
      dials.add(socket)
      closed.push(closing(socket))
    } else if (path.startsWith('pin/ls')) socket.write(notPinned)
    else pinning.resolve(socket)
  }, async ipfs => {
    const origins = Array.from({ length: 12 }, (_, i) => parseMultiaddress(`/ip4/127.0.0.1/tcp/${i + 1}/p2p/${peer}`))
    const pinned = ipfs.pin({ ...pinOf(cid), origins })
    const socket = await pinning.promise
    while (dials.size < 10) await new Promise(resolve => { setImmediate(resolve) })
    socket.write(whole(`{"Pins":["${cid}"]}\n`))
    await pinned
    assert.equal(dials.size, 10)
    await Promise.all(closed)
  })
})

test('a list that is not wanted to its end is ended, one that is read slowly waits', async () => {
  let sent = 0
  let isBlocked = false
  const line = chunk(`{"Cid":"${cid}","Type":"recursive"}\n`.repeat(100))
  const listing = Promise.withResolvers<Socket>()
  await withNode(socket => {
    listing.resolve(socket)
    socket.write(head())
    const more = (): void => {
      isBlocked = false
      do sent += line.length
      while (!socket.destroyed && socket.write(line))
      isBlocked = true
    }
    socket.on('drain', more)
    more()
  }, async ipfs => {
    const socket = await (async () => {
      for await (const batch of ipfs.listPins()) {
        assert.ok(batch.length > 0)
        for (let blockedTurns = 0; blockedTurns < 50; blockedTurns = isBlocked ? blockedTurns + 1 : 0) {
          const before = sent
          await new Promise(resolve => { setImmediate(resolve) })
          if (sent > before) blockedTurns = 0
          assert.ok(sent < 64 * 2 ** 20, 'the node is not made to wait')
        }
        return listing.promise
      }
      throw new Error('no list')
    })()
    if (!socket.closed) await closing(socket)
  })
})

test('a kept connection that the node has closed costs no call', async () => {
  await withNode(socket => { socket.write(whole(`{"ID":"${peer}","Addresses":null}`), () => { socket.resetAndDestroy() }) }, async ipfs => {
    for (let i = 0; i < 20; i++) await ipfs.id()
  })
})

test('a node that comes back is used again, and its absence ends only the calls of that time', async () => {
  const answer: Answer = socket => { socket.write(whole(`{"ID":"${peer}","Addresses":null}`)) }
  const first = await hostileNode(answer)
  const ipfs = connectorTo(first.port)
  await ipfs.id()
  await first.close()
  await assert.rejects(ipfs.id(), failsWith('IPFS_UNREACHABLE', /connection refused|closed the connection/))
  const second = await hostileNode(answer, first.port)
  assert.equal((await ipfs.id()).id, peer)
  await ipfs.stop()
  await second.close()
})

test('pins that stand still leave connections to all other calls', async () => {
  await withNode((socket, path) => {
    if (path.startsWith('pin/add')) return
    socket.write(path.startsWith('pin/ls') ? notPinned : whole(`{"ID":"${peer}","Addresses":null}`))
  }, async ipfs => {
    const abort = new AbortController()
    const pins = cids.map(item => assert.rejects(ipfs.pin(pinOf(item), { signal: abort.signal }), failsWith('CANCELLED', /^cancelled: enough$/)))
    for (let i = 0; i < 50; i++) await ipfs.id()
    abort.abort(new Error('enough'))
    await Promise.all(pins)
    await ipfs.id()
  })
})

test('100,000 connected peers are read, an unreadable one among them left out', async () => {
  const entry = { Addr: '/ip4/10.0.0.1/udp/4001/quic-v1', Peer: peer, Identify: { ID: '', PublicKey: '', Addresses: null, AgentVersion: '', Protocols: null } }
  const answer = JSON.stringify({ Peers: [...Array.from({ length: 100_000 }, () => entry), { Addr: '', Peer: 'nobody' }, null] })
  await withNode(socket => { socket.write(whole(answer)) }, async ipfs => {
    assert.equal((await ipfs.swarmPeers()).length, 100_000)
  })
})

test('one refused CID in a batch does not touch the others', async () => {
  const pinned = new Set<string>()
  const bad = new Set<string>([3, 4, 77].map(i => cids[i] as Cid))
  await withNode((socket, path) => {
    const asked = [...path.matchAll(/arg=([^&]+)/g)].map(match => match[1] as string)
    if (path.startsWith('pin/ls')) {
      const first = asked.findIndex(item => !pinned.has(item))
      const lines = asked.slice(0, first < 0 ? asked.length : first).map(item => `{"Cid":"${item}","Type":"recursive"}\n`).join('')
      if (first === 0) socket.write(refusedBecause(`path '${asked[0]}' is not pinned`))
      else socket.write(`${head()}${chunk(lines)}0\r\n${first < 0 ? '' : `X-Stream-Error: path '${asked[first]}' is not pinned\r\n`}\r\n`)
      return
    }
    const refused = asked.find(item => bad.has(item))
    for (const item of asked.slice(0, refused === undefined ? asked.length : asked.indexOf(refused))) pinned.add(item)
    socket.write(refused === undefined ? whole(`{"Pins":${JSON.stringify(asked)}}\n`) : refusedBecause(`cannot pin ${refused}`))
  }, async (ipfs, node) => {
    const answers = await ipfs.pinMany(cids.map(pinOf))
    for (const [i, answer] of answers.entries()) {
      const item = cids[i] as Cid
      if (!bad.has(item)) assert.equal(answer, undefined)
      else assert.equal(answer?.message, `IPFS error (pin/add?arg=${item}&recursive=true&progress=true). Code: 500. Message: cannot pin ${item}`)
    }
    assert.equal(pinned.size, cids.length - bad.size)
    assert.ok(node.paths.length < 20, `${node.paths.length} requests`)
  })
})

test('a batch of refused CIDs ends with an answer for each', async () => {
  await withNode((socket, path) => { socket.write(refusedBecause(path.startsWith('pin/ls') ? 'path \'x\' is not pinned' : 'no room')) }, async ipfs => {
    const answers = await ipfs.pinMany(cids.map(pinOf))
    assert.deepEqual(answers.map(answer => answer?.message), cids.map(item => `IPFS error (pin/add?arg=${item}&recursive=true&progress=true). Code: 500. Message: no room`))
  })
})

test('a batch whose items make progress for too long comes back to be tried one by one', async () => {
  const clock = virtualClock()
  const pinning = Promise.withResolvers<Socket>()
  await withNode((socket, path) => {
    if (path.startsWith('pin/ls')) { socket.write(notPinned); return }
    pinning.resolve(socket)
    socket.write(head())
  }, async ipfs => {
    let seen = 0
    let answers: Array<ClusterError | undefined> | undefined
    const pinned = ipfs.pinMany(cids.slice(0, 5).map(pinOf), { onProgress: blocks => { seen = blocks } }).then(value => { answers = value })
    for (let blocks = 1; answers === undefined; blocks++) {
      assert.ok(blocks < 10)
      ;(await pinning.promise).write(chunk(`{"Progress":${blocks}}\n`))
      while (seen < blocks && answers === undefined) await clock.settle()
      await clock.advance(1_500)
    }
    await pinned
    assert.deepEqual(answers?.map(answer => answer?.code), Array.from({ length: 5 }, () => 'IPFS_STALLED'))
  }, {}, clock)
})

test('unpinning is refused when the configuration says so', async () => {
  await withNode(() => {}, async (ipfs, node) => {
    const message = 'ipfs unpinning is disallowed by configuration on this peer'
    await assert.rejects(ipfs.unpin(cid), { message })
    assert.deepEqual((await ipfs.unpinMany([cid, cid])).map(answer => answer?.message), [message, message])
    assert.deepEqual(node.paths, [])
  }, { unpinDisable: true })
})

test('an upload waits for a node that takes nothing, and not longer than its deadline', async () => {
  let produced = 0
  async function * source (): AsyncGenerator<Block> {
    for (;;) yield rawBlock(`${produced++}`.padEnd(65_536))
  }
  await withNode(socket => { socket.pause() }, async ipfs => {
    await assert.rejects(ipfs.putBlocks(source()), failsWith('TIMED_OUT', /took no block and confirmed none for 300ms/))
    // What the sockets of both sides hold, and no more.
    assert.ok(produced * 65_536 < 64 * 2 ** 20, `${produced} blocks`)
  }, { ipfsRequestTimeoutMs: 300 })
})

test('an upload begins with its first block, however long the second takes', async () => {
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
  async function * slowSource (): AsyncGenerator<Block> {
    yield rawBlock('one')
    await begun
    yield rawBlock('two')
  }
  await withNode((socket, _path, body) => {
    begin()
    const end = (): void => {
      if (!body().endsWith('\r\n0\r\n\r\n')) { setImmediate(end); return }
      socket.write(whole(['one', 'two'].map(text => `{"Key":"${rawBlock(text).cid.toString()}","Size":3}\n`).join('')))
    }
    end()
  }, ipfs => ipfs.putBlocks(slowSource()))
})

test('an upload that the node refuses in the middle ends, and so does its source', async () => {
  let isReturned = false
  async function * source (): AsyncGenerator<Block> {
    try {
      for (let i = 0; ; i++) yield rawBlock(`${i}`.padEnd(20_000))
    } finally {
      isReturned = true
    }
  }
  await withNode(socket => { socket.write(refusedBecause('no space left on device')) }, async ipfs => {
    await assert.rejects(ipfs.putBlocks(source()), failsWith('IPFS_ANSWER', /^IPFS error \(block\/put\?allow-big-block=true&cid-codec=raw&mhlen=32&mhtype=sha2-256&pin=false\)\. Code: 500\. Message: no space left on device$/))
    assert.equal(isReturned, true)
  })
})

test('a block that the node stores under another hash is named', async () => {
  await withNode(socket => { socket.write(`${head()}${chunk(`${JSON.stringify({ Key: cid, Size: 3 })}\n`)}`) }, async ipfs => {
    const block = rawBlock('one')
    const endless = async function * (): AsyncGenerator<Block> {
      yield block
      for (let i = 0; ; i++) yield rawBlock(`${i}`.padEnd(20_000))
    }
    await assert.rejects(ipfs.putBlocks(endless()), failsWith('IPFS_ANSWER', new RegExp(`stored a block as ${cid}, which was not sent: the bytes of block ${block.cid.toString()} are`)))
  })
})

test('an upload that the node confirms only in part is a failure', async () => {
  const blocks = ['one', 'two'].map(rawBlock)
  await withNode((socket, _path, body) => {
    const wait = (): void => {
      if (!body().endsWith('\r\n0\r\n\r\n')) { setImmediate(wait); return }
      socket.write(whole(`${JSON.stringify({ Key: (blocks[0] as Block).cid.toString(), Size: 3 })}\n`))
    }
    wait()
  }, async ipfs => {
    await assert.rejects(ipfs.putBlocks(streamOf(blocks)), failsWith('IPFS_UNREACHABLE', /before it was complete/))
  })
})

test('metrics are sent at each n-th event', async () => {
  const clock = virtualClock()
  let sent = 0
  await withNode(socket => { socket.write(whole(`{"Cid":"${cid}","Type":"recursive"}\n`)) }, async ipfs => {
    await ipfs.start(new AbortController().signal)
    for (let i = 0; i < 5; i++) await ipfs.pin(pinOf(cid))
    assert.equal(sent, 3, 'ten starts and ends of pins')
  }, { ipfsRequestTimeoutMs: 0, informerTriggerInterval: 3, sendMetrics: () => { sent++ } }, clock)
})

test('stopping ends every call', async () => {
  const node = await hostileNode(() => {})
  const ipfs = connectorTo(node.port)
  const running = Object.values(calls).map(call => assert.rejects(call(ipfs), failsWith('CANCELLED', /stopped/)))
  await ipfs.stop()
  await Promise.all(running)
  await assert.rejects(ipfs.id(), failsWith('CANCELLED', /stopped/))
  assert.equal(parseCid(cid), cid)
  await node.close()
})
