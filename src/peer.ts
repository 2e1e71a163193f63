import { restApi } from './api/rest/rest-api.ts'
import { assemblePeer } from './cluster/assemble.ts'
import type { Peer } from './cluster/compose.ts'
import type { DaemonOptions, RunningDaemon } from './cluster/daemon.ts'
import { pushMetrics } from './cluster/metric-loops.ts'
import { pingMetric } from './cluster/ping.ts'
import { Responsibility } from './cluster/responsibility.ts'
import { expireLoop, recoverLoop, type UpkeepParts } from './cluster/state-sync.ts'
import { datastoreOf, type Configuration } from './config/configuration.ts'
import { ClusterError, errorText } from './domain/errors.ts'
import type { Multiaddress } from './domain/peer.ts'
import { contractVersion } from './domain/version.ts'
import { sleep, systemClock } from './platform/clock.ts'
import type { Platform, Startable } from './platform/lifecycle.ts'
import type { Logger } from './platform/logger.ts'
import { noMetrics, type Metrics } from './platform/metrics.ts'
import { systemRandom } from './platform/random.ts'

/** How often an IPFS node that does not answer is asked again at the start. */
const ipfsRetryMs = 1_000
/** Every so many tries the log says that the peer waits. */
const retriesPerWarning = 10

interface Part { readonly doing: string, readonly component: Startable }

/**
 * Starts a peer with its APIs. What it listens on answers when this resolves; the rest (the IPFS
 * node's first answer, metrics, upkeep) follows in the background.
 * @throws ClusterError with the part in `details.doing`; nothing is held any more then
 */
export async function runPeer (options: DaemonOptions): Promise<RunningDaemon> {
  const { configuration, identity, loggers, signal } = options
  const { enableStats, prometheusEndpoint } = configuration.observations.metrics
  const stats = enableStats ? await openMetrics(prometheusEndpoint) : undefined
  const platform: Platform = { clock: systemClock, random: systemRandom, loggers, metrics: stats?.metrics ?? noMetrics }
  const logger = loggers.component('cluster')
  // What the start spends its time on, in milliseconds since the process began: shown by --debug.
  const tell = (what: string): void => { logger.debug(`start: ${what} done after ${platform.clock.monotonic().toFixed(0)} ms`) }
  tell('loading')
  const peer = await doing('creating datastore', () => assemblePeer(configuration, identity.id, platform))
  tell('creating datastore')
  logger.info(`Datastore backend: leveldb (section ${datastoreOf(configuration)})`)
  const parts: Part[] = [...peer.components, ...await apiParts(configuration, peer, platform)]
  if (stats !== undefined) parts.push({ doing: 'setting up metrics', component: stats.endpoint(platform) })
  const started: Part[] = []
  try {
    for (const part of parts) {
      signal.throwIfAborted()
      await doing(part.doing, () => part.component.start(signal))
      started.push(part)
      tell(part.doing)
    }
  } catch (error) {
    await stopAll(started, logger)
    // What never started may hold something all the same: the datastore is open from the beginning.
    await peer.consensus.stop().catch(() => {})
    throw error
  }
  announce(logger, configuration)
  const loops = new AbortController()
  const running = runLoops(options, peer, platform, loops.signal)
  for (const address of options.bootstrap) logger.error(`bootstrap to ${address} failed: this version runs alone`)
  return { stopped: stopWhenAsked(signal, loops, running, started, logger) }
}

async function stopWhenAsked (signal: AbortSignal, loops: AbortController, running: Promise<unknown>, started: Part[], logger: Logger): Promise<void> {
  await aborted(signal)
  logger.info('shutting down Cluster')
  loops.abort(new ClusterError('CANCELLED', 'the peer stops'))
  const failures = await stopAll(started, logger)
  await running
  if (failures.length > 0) throw failures[0]
}

/** In the reverse order of the start; one that fails does not keep the others from stopping. */
async function stopAll (started: readonly Part[], logger: Logger): Promise<unknown[]> {
  const failures: unknown[] = []
  for (const { doing: what, component } of started.toReversed()) {
    try {
      await component.stop()
    } catch (error) {
      logger.error(`${what}: it did not stop in order: ${errorText(error)}`)
      failures.push(error)
    }
  }
  return failures
}

async function apiParts (configuration: Configuration, peer: Peer, platform: Platform): Promise<Part[]> {
  if (!configuration.loaded.has('api.restapi')) return []
  const api = restApi({ operations: peer.cluster, options: configuration.api.restapi, folder: configuration.folder, platform })
  return [{ doing: 'creating REST API component', component: api }]
}

function announce (logger: Logger, configuration: Configuration): void {
  logger.info(`IPFS Cluster v${contractVersion} listening on:`)
  logger.info('    - (this peer runs alone: it does not listen for others)')
  if (configuration.consensus.crdt.trustedPeers === 'all') logger.info('\'trust all\' mode enabled. Any peer in the cluster can modify the pinset.')
  logger.info('Cluster Peers (without including ourselves):')
  logger.info('    - No other peers')
}

/** Waits for the IPFS node, then publishes metrics and keeps the pinset up; ends with the signal. */
async function runLoops ({ configuration, onReady }: DaemonOptions, peer: Peer, platform: Platform, signal: AbortSignal): Promise<void> {
  const { cluster: settings } = configuration
  const { consensus, tracker, monitor, ipfsIdentity, cluster } = peer
  const logger = platform.loggers.component('cluster')
  const alerts = peer.alerts.record(monitor, logger, signal)
  await waitForIpfs(peer, platform, signal)
  if (signal.aborted) return alerts
  logger.info('** IPFS Cluster is READY **')
  onReady?.()
  const ping = {
    name: 'ping',
    metrics: async () => [pingMetric(cluster.self, settings.peername, ipfsIdentity.last(), platform.clock.now(), settings.monitorPingIntervalMs)],
  }
  const upkeep: UpkeepParts = { consensus, tracker, responsibility: new Responsibility(cluster.self), platform, unpin: cid => cluster.unpin(cid, { signal }) }
  await Promise.all([
    alerts,
    pushMetrics(ping, monitor, platform, signal),
    ...peer.informers.map(informer => pushMetrics(informer, monitor, platform, signal)),
    settings.followerMode ? undefined : expireLoop(upkeep, settings.stateSyncIntervalMs, signal),
    recoverLoop(upkeep, settings.pinRecoverIntervalMs, signal),
  ])
}

async function waitForIpfs (peer: Peer, platform: Platform, signal: AbortSignal): Promise<void> {
  const logger = platform.loggers.component('cluster')
  logger.info('Waiting for IPFS to be ready...')
  for (let attempt = 1; !signal.aborted; attempt++) {
    try {
      const { id } = await peer.ipfsIdentity.ask({ signal })
      logger.info(`IPFS is ready. Peer ID: ${id}`)
      return
    } catch (error) {
      if (attempt % retriesPerWarning === 0) logger.warn(`ipfs does not seem to be available after ${attempt} retries: ${errorText(error)}`)
    }
    await sleep(platform.clock, ipfsRetryMs, signal).catch(() => {})
  }
}

/** Figures and the endpoint that serves them. */
async function openMetrics (address: Multiaddress): Promise<{ metrics: Metrics, endpoint: (platform: Platform) => Startable }> {
  const { prometheusMetrics } = await import('./platform/prometheus-metrics.ts')
  const { MetricsEndpoint } = await import('./api/metrics-endpoint.ts')
  const metrics = await prometheusMetrics()
  return { metrics, endpoint: platform => new MetricsEndpoint({ address, metrics, platform }) }
}

/** Names the part in what it throws. */
async function doing<T> (what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof ClusterError) || error.details.doing !== undefined) throw error
    throw new ClusterError(error.code, error.message, { cause: error, details: { ...error.details, doing: what } })
  }
}

function aborted (signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => { resolve() }, { once: true })
  })
}
