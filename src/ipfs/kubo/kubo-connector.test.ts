import { ipfsConnectorConformance, type IpfsNodeSettings, type IpfsNodeUnderTest } from '../../../test/conformance/ipfs-connector.ts'
import { spawn, execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { parseMultiaddress } from '../../domain/multiaddress.ts'
import { systemClock } from '../../platform/clock.ts'
import { silentLoggers } from '../../platform/logger.ts'
import { noMetrics } from '../../platform/metrics.ts'
import { systemRandom } from '../../platform/random.ts'
import { kuboConnector } from './kubo-connector.ts'

const kubo = process.env.FLOTILLA_KUBO

/** A Kubo of its own with an empty repository, on loopback and free ports, without any routing. */
async function startKubo (settings: IpfsNodeSettings): Promise<IpfsNodeUnderTest> {
  const program = kubo as string
  const folder = await mkdtemp(join(tmpdir(), 'kubo-'))
  const env = { ...process.env, IPFS_PATH: folder }
  await promisify(execFile)(program, ['init', '--profile=test'], { env })
  const file = join(folder, 'config')
  const config = JSON.parse(await readFile(file, 'utf8')) as Record<string, Record<string, unknown>>
  Object.assign(config.Addresses as object, { API: '/ip4/127.0.0.1/tcp/0', Gateway: '/ip4/127.0.0.1/tcp/0', Swarm: ['/ip4/127.0.0.1/tcp/0'] })
  Object.assign(config, { Bootstrap: [], Routing: { Type: 'none' }, HTTPRetrieval: { Enabled: false } })
  await writeFile(file, JSON.stringify(config))
  const daemon = spawn(program, ['daemon'], { env, stdio: ['ignore', 'pipe', 'ignore'] })
  const exited = once(daemon, 'exit')
  let address = ''
  for await (const line of createInterface(daemon.stdout)) {
    address = /^RPC API server listening on (\S+)/.exec(line)?.[1] ?? address
    if (line === 'Daemon is ready') break
  }
  daemon.stdout.resume()
  const connector = kuboConnector({
    nodeMultiaddress: parseMultiaddress(address),
    unpinTimeoutMs: settings.ipfsRequestTimeoutMs,
    repogcTimeoutMs: settings.ipfsRequestTimeoutMs,
    informerTriggerInterval: 0,
    unpinDisable: false,
    ...settings,
  }, { clock: systemClock, random: systemRandom, loggers: silentLoggers, metrics: noMetrics })
  await connector.start(new AbortController().signal)
  return {
    connector,
    async close () {
      daemon.kill()
      await exited
      await rm(folder, { recursive: true, force: true })
    },
  }
}

ipfsConnectorConformance('a Kubo node', startKubo, kubo === undefined ? 'FLOTILLA_KUBO names no Kubo program' : false)
