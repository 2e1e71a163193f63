import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseMultiaddress } from '../../domain/multiaddress.ts'
import { nodeAddress } from './node-address.ts'

test('addresses of an RPC are read', () => {
  const read = (text: string): unknown => {
    const { shown, origin, dial, socketPath, family } = nodeAddress(parseMultiaddress(text))
    return [shown, origin, dial, socketPath, family]
  }
  const tcp = (origin: string, place: string, family?: number): unknown => [origin, origin, `tcp ${place}`, undefined, family]
  assert.deepEqual(read('/ip4/127.0.0.1/tcp/5001'), tcp('http://127.0.0.1:5001', '127.0.0.1:5001'))
  assert.deepEqual(read('/ip6/::1/tcp/5001'), tcp('http://[::1]:5001', '[::1]:5001'))
  assert.deepEqual(read('/dns/kubo/tcp/80'), tcp('http://kubo:80', 'kubo:80'))
  assert.deepEqual(read('/dns4/kubo.example/tcp/5001/http'), tcp('http://kubo.example:5001', 'kubo.example:5001', 4))
  assert.deepEqual(read('/dns6/kubo.example/tcp/443/https'), tcp('https://kubo.example:443', 'kubo.example:443', 6))
  assert.deepEqual(read('/dns4/kubo.example/tcp/443/tls/http'), tcp('https://kubo.example:443', 'kubo.example:443', 4))
  assert.deepEqual(read('/unix/run/ipfs/rpc.sock'), ['http+unix://ipfs', 'http://ipfs', 'unix /run/ipfs/rpc.sock', '/run/ipfs/rpc.sock', undefined])
})

test('what is no address of an RPC is refused by its name', () => {
  for (const text of ['/ip4/127.0.0.1/udp/5001', '/ip4/127.0.0.1', '/ip4/127.0.0.1/tcp/5001/ws', '/dnsaddr/kubo.example/tcp/1']) {
    assert.throws(() => nodeAddress(parseMultiaddress(text)), { code: 'INVALID_CONFIGURATION', message: new RegExp(`^ipfshttp\\.node_multiaddress is ${text.replaceAll('.', '\\.')}: `) })
  }
})
