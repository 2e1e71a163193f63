import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import type { RequestListener, Server } from 'node:http'
import { request } from 'node:https'
import { createServer as createNetServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test, type TestContext } from 'node:test'
import type { Multiaddress } from '../domain/peer.ts'
import { selfSigned } from './certificate.fixture.ts'
import { listenOn, listenTarget, serverMaker } from './listeners.ts'
import { defaultApiOptions } from './running-api.fixture.ts'

const folder = mkdtempSync(join(tmpdir(), 'listeners-'))
after(() => { rmSync(folder, { recursive: true, force: true }) })
const hello: RequestListener = (_, response) => { response.end('hello') }

async function server (t: TestContext, options: Partial<typeof defaultApiOptions> = {}): Promise<Server> {
  const made = (await serverMaker({ ...defaultApiOptions, ...options }, folder, hello))() as Server
  t.after(() => { made.close() })
  return made
}

test('multiaddresses for HTTP become what the runtime listens on', () => {
  const targets: Readonly<Record<string, object>> = {
    '/ip4/127.0.0.1/tcp/9094': { host: '127.0.0.1', port: 9094, ipv6Only: false },
    '/ip6/::1/tcp/0': { host: '::1', port: 0, ipv6Only: true },
    '/dns/localhost/tcp/80': { host: 'localhost', port: 80, ipv6Only: false },
    '/dns4/localhost/tcp/80': { host: 'localhost', port: 80, ipv6Only: false },
    '/dns6/localhost/tcp/80': { host: 'localhost', port: 80, ipv6Only: false },
    '/unix/tmp/a/b.sock': { path: '/tmp/a/b.sock' },
  }
  for (const [address, target] of Object.entries(targets)) assert.deepEqual(listenTarget(address as Multiaddress), target, address)
})

test('other multiaddresses are refused with what can be used', () => {
  for (const address of ['/ip4/127.0.0.1/udp/9094', '/ip4/127.0.0.1/tcp/9094/ws', '/ip4/127.0.0.1', '/dnsaddr/example.org/tcp/1', '/unix', '']) {
    assert.throws(() => listenTarget(address as Multiaddress), { code: 'INVALID_CONFIGURATION', message: `${address} is nothing that HTTP can listen on: use /ip4/<address>/tcp/<port>, /ip6/…, /dns4/… or /unix/<path>` })
  }
})

test('any free port is told', async t => {
  assert.match(await listenOn(await server(t), '/ip4/127.0.0.1/tcp/0' as Multiaddress), /^\/ip4\/127\.0\.0\.1\/tcp\/[1-9]\d*$/)
})

test('times with a fraction and very long ones are times that the runtime takes', async t => {
  const made = await server(t, { readTimeoutMs: 7.2e12, readHeaderTimeoutMs: 2000.5, idleTimeoutMs: 1.5 })
  assert.deepEqual([made.requestTimeout, made.headersTimeout, made.keepAliveTimeout], [2 ** 31 - 1, 2001, 2])
})

test('an address that cannot be had is refused with what to do', async t => {
  const taken = await listenOn(await server(t), '/ip4/127.0.0.1/tcp/0' as Multiaddress)
  await assert.rejects(listenOn(await server(t), taken), { code: 'ADDRESS_IN_USE', message: `listen ${taken}: address already in use: stop the program that listens there or configure another address` })
  const elsewhere = '/ip4/192.0.2.1/tcp/0' as Multiaddress
  await assert.rejects(listenOn(await server(t), elsewhere), { code: 'INVALID_CONFIGURATION', message: `listen ${elsewhere}: this machine does not have the address` })
})

test('a socket that a killed process left is taken over, one in use and a file are not', async t => {
  const path = join(folder, 'socket')
  const address = `/unix${path}` as Multiaddress
  const first = await server(t)
  assert.equal(await listenOn(first, address), address)
  await assert.rejects(listenOn(await server(t), address), { code: 'ADDRESS_IN_USE' })
  first.close()
  await once(first, 'close')

  // A server that does not take its socket away, as after kill -9.
  const left = join(folder, 'left')
  const killed = createNetServer().listen(join(folder, 'renamed'))
  await once(killed, 'listening')
  renameSync(join(folder, 'renamed'), left)
  killed.close()
  await once(killed, 'close')
  assert.ok(existsSync(left))
  assert.equal(await listenOn(await server(t), `/unix${left}` as Multiaddress), `/unix${left}`)

  writeFileSync(join(folder, 'file'), 'precious')
  await assert.rejects(listenOn(await server(t), `/unix${join(folder, 'file')}` as Multiaddress), { code: 'ADDRESS_IN_USE' })
  assert.equal(readFileSync(join(folder, 'file'), 'utf8'), 'precious')
})

for (const kind of ['ecdsa', 'rsa'] as const) {
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    test(`HTTPS with a certificate for ${kind} is spoken with ${version}`, async t => {
      const { certificate, key } = selfSigned(kind)
      writeFileSync(join(folder, 'cert.pem'), certificate)
      writeFileSync(join(folder, 'key.pem'), key)
      const address = await listenOn(await server(t, { sslCertFile: 'cert.pem', sslKeyFile: 'key.pem' }), '/ip4/127.0.0.1/tcp/0' as Multiaddress)
      const port = address.split('/').at(-1)
      const text = await new Promise<string>((resolve, reject) => {
        request({ host: '127.0.0.1', port, ca: certificate, servername: 'localhost', minVersion: version, maxVersion: version, agent: false }, response => {
          let text = ''
          response.setEncoding('utf8').on('data', (piece: string) => { text += piece }).on('end', () => { resolve(text) })
        }).on('error', reject).end()
      })
      assert.equal(text, 'hello')
    })
  }
}

test('older TLS is not spoken', async t => {
  const { certificate, key } = selfSigned('rsa')
  writeFileSync(join(folder, 'cert.pem'), certificate)
  writeFileSync(join(folder, 'key.pem'), key)
  const address = await listenOn(await server(t, { sslCertFile: 'cert.pem', sslKeyFile: 'key.pem' }), '/ip4/127.0.0.1/tcp/0' as Multiaddress)
  const asking = request({ host: '127.0.0.1', port: address.split('/').at(-1), ca: certificate, servername: 'localhost', minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0', agent: false }).end()
  const [error] = await once(asking, 'error') as [Error & { code: string }]
  assert.match(error.code, /^ERR_SSL_|^EPROTO$|^ECONNRESET$/)
})

test('a certificate that cannot be used is refused before anything listens', async () => {
  writeFileSync(join(folder, 'bad.pem'), 'nonsense')
  for (const [sslCertFile, sslKeyFile] of [['bad.pem', 'bad.pem'], ['absent.pem', 'bad.pem'], ['', 'bad.pem']] as const) {
    await assert.rejects(serverMaker({ ...defaultApiOptions, sslCertFile, sslKeyFile }, folder, hello), { code: 'INVALID_CONFIGURATION', message: /^error loading TLS certificate\/key: / })
  }
})
