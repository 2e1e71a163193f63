import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Multiaddress } from '../domain/peer.ts'
import { peersOfAddresses, readPeerstore, splitPeerAddress, writePeerstore } from './peerstore.ts'

const one = '12D3KooWQE3CWA3MJ1YhrYNP8EE3JErGbrCtpKRkFrWgi45nYAMn'
const two = '12D3KooWN4XQAV3ndYpY7kxq77CNjRVCVJh9mk2WH9CgaY4xVQun'
const direct = `/ip4/127.0.0.1/tcp/1/p2p/${one}` as Multiaddress
const relayed = `/ip4/127.0.0.1/tcp/1/p2p/${one}/p2p-circuit/p2p/${two}` as Multiaddress

test('the peer of an address is its last part', () => {
  assert.deepEqual(splitPeerAddress(direct), { peer: one, transport: '/ip4/127.0.0.1/tcp/1' })
  assert.equal(splitPeerAddress(relayed)?.peer, two)
  assert.equal(splitPeerAddress('/ip4/127.0.0.1/tcp/1' as Multiaddress), undefined)
  assert.deepEqual(peersOfAddresses([direct, relayed, direct, '/ip4/1.2.3.4/tcp/1' as Multiaddress]), [one, two])
})

test('addresses are written and read, one a line', t => {
  const folder = mkdtempSync(join(tmpdir(), 'peerstore-'))
  t.after(() => { rmSync(folder, { recursive: true, force: true }) })
  const path = join(folder, 'peerstore')
  assert.deepEqual(readPeerstore(path, message => { assert.fail(message) }), [])
  writePeerstore(path, [direct, relayed, `/p2p/${one}` as Multiaddress])
  assert.equal(readFileSync(path, 'utf8'), `${direct}\n${relayed}\n`)
  assert.equal(statSync(path).mode & 0o777, 0o644)
  writeFileSync(path, `# a comment\n\n${direct}\n/nonsense/1\n${relayed}`)
  const warnings: string[] = []
  assert.deepEqual(readPeerstore(path, message => { warnings.push(message) }), [direct, relayed])
  assert.deepEqual(warnings, [`error parsing multiaddress from ${path}: failed to parse multiaddr "/nonsense/1": unknown protocol nonsense`])
  assert.throws(() => { writePeerstore(path, ['/ip4/127.0.0.1/tcp/1' as Multiaddress]) }, { message: 'invalid p2p multiaddr' })
})

/** Runs a script where it may mount something for itself. */
const mounting = (script: string, ...args: string[]) => spawnSync('unshare', ['--user', '--map-root-user', '--mount', 'sh', '-c', script, 'sh', ...args], { encoding: 'utf8' })
const skip = mounting('mount -t tmpfs none /tmp').status === 0 ? false : 'this machine lets nobody mount'

test('a file that is mounted alone, as into a container, is written all the same', { skip }, t => {
  const folder = mkdtempSync(join(tmpdir(), 'peerstore-'))
  t.after(() => { rmSync(folder, { recursive: true, force: true }) })
  const [outside, path] = [join(folder, 'outside'), join(folder, 'peerstore')]
  for (const file of [outside, path]) writeFileSync(file, '')
  const module = fileURLToPath(new URL('peerstore.ts', import.meta.url))
  const program = `import { writePeerstore } from ${JSON.stringify(module)}; writePeerstore(${JSON.stringify(path)}, [${JSON.stringify(direct)}])`
  const { status, stderr } = mounting('mount --bind "$1" "$2" && exec "$3" --input-type=module -e "$4"', outside, path, process.execPath, program)
  assert.deepEqual({ status, stderr }, { status: 0, stderr: '' })
  assert.equal(readFileSync(outside, 'utf8'), `${direct}\n`)
})
