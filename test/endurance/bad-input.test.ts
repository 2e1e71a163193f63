import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { cidOf } from './pin-clients.ts'
import { listPinset } from './pinset-checks.ts'
import { ScratchPeer, type Environment } from './scratch-peer.ts'

/** Pins of the peer: with their names enough for a table, and a log, of the datastore. */
const pins = 150
const root = mkdtempSync(join(tmpdir(), 'bad-input-'))
/** The peer's folder as it was before the harm. */
const unharmed = join(root, 'unharmed')
let peer: ScratchPeer

before(async () => {
  mkdirSync(join(root, 'peer-and-home'))
  peer = await ScratchPeer.make(join(root, 'peer-and-home'))
  // A stop turns the log into a table; who is killed leaves one.
  for (const [first, signal] of [[0, 'SIGTERM'], [pins / 2, 'SIGKILL']] as const) {
    await peer.start()
    for (let n = first; n < first + pins / 2; n++) assert.equal((await fetch(peer.url(`/pins/${cidOf(n)}?name=${'n'.repeat(200)}`), { method: 'POST' })).status, 200)
    await peer.end(signal)
  }
  cpSync(peer.path, unharmed, { recursive: true })
})

after(async () => {
  await peer.close()
  rmSync(root, { recursive: true, force: true })
})

/** Every file but logs and locks, by its checksum. */
function contentOf (folder: string): Map<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile() && !/^(LOCK|LOG|LOG\.old|cluster\.lock)$/.test(entry.name))
  return new Map(files.map(entry => join(entry.parentPath, entry.name)).toSorted().map(path => [path, createHash('sha256').update(readFileSync(path)).digest('hex')]))
}

/** Takes away what the harm did; the peer then has all its pins. */
async function repair (): Promise<void> {
  rmSync(peer.path, { recursive: true, force: true })
  cpSync(unharmed, peer.path, { recursive: true })
}

async function runsWithAllPins (): Promise<void> {
  await peer.start()
  assert.equal((await listPinset(peer)).length, pins)
  assert.deepEqual(await peer.end('SIGTERM'), { exit: 0, signal: null })
}

/** The daemon ends with 1, says why and what to do, and leaves everything as it was. */
function refuses (expected: RegExp, environment: Environment = {}): void {
  const before = contentOf(peer.path)
  const { exit, stderr } = peer.run(['daemon'], environment)
  assert.match(stderr, expected)
  assert.equal(exit, 1)
  assert.deepEqual(contentOf(peer.path), before, 'nothing was changed')
}

function newest (pattern: RegExp): string {
  const name = readdirSync(peer.datastore).filter(name => pattern.test(name)).toSorted().at(-1)
  assert.ok(name !== undefined, `the datastore has a file ${pattern}`)
  return join(peer.datastore, name)
}

function garble (path: string, from = 0, length = statSync(path).size): void {
  const bytes = readFileSync(path)
  bytes.fill('garbage ', from, from + length)
  writeFileSync(path, bytes)
}

const damagedAdvice = /error creating datastore: the datastore in .*leveldb is damaged \(.+\): .*move this folder away, then start again and either restore the pins with "ipfs-cluster-service state import" or let this peer sync from the others/

interface Harm { readonly what: string, readonly harm: () => void, readonly expected: RegExp }

const harms: readonly Harm[] = [
  { what: 'CURRENT is missing', harm: () => { unlinkSync(join(peer.datastore, 'CURRENT')) }, expected: damagedAdvice },
  { what: 'CURRENT is empty', harm: () => { truncateSync(join(peer.datastore, 'CURRENT')) }, expected: damagedAdvice },
  { what: 'CURRENT is garbage', harm: () => { garble(join(peer.datastore, 'CURRENT')) }, expected: damagedAdvice },
  { what: 'the manifest is missing', harm: () => { unlinkSync(newest(/^MANIFEST/)) }, expected: damagedAdvice },
  { what: 'the manifest is empty', harm: () => { truncateSync(newest(/^MANIFEST/)) }, expected: damagedAdvice },
  { what: 'the manifest is cut off', harm: () => { truncateSync(newest(/^MANIFEST/), statSync(newest(/^MANIFEST/)).size - 3) }, expected: damagedAdvice },
  { what: 'the manifest is garbage', harm: () => { garble(newest(/^MANIFEST/)) }, expected: damagedAdvice },
  { what: 'a table is missing', harm: () => { unlinkSync(newest(/\.ldb$/)) }, expected: damagedAdvice },
  { what: 'a table is cut off', harm: () => { truncateSync(newest(/\.ldb$/), 1_000) }, expected: damagedAdvice },
  { what: 'the log is broken in the middle', harm: () => { garble(newest(/\.log$/), 2_000, 50) }, expected: /damaged \(\d+\.log is broken at byte \d+\): keep a copy and give up the last changes from there on \("truncate -s \d+ '.*\.log'"\), or move this folder away/ },
  { what: 'the identity is empty', harm: () => { truncateSync(join(peer.path, 'identity.json')) }, expected: /Restore identity\.json from a backup, or remove it.*error loading identity from .*identity\.json: unexpected end of JSON input/s },
  { what: 'the identity is garbage', harm: () => { garble(join(peer.path, 'identity.json')) }, expected: /Restore identity\.json from a backup, or remove it.*error loading identity from .*identity\.json: .*not JSON/s },
  { what: 'the identity is missing', harm: () => { unlinkSync(join(peer.path, 'identity.json')) }, expected: /identity\.json is missing: restore it, or run/ },
  {
    what: 'the identity cannot be read',
    harm: () => {
      unlinkSync(join(peer.path, 'identity.json'))
      mkdirSync(join(peer.path, 'identity.json'))
    },
    expected: /error loading identity from .*identity\.json: /,
  },
  { what: 'service.json is empty', harm: () => { truncateSync(join(peer.path, 'service.json')) }, expected: /cut off.*error loading configurations: unexpected end of JSON input/s },
  { what: 'service.json is garbage', harm: () => { garble(join(peer.path, 'service.json')) }, expected: /error loading configurations: service\.json is not JSON/ },
  { what: 'service.json is cut off', harm: () => { truncateSync(join(peer.path, 'service.json'), 600) }, expected: /cut off.*error loading configurations: unexpected end of JSON input/s },
  { what: 'service.json is a list', harm: () => { writeFileSync(join(peer.path, 'service.json'), '[]') }, expected: /service\.json must hold a JSON object, not a list/ },
  { what: 'service.json has a wrong value', harm: () => { peer.configure(json => { (json.cluster as Record<string, unknown>).replication_factor_min = 'many' }) }, expected: /cluster\.replication_factor_min must be a whole number, not "many"/ },
]

for (const { what, harm, expected } of harms) {
  test(`${what}: refused, and nothing is changed`, async () => {
    await repair()
    harm()
    refuses(expected)
    // Once more: the first refusal has not made it worse.
    refuses(expected)
  })
}

test('a table is garbage: refused when it is read, and all is there again with the table', async () => {
  await repair()
  const table = newest(/\.ldb$/)
  const good = readFileSync(table)
  garble(table)
  const { exit, stderr } = peer.run(['daemon'])
  assert.equal(exit, 1)
  assert.match(stderr, /error setting up Consensus: the datastore in .*leveldb is damaged \(.+\): move this folder away/)
  writeFileSync(table, good)
  await runsWithAllPins()
})

test('after all refusals, the repaired peer has all its pins', async () => {
  await repair()
  await runsWithAllPins()
})

test('an import that was killed between its renames: the old pins are there', async () => {
  await repair()
  renameSync(peer.datastore, `${peer.datastore}.replaced`)
  await runsWithAllPins()
})

test('a log that was cut off, as by a crash, starts by itself', async () => {
  await repair()
  truncateSync(newest(/\.log$/), statSync(newest(/\.log$/)).size - 10)
  await peer.start()
  assert.ok((await listPinset(peer)).length >= pins / 2)
  await peer.end('SIGTERM')
})

test('a second daemon on the folder is refused, and the first goes on', async () => {
  await repair()
  await peer.start()
  const { exit, stderr } = peer.run(['daemon'])
  assert.equal(exit, 1)
  assert.match(stderr, /error obtaining execution lock: lock .*cluster\.lock: someone else has the lock\. If no other ipfs-cluster-service process is running/)
  for (const command of ['export', 'cleanup', 'import']) assert.match(peer.run(['state', command]).stderr, /error obtaining execution lock/)
  assert.equal((await listPinset(peer)).length, pins)
  assert.deepEqual(await peer.end('SIGTERM'), { exit: 0, signal: null })
})

async function listening (port: number, onConnection: () => void = () => {}): Promise<Server> {
  const server = createServer(onConnection)
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return server
}

for (const [what, port] of [['REST API', () => peer.apiPort], ['metrics', () => peer.metricsPort]] as const) {
  test(`a taken port of the ${what} is told, and the folder is free again`, async () => {
    await repair()
    const server = await listening(port())
    const { exit, stderr } = peer.run(['daemon'])
    server.close()
    await once(server, 'close')
    assert.equal(exit, 1)
    assert.match(stderr, new RegExp(`listen /ip4/127\\.0\\.0\\.1/tcp/${port()}: address already in use: stop the program that listens there or configure another address`))
    await runsWithAllPins()
  })
}

test('an IPFS node that accepts and never answers: the peer serves, tells it in each status, and stops in order', async () => {
  await repair()
  const connections = new Set<{ destroy (): unknown }>()
  const hanging = createServer(socket => { connections.add(socket.on('error', () => {})) })
  hanging.listen(0, '127.0.0.1')
  await once(hanging, 'listening')
  const { port } = hanging.address() as { port: number }
  try {
    await peer.start({ CLUSTER_IPFSHTTP_NODEMULTIADDRESS: `/ip4/127.0.0.1/tcp/${port}`, CLUSTER_IPFSHTTP_IPFSREQUESTTIMEOUT: '300ms', CLUSTER_IPFSHTTP_PINTIMEOUT: '300ms' })
    const json = async (method: string, path: string): Promise<Record<string, unknown>> => {
      const response = await fetch(peer.url(path), { method })
      const text = await response.text()
      assert.equal(response.status, 200, text)
      return JSON.parse(text) as Record<string, unknown>
    }
    const reason = /the IPFS node did not answer within 300ms \(ipfs_request_timeout\)/
    assert.match((await json('GET', '/id') as { ipfs: { error: string } }).ipfs.error, reason)
    await json('POST', `/pins/${cidOf(pins)}`)
    // While the node is asked to pin it, there is nothing to tell yet.
    await peer.until(async () => {
      const status = await json('GET', `/pins/${cidOf(pins)}`) as { peer_map: Record<string, { error: string }> }
      return reason.test(Object.values(status.peer_map)[0]?.error ?? '')
    })
    assert.equal((await listPinset(peer)).length, pins + 1)
    await json('DELETE', `/pins/${cidOf(pins)}`)
    assert.deepEqual(await peer.end('SIGTERM'), { exit: 0, signal: null })
  } finally {
    for (const socket of connections) socket.destroy()
    hanging.close()
  }
  await runsWithAllPins()
})

test('no IPFS node at all: the peer serves, and pins when the node comes', async () => {
  await repair()
  await peer.stopIpfs()
  await peer.start()
  assert.equal((await listPinset(peer)).length, pins)
  assert.match(await (await fetch(peer.url('/id'))).text(), /"ipfs":\{"addresses":null,"error":"Post /)
  await peer.startIpfs()
  await peer.until(async () => (await (await fetch(peer.url('/pins?filter=pinned'))).text()).split('\n').filter(line => line !== '').length === pins)
  assert.deepEqual(await peer.end('SIGTERM'), { exit: 0, signal: null })
})
