import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import * as any from '../../test/arbitraries.ts'
import { ClusterError } from '../domain/errors.ts'
import { multiaddressPeer } from '../domain/multiaddress.ts'
import { defaultPinOptions } from '../domain/pin.ts'
import { decodeQuery, encodeQuery, pinOptionsFromQuery, pinOptionsToQuery } from './query.ts'

const now = Date.UTC(2026, 10, 24)
const read = (query: string) => pinOptionsFromQuery(decodeQuery(query), now)

test('pin options come back from the query that asks for them', () => {
  // Only addresses with a peer are taken as origins.
  const askable = any.pinOptions.map((options) => ({ ...options, origins: options.origins?.filter((address) => multiaddressPeer(address) !== undefined) ?? null }))
  fc.assert(fc.property(askable, (options) => {
    const metadata = Object.fromEntries(Object.entries(options.metadata ?? {}).filter(([key]) => key !== ''))
    // A query cannot tell an empty list from none.
    const empty = <T> (list: readonly T[] | null): readonly T[] | null => list === null || list.length === 0 ? null : list
    assert.deepEqual(read(pinOptionsToQuery(options)), { ...options, metadata, userAllocations: empty(options.userAllocations), origins: empty(options.origins) })
  }))
})

test('default options are asked for as the reference does', () => {
  assert.equal(pinOptionsToQuery(defaultPinOptions), 'mode=recursive&name=&replication-max=0&replication-min=0&shard-size=0&user-allocations=')
})

test('options are read with their defaults and precedence', () => {
  assert.deepEqual(read(''), { ...defaultPinOptions, metadata: {} })
  assert.deepEqual(read('replication=2&replication-min=x').replicationFactorMin, 2)
  assert.equal(read('mode=anything').mode, 'recursive')
  assert.equal(read('mode=direct').mode, 'direct')
  assert.equal(read('expire-in=1h30m').expireAt, now + 5_400_000)
  assert.equal(read('expire-at=2030-01-01T00:00:00Z&expire-in=1h').expireAt, Date.UTC(2030, 0))
  assert.equal(read('expire-at=0001-01-01T00:00:00Z').expireAt, 0)
  for (const epoch of ['1970-01-01T00:00:00Z', '1969-12-31T23:00:00-01:00']) assert.equal(read(`expire-at=${epoch}`).expireAt, -1, 'the epoch is not the time that says that there is no expiry')
  assert.equal(read('name=%EF%BF%BD').name, '\ufffd')
  assert.deepEqual(read('meta-=x&meta-a=b&other=c').metadata, { a: 'b' })
  assert.deepEqual(read('user-allocations=foo').userAllocations, [])
})

test('the first bad option is refused in the words of the contract', () => {
  const queries: ReadonlyArray<readonly [query: string, message: string]> = [
    ['replication-min=abc', 'parameter replication-min invalid'],
    ['replication-max=1.5', 'parameter replication-max invalid'],
    ['replication=x', 'parameter replication-min invalid'],
    ['replication-min=3000000000', 'parameter replication-min invalid'],
    ['shard-size=-3', 'parameter shard_size is invalid'],
    ['expire-at=tomorrow', 'expire-at cannot be parsed: parsing time "tomorrow" as "2006-01-02T15:04:05Z07:00": cannot parse "tomorrow" as "2006"'],
    ['expire-in=soon', 'expire-in cannot be parsed: time: invalid duration "soon"'],
    ['expire-in=10ms', 'expire-in duration too short'],
    ['pin-update=zzz', 'error decoding update option parameter: invalid cid: invalid cid: expected 1 as the cid version number, got: 13'],
    ['origins=abc', 'error decoding multiaddress: failed to parse multiaddr "abc": must begin with /'],
    ['origins=/ip4/1.2.3.4/tcp/4001', 'multiaddress does not contain peer ID: protocol not found in multiaddr'],
    ['name=%ff', 'string field contains invalid UTF-8'],
    ['name=caf%e9', 'string field contains invalid UTF-8'],
    ['meta-a=%ed%a0%80', 'string field contains invalid UTF-8'],
    ['meta-%f0%9f=a', 'string field contains invalid UTF-8'],
    ['origins=abc&expire-in=soon&replication-max=x', 'parameter replication-max invalid'],
  ]
  for (const [query, message] of queries) assert.throws(() => read(query), { code: 'INVALID_INPUT', message }, query)
})

test('a query is decoded as the contract has it', () => {
  const decoded = decodeQuery('name=a%zz&meta-a=b;c&meta-d=e+f&meta-g=1&meta-g=2&%6Dode=direct&lone&x=%C3%A9%ff')
  assert.deepEqual([...decoded], [['meta-d', 'e f'], ['meta-g', '1'], ['mode', 'direct'], ['lone', ''], ['x', 'é\udfff']])
})

test('any pairs come back from the query they make', () => {
  fc.assert(fc.property(fc.uniqueArray(fc.tuple(any.text, any.text), { selector: ([key]) => key }), (pairs) => {
    const query = encodeQuery(pairs.filter(([key]) => key !== ''))
    assert.match(query, /^[A-Za-z0-9_.~+%=&-]*$/)
    assert.deepEqual(decodeQuery(query), new Map(pairs.filter(([key]) => key !== '').toSorted(([a], [b]) => a < b ? -1 : 1)))
  }))
})

test('no query does more than be refused', () => {
  const keys = fc.constantFrom('name', 'mode', 'replication', 'replication-min', 'shard-size', 'user-allocations', 'expire-at', 'expire-in', 'meta-a', 'pin-update', 'origins')
  fc.assert(fc.property(fc.array(fc.tuple(keys, fc.string())), (pairs) => {
    try {
      pinOptionsFromQuery(new Map(pairs), now)
    } catch (error) {
      assert.ok(error instanceof ClusterError && error.code === 'INVALID_INPUT', String(error))
    }
  }), { numRuns: 2000 })
})
