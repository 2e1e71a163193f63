import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { freePorts } from '../../scripts/free-ports.ts'
import { answering, run, stopAll, until } from './peer-process.ts'

/** Names and types of the reference's own figures, as its running daemon serves them (spec/components.md 10). */
const figures: Readonly<Record<string, 'gauge' | 'counter'>> = {
  ipfscluster_blocks_added: 'counter',
  ipfscluster_blocks_added_size: 'counter',
  ipfscluster_blocks_put: 'counter',
  ipfscluster_blocks_put_errors: 'counter',
  ipfscluster_informer_disk: 'gauge',
  ipfscluster_pins: 'gauge',
  ipfscluster_pins_ipfs_pins: 'gauge',
  ipfscluster_pins_pin_add: 'counter',
  ipfscluster_pins_pin_add_errors: 'counter',
  ipfscluster_pins_pin_error: 'gauge',
  ipfscluster_pins_pin_queued: 'gauge',
  ipfscluster_pins_pinning: 'gauge',
}

test('a daemon with --stats serves the figures of the reference', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'flotilla-metrics-'))
  const [rest, cluster, nobody, metrics] = await freePorts(4) as [number, number, number, number]
  const listen = (port: number): string => `/ip4/127.0.0.1/tcp/${port}`
  const service = fileURLToPath(new URL('../../bin/ipfs-cluster-service', import.meta.url))
  const environment = {
    PATH: process.env.PATH,
    HOME: folder,
    IPFS_CLUSTER_PATH: join(folder, 'peer'),
    CLUSTER_LISTENMULTIADDRESS: listen(cluster),
    CLUSTER_RESTAPI_HTTPLISTENMULTIADDRESS: listen(rest),
    CLUSTER_IPFSHTTP_NODEMULTIADDRESS: listen(nobody),
    CLUSTER_METRICS_PROMETHEUSENDPOINT: listen(metrics),
  }
  run(service, ['init'], environment)
  const daemon = spawn(service, ['daemon', '--stats'], { env: environment, stdio: 'ignore' })
  t.after(async () => {
    await stopAll([daemon])
    await rm(folder, { recursive: true, force: true })
  })
  await answering(`http://127.0.0.1:${metrics}/metrics`, 'GET', daemon)
  const pinned = await fetch(`http://127.0.0.1:${rest}/pins/bafkreid3wneutgqir3hc5eaf7aznmrzz3kdb7ff6hrv7mkhsfg437l2tem`, { method: 'POST' })
  assert.equal(pinned.status, 200)
  const lines = async (): Promise<string[]> => (await (await fetch(`http://127.0.0.1:${metrics}/metrics`)).text()).split('\n').filter(line => line.includes('ipfscluster_'))
  // The count follows with the delta.
  await until(async () => (await lines()).includes('ipfscluster_pins 1'), daemon)
  const found = await lines()
  const types = found.flatMap(line => { const [, name = '', type = ''] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? []; return name === '' ? [] : [[name, type] as const] })
  // We have more figures than the reference; those that it has are as it has them.
  assert.deepEqual(Object.fromEntries(types.filter(([name]) => name in figures)), figures)
  for (const name of Object.keys(figures)) assert.ok(found.some(line => /^\S+ -?[\d.e+]+$/.test(line) && line.startsWith(`${name} `)), name)
})
