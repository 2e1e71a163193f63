import assert from 'node:assert/strict'
import { once } from 'node:events'
import { chmodSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { systemRandom } from '../platform/random.ts'
import { consensusOf, datastoreOf, ipfsConnectorOf, withValues, type Configuration } from './configuration.ts'
import { createConfiguration, type CreateOptions } from './create.ts'
import { configurationToDisplayJson, loadConfiguration, saveConfiguration, type LoadOptions } from './file.ts'

function makeFolder (t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'file-'))
  t.after(() => { rmSync(folder, { recursive: true, force: true }) })
  return folder
}

type Inner = Record<string, unknown>

const plain: LoadOptions = { environment: {}, warn: message => { assert.fail(message) } }

function create (folder: string, options: Partial<CreateOptions> = {}): Promise<Configuration> {
  return createConfiguration({ folder, random: systemRandom, environment: {}, warn: message => { assert.fail(message) }, ...options })
}

async function serve (t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => { server.close() })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('what is created, saved and loaded is the same', async t => {
  const folder = join(makeFolder(t), 'new', 'folder')
  const created = await create(folder)
  saveConfiguration(created)
  const loaded = await loadConfiguration(folder, plain)
  assert.deepEqual({ ...loaded, original: {} }, created)
  assert.equal(statSync(folder).mode & 0o777, 0o700)
  assert.equal(statSync(join(folder, 'service.json')).mode & 0o777, 0o600)
  assert.deepEqual(readdirSync(folder), ['service.json'])
  assert.equal(loaded.cluster.secret.length, 32)
  assert.notDeepEqual((await create(folder)).cluster.secret, loaded.cluster.secret)
})

test('the choices decide about the sections', async t => {
  const folder = makeFolder(t)
  const crdt = await create(folder, { datastore: 'leveldb', ipfsConnector: 'embedded' })
  assert.deepEqual([consensusOf(crdt), datastoreOf(crdt), ipfsConnectorOf(crdt)], ['crdt', 'leveldb', 'embedded'])
  const raft = await create(folder, { consensus: 'raft' })
  assert.deepEqual([consensusOf(raft), datastoreOf(raft), ipfsConnectorOf(raft)], ['raft', undefined, 'ipfshttp'])
  assert.ok(!crdt.loaded.has('informer.numpin'))
})

test('what nobody knows survives a save, and is warned of', async t => {
  const folder = makeFolder(t)
  saveConfiguration(await create(folder))
  const path = join(folder, 'service.json')
  const json = JSON.parse(readFileSync(path, 'utf8')) as { api: object, state: object, future: object, cluster: Inner, consensus: { crdt: { batching: Inner } }, informer: Inner, monitor: { pubsubmon: Inner } }
  json.future = { section: { key: 1 } }
  json.state = { old: {} }
  json.api = { ...json.api, restapy: { port: 1 } }
  json.cluster.shard_size = 5
  json.consensus.crdt.batching.max_batch_weight = 7
  delete json.informer.tags
  writeFileSync(path, JSON.stringify(json))
  const warnings: string[] = []
  const configuration = await loadConfiguration(folder, { ...plain, warn: message => { warnings.push(message) } })
  assert.equal(warnings.length, 4)
  assert.match(warnings.join('\n'), /^future: this section is not known/m)
  assert.match(warnings.join('\n'), /^api\.restapy: .*did you mean restapi\?$/m)
  assert.match(warnings.join('\n'), /^cluster\.shard_size: this key is not known/m)
  assert.match(warnings.join('\n'), /^consensus\.crdt\.batching\.max_batch_weight: .*did you mean max_batch_size\?$/m)

  saveConfiguration(withValues(configuration, 'monitor', 'pubsubmon', { checkIntervalMs: 1000 }))
  const saved = JSON.parse(readFileSync(path, 'utf8')) as typeof json
  const expected = structuredClone(json)
  expected.monitor.pubsubmon.check_interval = '1s'
  assert.deepEqual(saved, expected)
  assert.deepEqual(Object.keys(saved.api), ['ipfsproxy', 'pinsvcapi', 'restapi', 'restapy'])
  assert.ok(!configuration.loaded.has('informer.tags'), 'an absent section stays absent')
})

test('the environment counts at every load and is not written', async t => {
  const folder = makeFolder(t)
  saveConfiguration(await create(folder))
  const environment = { CLUSTER_PEERNAME: 'other', CLUSTER_TAGS_TAGS: 'a:b' }
  const loaded = await loadConfiguration(folder, { ...plain, environment })
  assert.equal(loaded.cluster.peername, 'other')
  assert.deepEqual(loaded.informer.tags.tags, { a: 'b' })
  assert.notEqual((await loadConfiguration(folder, plain)).cluster.peername, 'other')
})

test('secrets are not shown', async t => {
  const configuration = await create(makeFolder(t), { environment: { CLUSTER_RESTAPI_BASICAUTHCREDENTIALS: 'u:topsecret' } })
  const shown = JSON.stringify(configurationToDisplayJson(configuration))
  assert.ok(!shown.includes('topsecret'))
  assert.ok(!shown.includes(Buffer.from(configuration.cluster.secret).toString('hex')))
})

test('a symbolic link stays one, and a failed save leaves the old file', async t => {
  const folder = makeFolder(t)
  const elsewhere = join(folder, 'elsewhere')
  mkdirSync(elsewhere)
  writeFileSync(join(elsewhere, 'real.json'), '')
  symlinkSync(join('elsewhere', 'real.json'), join(folder, 'service.json'))
  saveConfiguration(await create(folder))
  assert.ok(lstatSync(join(folder, 'service.json')).isSymbolicLink())
  assert.ok(readFileSync(join(elsewhere, 'real.json'), 'utf8').startsWith('{'))

  const before = readFileSync(join(elsewhere, 'real.json'), 'utf8')
  mkdirSync(join(elsewhere, `.real.json.${process.pid}.tmp`))
  const other = await create(folder)
  assert.throws(() => { saveConfiguration(other) }, { code: 'STORE_FAILED' })
  assert.equal(readFileSync(join(elsewhere, 'real.json'), 'utf8'), before)
})

test('a file that cannot be read says why', async t => {
  const folder = makeFolder(t)
  await assert.rejects(loadConfiguration(folder, plain), { code: 'INVALID_CONFIGURATION', message: `open ${folder}/service.json: no such file or directory` })
  mkdirSync(join(folder, 'service.json'))
  await assert.rejects(loadConfiguration(folder, plain), { message: `read ${folder}/service.json: is a directory` })
})

test('a certificate that cannot be used is refused', async t => {
  const folder = makeFolder(t)
  writeFileSync(join(folder, 'cert.pem'), 'not a certificate')
  await assert.rejects(create(folder, { environment: { CLUSTER_RESTAPI_SSLCERTFILE: 'cert.pem', CLUSTER_RESTAPI_SSLKEYFILE: 'cert.pem' } }), /^ClusterError: error loading TLS certificate\/key: /)
  await assert.rejects(create(folder, { environment: { CLUSTER_RESTAPI_SSLCERTFILE: 'cert.pem' } }), { message: `error loading TLS certificate/key: read ${folder}: is a directory` })
})

test('a sourced configuration is fetched at every load, and only its source is saved', async t => {
  const folder = makeFolder(t)
  const shared = await create(folder)
  saveConfiguration(shared)
  const text = readFileSync(join(folder, 'service.json'), 'utf8')
  const url = await serve(t, (request, response) => {
    if (request.url === '/moved') response.writeHead(302, { location: '/service.json' }).end()
    else response.end(text)
  })
  writeFileSync(join(folder, 'service.json'), JSON.stringify({ source: `${url}/moved` }))
  const told: string[] = []
  const loaded = await loadConfiguration(folder, { ...plain, environment: { CLUSTER_PEERNAME: 'mine' }, inform: message => { told.push(message) } })
  assert.equal(loaded.cluster.peername, 'mine')
  assert.deepEqual(loaded.cluster.secret, shared.cluster.secret)
  assert.deepEqual(told, [`loading configuration from ${url}/moved`])
  saveConfiguration(loaded)
  assert.equal(readFileSync(join(folder, 'service.json'), 'utf8'), `{\n  "source": "${url}/moved"\n}`)
})

test('a source is fetched through the proxy of the environment, with the name that the URL has', async t => {
  const folder = makeFolder(t)
  saveConfiguration(await create(folder))
  const text = readFileSync(join(folder, 'service.json'), 'utf8')
  const asked: string[] = []
  const url = await serve(t, (request, response) => {
    asked.push(`${request.url} ${request.headers.authorization}`)
    response.end(text)
  })
  const source = 'http://me:secret@config.invalid/service.json'
  writeFileSync(join(folder, 'service.json'), JSON.stringify({ source }))
  assert.equal((await loadConfiguration(folder, { ...plain, environment: { HTTP_PROXY: url } })).source, source)
  assert.deepEqual(asked, [`http://config.invalid/service.json Basic ${btoa('me:secret')}`])
})

test('a source that does not give a configuration is refused in the contract\'s words', async t => {
  const folder = makeFolder(t)
  const url = await serve(t, (request, response) => {
    switch (request.url) {
      case '/none': response.writeHead(404).end('nothing here'); break
      case '/again': response.end(JSON.stringify({ source: 'http://127.0.0.1:1/' })); break
      case '/text': response.end('hello'); break
      case '/endless': {
        const chunk = Buffer.alloc(1 << 20, 0x20)
        const more = (): void => { while (!response.destroyed && response.write(chunk)); }
        response.on('drain', more)
        more()
        break
      }
      default: response.destroy()
    }
  })
  const load = async (source: string): Promise<Configuration> => {
    writeFileSync(join(folder, 'service.json'), JSON.stringify({ source }))
    return await loadConfiguration(folder, plain)
  }
  await assert.rejects(load(`${url}/none`), { message: 'unsuccessful request (404): nothing here' })
  await assert.rejects(load(`${url}/again`), { message: 'a sourced configuration cannot point to another source' })
  await assert.rejects(load(`${url}/text`), { message: `${url}/text is not JSON: invalid character "h" in line 1, column 1` })
  await assert.rejects(load(`${url}/endless`), { message: `the configuration at ${url}/endless is larger than 8388608 bytes` })
  await assert.rejects(load(`${url}/cut`), { message: `could not fetch configuration from source: ${url}/cut` })
  await assert.rejects(load('not-a-url'), { message: 'could not fetch configuration from source: not-a-url' })
})

test('a folder in which nothing can be written says why', { skip: process.getuid?.() === 0 && 'root may write everywhere' }, async t => {
  const folder = makeFolder(t)
  const configuration = await create(folder)
  chmodSync(folder, 0o500)
  assert.throws(() => { saveConfiguration(configuration) }, { code: 'STORE_FAILED', message: `open ${folder}/service.json: permission denied` })
  assert.ok(!existsSync(join(folder, 'service.json')))
})
