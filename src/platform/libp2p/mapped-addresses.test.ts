import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../clock.ts'
import { isOfInternet } from './addresses.ts'
import { BandwidthCounter } from './bandwidth.ts'
import { Dht } from './dht.ts'
import { makeHost } from './host.ts'
import { followMappings, type Mappings } from './mapped-addresses.ts'
import { testIdentity, testPlatform, testSettings } from './network.fixture.ts'

test('the address that a router has mapped is announced, and the one that it becomes, not those before', async t => {
  const { privateKey, id } = await testIdentity()
  const host = await makeHost({ privateKey, settings: testSettings, bandwidth: new BandwidthCounter(systemClock), peerRouting: new Dht(), platform: testPlatform([]), onStranger: () => {}, onLocalPeer: () => {} })
  t.after(() => host.stop())
  await host.start()
  const port = Number(host.getMultiaddrs()[0]?.toString().split('/')[4])
  const { components: { addressManager } } = host as unknown as { readonly components: { readonly addressManager: Mappings } }
  const router = followMappings(addressManager, isOfInternet)
  const announced = (): string[] => host.getMultiaddrs().map(address => address.toString().replace(`/p2p/${id}`, '')).filter(address => !address.includes('127.0.0.1'))
  for (const impossible of [NaN, -1, 0, 1.5, 65_536]) {
    router.addPublicAddressMapping('127.0.0.1', port, '11.0.0.9', impossible, 'tcp')
    assert.deepEqual(announced(), [])
  }
  router.addPublicAddressMapping('127.0.0.1', port, '11.0.0.1', port, 'tcp')
  assert.deepEqual(announced(), [`/ip4/11.0.0.1/tcp/${port}`])
  for (const [line, expected] of [['11.0.0.2', ['11.0.0.2']], ['0.0.0.0', []], ['nothing', []], ['11.0.0.3', ['11.0.0.3']]] as const) {
    // As libp2p does: it takes the first away, whatever came after it.
    router.removePublicAddressMapping('127.0.0.1', port, '11.0.0.1', port, 'tcp')
    router.addPublicAddressMapping('127.0.0.1', port, line, port, 'tcp')
    assert.deepEqual(announced(), expected.map(ip => `/ip4/${ip}/tcp/${port}`))
  }
})
