import assert from 'node:assert/strict'
import { test } from 'node:test'
import { multiaddressToBytes, parseMultiaddress } from '../domain/multiaddress.ts'
import { multiaddressBytes, multiaddressJson, multiaddressText } from './multiaddress-cache.ts'

test('remembered addresses are the same as those that were read for the first time, also beyond what is remembered', () => {
  const addresses = Array.from({ length: 5_000 }, (_, i) => parseMultiaddress(`/ip4/10.0.${i >> 8}.${i & 255}/tcp/4001/p2p/12D3KooWGRUVh6gLyjqFQgVNVFNP2xhYDxtTGGaDH2tW6cAkYvNp`))
  for (let round = 0; round < 2; round++) {
    for (const address of addresses) {
      const bytes = multiaddressToBytes(address)
      assert.deepEqual(multiaddressBytes(address), bytes)
      assert.equal(multiaddressText(bytes), address)
      assert.equal(multiaddressJson(address), `"${address}"`)
    }
  }
  assert.throws(() => multiaddressText(Uint8Array.of(4, 1)), { code: 'INVALID_MULTIADDRESS' })
})

test('what is remembered does not change with the buffer that it was read from', () => {
  const buffer = multiaddressToBytes(parseMultiaddress('/ip4/10.1.2.3/tcp/80')).slice()
  assert.equal(multiaddressText(buffer), '/ip4/10.1.2.3/tcp/80')
  buffer[4] = 9
  assert.equal(multiaddressText(buffer), '/ip4/10.1.2.9/tcp/80')
  assert.equal(multiaddressText(multiaddressToBytes(parseMultiaddress('/ip4/10.1.2.3/tcp/80'))), '/ip4/10.1.2.3/tcp/80')
})
