import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { systemRandom } from '../platform/random.ts'
import { cluster } from './sections/cluster.ts'
import { createIdentity, loadIdentity, saveIdentity, type LoadIdentityOptions } from './identity.ts'

function makeFolder (t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'identity-'))
  t.after(() => { rmSync(folder, { recursive: true, force: true }) })
  return folder
}

const plain: LoadIdentityOptions = { environment: {}, notify: message => { assert.fail(message) } }

test('a new identity is read back, and only its owner can read the file', t => {
  const folder = makeFolder(t)
  const identity = createIdentity(systemRandom)
  saveIdentity(folder, identity)
  assert.deepEqual(loadIdentity(folder, plain), identity)
  const path = join(folder, 'identity.json')
  assert.equal(statSync(path).mode & 0o777, 0o600)
  assert.match(readFileSync(path, 'utf8'), /^\{\n {4}"id": "12D3KooW\w+",\n {4}"private_key": "[\w+/]+=*"\n\}$/)
  assert.notEqual(createIdentity(systemRandom).id, identity.id)
})

test('the environment replaces id and key together', t => {
  const folder = makeFolder(t)
  saveIdentity(folder, createIdentity(systemRandom))
  const other = createIdentity(systemRandom)
  const key = Buffer.from(other.privateKey).toString('base64')
  assert.deepEqual(loadIdentity(folder, { ...plain, environment: { CLUSTER_ID: other.id, CLUSTER_PRIVATEKEY: key } }), other)
  assert.throws(() => loadIdentity(folder, { ...plain, environment: { CLUSTER_ID: other.id } }), { code: 'INVALID_IDENTITY', message: 'error applying environment variables to the identity: identity ID does not match the private_key' })
  assert.throws(() => loadIdentity(folder, { ...plain, environment: { CLUSTER_PRIVATEKEY: '' } }), /error parsing private_key ID: proto/)
})

test('an identity in service.json is taken over into its own file', t => {
  const folder = makeFolder(t)
  const identity = createIdentity(systemRandom)
  writeFileSync(join(folder, 'service.json'), JSON.stringify({ cluster: { id: identity.id, private_key: Buffer.from(identity.privateKey).toString('base64') } }))
  const notices: string[] = []
  assert.deepEqual(loadIdentity(folder, { ...plain, notify: message => { notices.push(message) } }), identity)
  assert.deepEqual(notices, [`\nNOTICE: identity information extracted from ${folder}/service.json and saved as ${folder}/identity.json.\n\n`])
  assert.deepEqual(loadIdentity(folder, plain), identity)

  const context = { folder, hostname: 'host', warn: (message: string) => { assert.fail(message) } }
  const json = { ...cluster.toJson(cluster.initial(context)), secret: '00'.repeat(32), id: identity.id, private_key: 'x' }
  assert.ok(!Object.hasOwn(cluster.toJson(cluster.parse(json, context)), 'private_key'))
})

test('without any identity the error says what to do', t => {
  const folder = makeFolder(t)
  writeFileSync(join(folder, 'service.json'), '{"cluster":{}}')
  assert.throws(() => loadIdentity(folder, plain), {
    code: 'INVALID_IDENTITY',
    message: 'error loading identity: error decoding cluster ID: failed to parse peer ID: invalid cid: cid too short',
    details: { hint: `${folder}/identity.json is missing: restore it, or run "ipfs-cluster-service init" for a new identity` },
  })
})

test('a damaged file is named', t => {
  const folder = makeFolder(t)
  const path = join(folder, 'identity.json')
  const refusals: ReadonlyArray<readonly [string, RegExp]> = [
    ['', /: unexpected end of JSON input$/], ['[]', /: identity.json must hold a JSON object$/], ['{"id": 5}', /: error decoding cluster ID: id must be a text$/],
    ['x'.repeat(100_000), /the file has 100000 bytes, more than any identity$/],
  ]
  for (const [text, message] of refusals) {
    writeFileSync(path, text)
    assert.throws(() => loadIdentity(folder, plain), error => (error as Error).message.startsWith(`error loading identity from ${path}`) && message.test((error as Error).message), text.slice(0, 20))
  }
})
