import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import * as any from '../../test/arbitraries.ts'
import { ClusterError } from './errors.ts'
import { multiaddressFromBytes, multiaddressPeer, multiaddressToBytes, parseMultiaddress } from './multiaddress.ts'

const peer = '12D3KooWCEBAsqQHFztNKs8ZUosmkDPdCPDCn3kXbN6gPyFLxcs6'

test('an address comes back from its text and its bytes', () => {
  fc.assert(fc.property(any.multiaddress, (address) => {
    assert.equal(parseMultiaddress(address), address)
    assert.equal(multiaddressFromBytes(multiaddressToBytes(address)), address)
  }))
})

test('addresses of every protocol have the bytes of the reference', () => {
  const cases: ReadonlyArray<readonly [text: string, hex: string]> = [
    ['/ip4/127.0.0.1/tcp/9096', '047f000001062388'],
    ['/ip6/2001:db8::1/udp/4001/quic-v1', '2920010db800000000000000000000000191020fa1cd03'],
    ['/ip6/::ffff:1.2.3.4/tcp/1', '2900000000000000000000ffff01020304060001'],
    ['/dns4/a.b/tcp/443/wss/p2p-circuit', '3603612e620601bbde03a202'],
    ['/unix/a/b', '9003042f612f62'],
    ['/ip6zone/eth0/ip6/fe80::1', '2a046574683029fe800000000000000000000000000001'],
    ['/ip4/1.2.3.4/tcp/80/http/http-path/a%2Fb', '0401020304060050e003e10303612f62'],
    ['/memory/5', '89060000000000000005'],
    ['/ipcidr/24', '2b18'],
    ['/onion/timaq4ygg2iegci7:80', 'bc039a18087306369043091f0050'],
  ]
  for (const [text, hex] of cases) {
    assert.equal(Buffer.from(multiaddressToBytes(parseMultiaddress(text))).toString('hex'), hex, text)
    assert.equal(multiaddressFromBytes(Buffer.from(hex, 'hex')), text)
  }
})

test('other spellings become the canonical one', () => {
  const old = 'QmY6wN8gxdBpsokgeUDVRkSR9RCYaJZTN8dYDmQ7SiKaSe'
  assert.equal(parseMultiaddress(`/ip4/1.2.3.4/tcp/080/ipfs/${old}/`), `/ip4/1.2.3.4/tcp/80/p2p/${old}`)
  assert.equal(parseMultiaddress('/ip6/2001:0DB8:0:0:1:0:0:1'), '/ip6/2001:db8::1:0:0:1')
  assert.equal(parseMultiaddress('/ip6/1.2.3.4'), '/ip6/::ffff:1.2.3.4')
  assert.equal(parseMultiaddress('/p2p/k51qzi5uqu5dgutdk6i1ynyzgkqngpha5xpgia3a5qqp4jsh0u4csozksxel3r'), '/p2p/12D3KooWBdmLJjhpgJ9KZgLM3f894ff9xyBfPvPjFNn7MKJpyrCe')
})

test('the peer of an address is found', () => {
  assert.equal(multiaddressPeer(parseMultiaddress(`/ip4/1.2.3.4/tcp/1/p2p/${peer}`)), peer)
  assert.equal(multiaddressPeer(parseMultiaddress('/ip4/1.2.3.4/tcp/1')), undefined)
  const relay = '12D3KooWBdmLJjhpgJ9KZgLM3f894ff9xyBfPvPjFNn7MKJpyrCe'
  assert.equal(multiaddressPeer(parseMultiaddress(`/ip4/1.2.3.4/tcp/1/p2p/${relay}/p2p-circuit/p2p/${peer}`)), peer)
})

test('what is no address is refused in the words of the reference', () => {
  const texts: ReadonlyArray<readonly [text: string, message: string]> = [
    ['foo', 'failed to parse multiaddr "foo": must begin with /'],
    ['', 'failed to parse multiaddr "": empty multiaddr'],
    ['/', 'failed to parse multiaddr "": empty multiaddr'],
    ['/foo/bar', 'failed to parse multiaddr "/foo/bar": unknown protocol foo'],
    ['/ip4', 'failed to parse multiaddr "/ip4": unexpected end of multiaddr'],
    ['/ip4/1.2.3', 'failed to parse multiaddr "/ip4/1.2.3": invalid value "1.2.3" for protocol ip4: failed to parse ip4 addr: 1.2.3'],
    ['/ip4/1.2.3.4/tcp/99999', 'failed to parse multiaddr "/ip4/1.2.3.4/tcp/99999": invalid value "99999" for protocol tcp: failed to parse port addr: strconv.ParseUint: parsing "99999": value out of range'],
    ['/p2p/1', 'failed to parse multiaddr "/p2p/1": invalid value "1" for protocol p2p: failed to parse p2p addr: 1 multihash too short. must be >= 2 bytes'],
  ]
  for (const [text, message] of texts) assert.throws(() => parseMultiaddress(text), { code: 'INVALID_MULTIADDRESS', message }, text)
})

test('no text and no bytes do more than be refused', () => {
  const onlyClusterError = (read: () => unknown): void => {
    try {
      read()
    } catch (error) {
      assert.ok(error instanceof ClusterError, String(error))
    }
  }
  const names = fc.constantFrom('ip4', 'ip6', 'tcp', 'dns', 'p2p', 'unix', 'onion', 'onion3', 'garlic32', 'garlic64', 'certhash', 'http-path', 'memory', 'ipcidr', 'ip6zone', 'quic', 'sni')
  const address = fc.array(fc.tuple(names, fc.string()), { maxLength: 4 }).map((parts) => parts.map(([name, value]) => `/${name}/${value}`).join(''))
  fc.assert(fc.property(fc.oneof(address, fc.string()), (text) => onlyClusterError(() => parseMultiaddress(text))), { numRuns: 2000 })
  fc.assert(fc.property(fc.uint8Array(), (bytes) => onlyClusterError(() => multiaddressFromBytes(bytes))), { numRuns: 2000 })
  assert.throws(() => parseMultiaddress(`/dns/${'a'.repeat(1e6)}`), { code: 'INVALID_MULTIADDRESS' })
})

test('what is readable as bytes comes back as the same bytes', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 24 }), fc.constantFrom(4, 6, 41, 53, 42, 400), (rest, code) => {
    const bytes = code < 128 ? Uint8Array.of(code, ...rest) : Uint8Array.of((code & 127) | 128, code >> 7, ...rest)
    try {
      assert.deepEqual(multiaddressToBytes(multiaddressFromBytes(bytes)), bytes)
    } catch (error) {
      if (!(error instanceof ClusterError)) throw error
    }
  }), { numRuns: 2000 })
})
