import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Kind } from './member.ts'
import { Internet, namespacesAreMissing } from './namespaces.ts'

const programs = process.env['FLOTILLA_GO_BIN']
const skip = programs === undefined ? 'FLOTILLA_GO_BIN names no folder with the Go programs' : namespacesAreMissing()

async function internet (t: TestContext): Promise<Internet> {
  const made = await Internet.make(programs as string)
  t.after(() => made.close())
  return made
}

test('two peers that nobody can dial reach each other through relays of both kinds; a Go peer with a public address keeps its connections', { skip, timeout: 400_000 }, async t => {
  const net = await internet(t)
  const ours = net.add({ kind: 'ours', name: 'ours' })
  const go = net.add({ kind: 'go', name: 'go' })
  const hidden = net.add({ kind: 'ours', name: 'hidden', isHidden: true })
  const other = net.add({ kind: 'ours', name: 'other', isHidden: true })
  await ours.start()
  assert.ok(ours.addresses().includes(ours.address), 'it announces its public address at once')
  await go.start([ours])
  for (const machine of [hidden, other]) await machine.start([ours])
  for (const machine of [hidden, other]) {
    for (const relay of [ours, go]) await machine.until(`a slot at ${relay.address}`, () => machine.addresses().includes(`${relay.address}/p2p-circuit/p2p/${machine.id}`))
  }
  for (const machine of [hidden, other]) await machine.until('all to answer it', () => machine.sees().length === 4)
  assert.deepEqual(hidden.sees(), ['go', 'hidden', 'other', 'ours'])
  // The Go peer asks ours to dial it, again and again until somebody has.
  const before = go.connections()
  await sleep(6_000)
  assert.deepEqual(before.filter(connection => !go.connections().includes(connection)), [])
})

for (const kinds of [['ours', 'ours'], ['ours', 'go'], ['go', 'ours']] satisfies Kind[][]) {
  test(`on one local network ${kinds.join(' and ')} find each other without being told of`, { skip, timeout: 200_000 }, async t => {
    const net = await internet(t)
    const environment = { CLUSTER_MDNSINTERVAL: '10s' }
    const [a, b] = kinds.map((kind, i) => net.add({ kind, name: `peer${i}`, environment }))
    assert.ok(a !== undefined && b !== undefined)
    await a.start()
    await b.start()
    await a.until('the other to answer it', () => a.sees().length === 2)
    await b.until('the other to answer it', () => b.sees().length === 2)
  })
}

test('on one local network peers with another secret stay apart, which is logged once', { skip, timeout: 200_000 }, async t => {
  const net = await internet(t)
  const environment = { CLUSTER_MDNSINTERVAL: '2s' }
  const a = net.add({ kind: 'ours', name: 'a', environment })
  const b = net.add({ kind: 'go', name: 'b', environment: { ...environment, CLUSTER_SECRET: '08'.repeat(32) } })
  await a.start()
  await b.start()
  const refused = (): number => a.log.split('\n').filter(line => /have the cluster secret/.test(line)).length
  await a.until('a line about the secret', () => refused() > 0)
  await sleep(8_000)
  assert.equal(refused(), 1)
  assert.deepEqual([a.sees(), b.sees()], [['a'], ['b']])
})

test('a router is asked to let others in, its public address is announced, and it is told of the end', { skip, timeout: 200_000 }, async t => {
  const net = await internet(t)
  const gateway = net.add({ kind: 'ours', name: 'gateway' })
  const peer = net.add({ kind: 'ours', name: 'peer', isHidden: true })
  gateway.startGateway('11.9.9.9')
  await peer.start()
  await peer.until('the mapped address', () => peer.addresses().includes(`/ip4/11.9.9.9/tcp/9096/p2p/${peer.id}`))
  await peer.stop()
  assert.match(gateway.log, /^AddAnyPortMapping 10\.99\.0\.\d+ 9096 9096$/m)
  assert.match(gateway.log, /^DeletePortMapping +9096$/m)
})
