import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ipfsConnectorConformance } from '../../../test/conformance/ipfs-connector.ts'
import { systemClock } from '../../platform/clock.ts'
import { silentLoggers } from '../../platform/logger.ts'
import { noMetrics } from '../../platform/metrics.ts'
import { systemRandom } from '../../platform/random.ts'
import { embeddedConnector } from './embedded-connector.ts'

const platform = { clock: systemClock, random: systemRandom, loggers: silentLoggers, metrics: noMetrics }

ipfsConnectorConformance('the embedded node', async ({ pinTimeoutMs, ipfsRequestTimeoutMs }) => {
  const folder = await mkdtemp(join(tmpdir(), 'embedded-'))
  const connector = embeddedConnector({
    folder, storageMaxBytes: 1e9, listenAddresses: [], publicNetwork: false, bootstrap: [], pinTimeoutMs, unpinTimeoutMs: ipfsRequestTimeoutMs, requestTimeoutMs: ipfsRequestTimeoutMs, gatewayAddress: '', putLeaseMs: 0,
  }, platform)
  await connector.start(new AbortController().signal)
  return { connector, close: () => rm(folder, { recursive: true, force: true }) }
})
