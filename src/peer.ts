import type { AddressBook } from './cluster/address-book.ts'
import { assemblePeer } from './cluster/assemble.ts'
import { naming, startAll, stopAll, type PeerComponent } from './cluster/components.ts'
import type { Peer } from './cluster/compose.ts'
import type { DaemonOptions, RunningDaemon } from './cluster/daemon.ts'
import { within } from './platform/deadline.ts'
import { recordOwnMetrics } from './cluster/first-metrics.ts'
import { datastoreOf, ipfsConnectorOf, type Configuration } from './config/configuration.ts'
import { peerstorePath, readPeerstore, writePeerstore } from './config/peerstore.ts'
import { ClusterError, errorText } from './domain/errors.ts'
import type { Multiaddress } from './domain/peer.ts'
import { contractVersion } from './domain/version.ts'
import { sleep, systemClock } from './platform/clock.ts'
import type { Platform, Startable } from './platform/lifecycle.ts'
import type { Logger } from './platform/logger.ts'
import { noMetrics, type Metrics } from './platform/metrics.ts'
import { systemRandom } from './platform/random.ts'
import type { Tracer } from './platform/tracer.ts'

/** Loading the network keeps this thread busy: who waits for the API gets an answer first, within this time in milliseconds. */
const firstAnswersMs = 50
/** So long loading the network waits for this peer's own metrics, in milliseconds: pins that must be allocated wait for them. */
const metricsFirstMs = 300
/** So long such pins wait, in milliseconds, when the IPFS node does not answer. */
const metricsAtMostMs = 2_000

/**
 * Starts a peer with its APIs. What it listens on answers when this resolves; the rest (the IPFS
 * node's first answer, metrics, upkeep) follows in the background.
 * @throws ClusterError with the part in `details.doing`; nothing is held any more then
 */
export async function runPeer (options: DaemonOptions): Promise<RunningDaemon> {
  const { configuration, identity, loggers, signal } = options
  const { enableStats, prometheusEndpoint } = configuration.observations.metrics
  const stats = enableStats ? await openMetrics(prometheusEndpoint) : undefined
  const tracer = configuration.observations.tracing.enableTracing ? await naming('setting up tracing', () => openTracer(options)) : undefined
  const platform: Platform = { clock: systemClock, random: systemRandom, loggers, metrics: stats?.metrics ?? noMetrics, tracer }
  const logger = loggers.component('cluster')
  // What the start spends its time on, in milliseconds since the process began: shown by --debug.
  const tell = (what: string): void => { logger.debug(`start: ${what} done after ${platform.clock.monotonic().toFixed(0)} ms`) }
  tell('loading the command and its configuration')
  const [peer, apis] = await Promise.all([
    naming('creating datastore', () => assemblePeer(configuration, identity, platform)),
    loadApis(configuration).finally(() => { tell('loading the peer and its APIs') }),
  ])
  tell('creating datastore')
  logger.info(`Datastore backend: leveldb (section ${datastoreOf(configuration)})`)
  const components = [...peer.components, ...apis(peer, platform)]
  if (tracer !== undefined) components.unshift({ doing: 'setting up tracing', component: tracer })
  if (stats !== undefined) components.push({ doing: 'setting up metrics', component: stats.endpoint(platform) })
  const { metricsKnown, lookForMetrics } = firstMetrics(peer, signal)
  peer.pinning.allocateAfter(metricsKnown)
  const beforeSlow = async (): Promise<void> => {
    lookForMetrics()
    await sleep(platform.clock, firstAnswersMs, signal)
    await Promise.race([metricsKnown, sleep(platform.clock, metricsFirstMs, signal)])
  }
  try {
    await naming('creating libp2p host', async () => { await peer.network.listenEarly?.() })
    await startAll(components, { signal, logger, onStarted: tell, beforeSlow })
  } catch (error) {
    // What never started may hold something all the same: the datastore is open from the beginning, and ports are taken.
    await peer.consensus.stop().catch(() => {})
    await peer.network.stop().catch(() => {})
    throw error
  }
  announce(logger, peer)
  return { stopped: runUntilStopped(options, peer, components) }
}

/** The peer's own metrics: known at the latest after {@link metricsAtMostMs}, or when it stops. */
function firstMetrics (peer: Peer, signal: AbortSignal): { metricsKnown: Promise<void>, lookForMetrics: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>()
  const lookForMetrics = (): void => {
    within(peer.platform.clock, metricsAtMostMs, { signal }, limited => recordOwnMetrics(peer, limited.signal)).then(resolve, () => { resolve() })
  }
  return { metricsKnown: promise, lookForMetrics }
}

async function runUntilStopped (options: DaemonOptions, peer: Peer, components: readonly PeerComponent[]): Promise<void> {
  const { configuration, bootstrap, onReady, signal } = options
  const logger = peer.platform.loggers.component('cluster')
  const life = new AbortController()
  const removed = new AbortController()
  // Not before the APIs answer: nobody waits for it.
  const { livePeer } = await import('./cluster/peer-life.ts')
  const living = livePeer(peer, {
    bootstrap,
    addressBook: addressBook(configuration, logger),
    connectSwarmsDelayMs: connectSwarmsDelayMs(configuration),
    onReady,
    onRemoved: () => { removed.abort() },
  }, life.signal)
  await aborted(AbortSignal.any([signal, removed.signal]))
  logger.info('shutting down Cluster')
  life.abort(new ClusterError('CANCELLED', 'the peer stops'))
  if (configuration.cluster.leaveOnShutdown && !removed.signal.aborted) await leave(peer, logger)
  const failures = await stopAll(components, logger)
  await living
  if (failures.length > 0) throw failures[0]
}

/** Only a consensus with a list of members can be left. */
async function leave ({ consensus }: Peer, logger: Logger): Promise<void> {
  logger.warn('attempting to leave the cluster. This may take some seconds')
  await consensus.removePeer().catch((error: unknown) => { logger.error(`leaving cluster: ${errorText(error)}`) })
}

function addressBook (configuration: Configuration, logger: Logger): AddressBook {
  const path = peerstorePath(configuration)
  return {
    read: () => readPeerstore(path, message => { logger.warn(message) }),
    write: addresses => { writePeerstore(path, addresses) },
  }
}

/** An embedded node has nobody to wait for. */
function connectSwarmsDelayMs (configuration: Configuration): number {
  return ipfsConnectorOf(configuration) === 'embedded' ? 1 : configuration.ipfsConnector.ipfshttp.connectSwarmsDelayMs
}

/** Loads the APIs that the configuration names; what it answers makes them for a peer. */
async function loadApis ({ loaded, api, folder }: Configuration): Promise<(peer: Peer, platform: Platform) => PeerComponent[]> {
  if (!loaded.has('api.restapi')) return () => []
  const { restApi } = await import('./api/rest/rest-api.ts')
  return ({ cluster }, platform) => [{ doing: 'creating REST API component', component: restApi({ operations: cluster, options: api.restapi, folder, platform }) }]
}

function announce (logger: Logger, { network, configuration }: Peer): void {
  logger.info(`IPFS Cluster v${contractVersion} listening on:`)
  for (const address of network.addresses()) logger.info(`        ${address}`)
  if (configuration.consensus.crdt.trustedPeers === 'all') logger.info('\'trust all\' mode enabled. Any peer in the cluster can modify the pinset.')
}

async function openTracer ({ configuration, identity, loggers }: DaemonOptions): Promise<Tracer & Startable> {
  const { JaegerTracer } = await import('./platform/jaeger/jaeger-tracer.ts')
  const { jaegerAgentEndpoint, samplingProb, serviceName } = configuration.observations.tracing
  return new JaegerTracer({
    agent: jaegerAgentEndpoint,
    samplingProbability: samplingProb,
    service: `${serviceName}-${configuration.cluster.peername}`,
    attributes: { cluster_id: identity.id },
    clock: systemClock,
    random: systemRandom,
    logger: loggers.component('observations'),
  })
}

/** Figures and the endpoint that serves them. */
async function openMetrics (address: Multiaddress): Promise<{ metrics: Metrics, endpoint: (platform: Platform) => Startable }> {
  const { prometheusMetrics } = await import('./platform/prometheus-metrics.ts')
  const { MetricsEndpoint } = await import('./api/metrics-endpoint.ts')
  const metrics = await prometheusMetrics()
  return { metrics, endpoint: platform => new MetricsEndpoint({ address, metrics, platform }) }
}

function aborted (signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => { resolve() }, { once: true })
  })
}
