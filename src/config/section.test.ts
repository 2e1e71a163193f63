import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Check, Errors } from 'typebox/schema'
import { allSections } from './configuration.ts'
import { ClusterError } from '../domain/errors.ts'
import { variables } from './field.ts'
import type { ReadingContext } from './place.ts'
import { configurationErrorDetails } from './place.ts'
import { restapi } from './sections/api.ts'
import { cluster } from './sections/cluster.ts'
import { crdt, raft } from './sections/consensus.ts'
import { embedded, ipfshttp } from './sections/ipfs-connector.ts'
import { disk, tags } from './sections/peer.ts'

function contextWith (warnings: string[] = []): ReadingContext {
  return { folder: '/nowhere', hostname: 'host', warn: message => { warnings.push(message) } }
}
const context = contextWith()

test('what every section writes is what its schema describes, and is read back as it was', () => {
  for (const { section } of allSections()) {
    const initial = section.initial(context)
    const json = section.toJson(initial)
    assert.ok(Check(section.jsonSchema(), json), `${section.name}: ${JSON.stringify(Errors(section.jsonSchema(), json))}`)
    assert.deepEqual(section.toJson(section.parse(json, context)), json, section.name)
  }
})

test('the initial values do not change by an override with what they are', () => {
  for (const { section } of allSections()) {
    const initial = section.initial(context)
    for (const { name, field } of variables(section.fields, section.environment)) {
      assert.match(name, /^CLUSTER_[A-Z0-9_]+$/)
      if (field.variable === 'int') assert.throws(() => section.override(initial, { [name]: 'two' }, context), /^ClusterError: envconfig\.Process: assigning CLUSTER_\w+ to \w+: converting 'two' to type int\. details: strconv\.ParseInt: parsing "two": invalid syntax$/)
    }
    assert.equal(section.override(initial, { CLUSTER_UNRELATED: 'x' }, context), initial)
  }
})

test('no two keys have the same environment variable', () => {
  const names = [...allSections()].flatMap(({ section }) => [...variables(section.fields, section.environment)].map(({ name }) => name))
  assert.equal(new Set(names).size, names.length)
  assert.ok(names.length > 200)
})

test('an unknown key is named with the nearest known one', () => {
  const warnings: string[] = []
  const json = { ...cluster.toJson(cluster.initial(context)), replication_factor_minimum: 2, zzzzzzzzzzzzzzzzzzzzzz: 1, connection_manager: { high_watr: 1, high_water: 400, low_water: 1, grace_period: '1s' }, secret: 'ab'.repeat(32) }
  cluster.parse(json, contextWith(warnings))
  assert.equal(warnings.length, 3)
  assert.match(warnings.join('\n'), /^cluster\.replication_factor_minimum: this key is not known and has no effect; did you mean replication_factor_min\?$/m)
  assert.match(warnings.join('\n'), /^cluster\.connection_manager\.high_watr: .*did you mean high_water\?$/m)
  assert.match(warnings.join('\n'), /^cluster\.zzzzzzzzzzzzzzzzzzzzzz: .*known are peername, secret/m)
})

test('a namespace of the datastore has the form of its keys, however it is written', () => {
  const namespaceOf = (text: string): string => crdt.parse({ datastore_namespace: text }, context).datastoreNamespace
  assert.deepEqual(['/c', 'c', '/c/', 'c//', '/a/../c/.', 'a/b', '/', ''].map(namespaceOf), ['/c', '/c', '/c', '/c', '/c', '/a/b', '', '/c'])
})

test('keys match without regard to case', () => {
  assert.equal(disk.parse({ Metric_TTL: '1m', METRIC_TYPE: 'reposize' }, context).metricTtlMs, 60_000)
  assert.equal(disk.parse({ Metric_TTL: '1m', metric_ttl: '2m', metric_type: 'reposize' }, context).metricTtlMs, 120_000)
})

test('a wrong value is refused with section, key, value and what is allowed', () => {
  const refusal = (work: () => unknown): ClusterError => {
    try {
      work()
    } catch (error) {
      assert.ok(error instanceof ClusterError)
      assert.equal(error.code, 'INVALID_CONFIGURATION')
      return error
    }
    assert.fail('accepted')
  }
  const json = cluster.toJson(cluster.initial(context))
  assert.equal(refusal(() => cluster.parse({ ...json, mdns_interval: 5 }, context)).message, 'cluster.mdns_interval must be a duration such as "2m30s", not 5')
  assert.equal(refusal(() => cluster.parse({ ...json, leave_on_shutdown: 'yes' }, context)).message, 'cluster.leave_on_shutdown must be true or false, not "yes"')
  assert.equal(refusal(() => cluster.parse({ ...json, replication_factor_min: 1.5 }, context)).message, 'cluster.replication_factor_min must be a whole number, not 1.5')
  assert.equal(refusal(() => tags.parse({ tags: { a: 1 } }, context)).message, 'informer.tags.tags must be an object of texts, not {"a":1}')
  assert.equal(refusal(() => cluster.parse({ ...json, pubsub: [] }, context)).message, 'cluster.pubsub must be an object, not []')
  assert.equal(
    configurationErrorDetails(refusal(() => cluster.parse({ ...json, connection_manager: { low_water: 9, high_water: 3, grace_period: '1s' } }, context))),
    'cluster.connection_manager.low_water is 9; allowed: at most connection_manager.high_water',
  )
  assert.equal(
    configurationErrorDetails(refusal(() => restapi.parse({ read_timeout: '-1s' }, context))),
    'api.restapi.read_timeout is "-1s"; allowed: 0 or more',
  )
})

test('secrets are in no message', () => {
  for (const work of [
    () => cluster.parse({ secret: 'topsecret' }, context),
    () => restapi.parse({ private_key: 'topsecret!' }, context),
    () => restapi.parse({ basic_auth_credentials: { user: ['topsecret'] } }, context),
    () => restapi.override(restapi.initial(context), { CLUSTER_RESTAPI_BASICAUTHCREDENTIALS: 'u:topsecret:x' }, context),
  ]) {
    assert.throws(work, error => !JSON.stringify([(error as ClusterError).message, (error as ClusterError).details]).includes('topsecret'))
  }
  const values = restapi.override(restapi.initial(context), { CLUSTER_RESTAPI_BASICAUTHCREDENTIALS: 'u:topsecret' }, context)
  assert.deepEqual(values.basicAuthCredentials, { u: 'topsecret' })
  assert.equal(restapi.toDisplayJson(values).basic_auth_credentials, 'XXX_hidden_XXX')
})

test('an empty variable counts as given, and keeps what empty keeps', () => {
  const values = restapi.parse({ http_listen_multiaddress: '/ip4/127.0.0.1/tcp/1', http_log_file: 'log', cors_allowed_origins: ['a'] }, context)
  const changed = restapi.override(values, { CLUSTER_RESTAPI_HTTPLISTENMULTIADDRESS: '', CLUSTER_RESTAPI_HTTPLOGFILE: '', CLUSTER_RESTAPI_CORSALLOWEDORIGINS: '' }, context)
  assert.deepEqual(changed.httpListenMultiaddress, ['/ip4/127.0.0.1/tcp/1'])
  assert.equal(changed.httpLogFile, '')
  assert.deepEqual(changed.corsAllowedOrigins, [])
})

test('variables are read by the rules of the reference', () => {
  const overridden = cluster.override(cluster.initial(context), {
    CLUSTER_CONNECTIONMANAGER_HIGHWATER: '0x200', CLUSTER_LEAVEONSHUTDOWN: 'T', CLUSTER_RESOURCEMANAGER_MEMORYLIMITBYTES: '1_000', CLUSTER_PEERADDRESSES: '/ip4/1.2.3.4/tcp/1,/ip4/1.2.3.4/tcp/2',
  }, context)
  assert.equal(overridden.connectionManager.highWater, 512)
  assert.equal(overridden.leaveOnShutdown, true)
  assert.equal(overridden.resourceManager.memoryLimitBytes, 1000)
  assert.deepEqual(overridden.peerAddresses, ['/ip4/1.2.3.4/tcp/1', '/ip4/1.2.3.4/tcp/2'])
})

test('durations that the contract forgives leave the default, with a warning', () => {
  const warnings: string[] = []
  const parsed = crdt.parse({ repair_interval: 'junk', batching: { max_batch_age: 'x', max_batch_size: 3 } }, contextWith(warnings))
  assert.equal(parsed.repairIntervalMs, 3_600_000)
  assert.equal(parsed.batching.maxBatchAgeMs, 0)
  assert.equal(parsed.batching.maxBatchSize, 3)
  assert.equal(raft.parse({ network_timeout: '0s', init_peerset: ['x'] }, contextWith(warnings)).networkTimeoutMs, 10_000)
  assert.deepEqual(warnings, [
    'consensus.crdt.batching.max_batch_age: "x" is not a valid duration; 0s is used',
    'consensus.crdt.repair_interval: "junk" is not a valid duration; 1h0m0s is used',
    'consensus.raft.init_peerset: "x" is left out: failed to parse peer ID: invalid cid: cid too short',
    'consensus.raft.network_timeout: "0s" is not a valid duration; 10s is used',
  ])
  assert.equal(crdt.parse({ repair_interval: '0s' }, context).repairIntervalMs, 0)
})

test('the last broken rule is reported where the contract has it so', () => {
  assert.throws(() => ipfshttp.parse({ node_multiaddress: '/ip4/1.2.3.4/tcp/1', pin_timeout: '-1s', repogc_timeout: '-1s' }, context), /repogc_timeout invalid$/)
  assert.throws(() => cluster.parse({ ...cluster.toJson(cluster.initial(context)), dial_peer_timeout: '0s', peer_watch_interval: '0s' }, context), /dial_peer_timeout is invalid$/)
})

test('trusted peers are a list or all', () => {
  const peer = '12D3KooWQE3CWA3MJ1YhrYNP8EE3JErGbrCtpKRkFrWgi45nYAMn'
  assert.equal(crdt.parse({ trusted_peers: [peer, '*'] }, context).trustedPeers, 'all')
  assert.deepEqual(crdt.parse({ trusted_peers: [peer] }, context).trustedPeers, [peer])
  assert.deepEqual(crdt.parse({}, context).trustedPeers, [])
})

test('the embedded node has sizes in words, and addresses that can be switched off', () => {
  const values = embedded.parse({ storage_max: '1.5GiB', gateway_multiaddress: '', listen_multiaddress: [] }, context)
  assert.equal(values.storageMaxBytes, 1.5 * 2 ** 30)
  assert.equal(values.gatewayMultiaddress, undefined)
  assert.deepEqual(values.listenMultiaddress, [])
  const initial = embedded.parse({}, context)
  assert.deepEqual(initial, embedded.initial(context))
  assert.equal(initial.storageMaxBytes, 10e9)
  assert.equal(embedded.toJson(initial).storage_max, '10GB')
  assert.equal(embedded.parse({ storage_max: 12_345 }, context).storageMaxBytes, 12_345)
  for (const wrong of ['lots', '-1GB', 0, -1, 1.5, '10XB', {}]) assert.throws(() => embedded.parse({ storage_max: wrong }, context), { code: 'INVALID_CONFIGURATION' }, String(wrong))
})

test('sizes are written so that they are read back', () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), size => {
    const values = { ...embedded.initial(context), storageMaxBytes: size }
    assert.equal(embedded.parse(embedded.toJson(values), context).storageMaxBytes, size)
  }))
})

test('no JSON makes a section fail in another way than by refusing it', () => {
  const sections = [...allSections()].map(({ section }) => section)
  const keys = fc.constantFrom(...sections.flatMap(section => Object.keys(section.toJson(section.initial(context)))))
  fc.assert(fc.property(fc.constantFrom(...sections), fc.oneof(fc.jsonValue(), fc.dictionary(keys, fc.jsonValue())), (section, json) => {
    try {
      section.parse(json, context)
    } catch (error) {
      assert.ok(error instanceof ClusterError && error.code === 'INVALID_CONFIGURATION', String(error))
    }
  }), { numRuns: 1000 })
})
