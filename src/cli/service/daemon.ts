import { ipfsConnectorOf, withValues, type Configuration } from '../../config/configuration.ts'
import { peersOfAddresses } from '../../config/peerstore.ts'
import type { RunDaemon, RunningDaemon } from '../../cluster/daemon.ts'
import { ClusterError } from '../../domain/errors.ts'
import { parseMultiaddress } from '../../domain/multiaddress.ts'
import type { Multiaddress } from '../../domain/peer.ts'
import { CommandError } from '../command-line/command.ts'
import { CommandLog, withFolderLock, type ServiceCall } from './context.ts'
import { loadPeer, requireState } from './loaded-peer.ts'
import { tellReady } from './service-manager.ts'
import { StopSignals } from './stop-signals.ts'
import { unservedParts } from './unserved.ts'

/** `daemon`: runs the peer until a signal ends it (spec/cli.md 1.4). */
export async function daemon (call: ServiceCall, runDaemon: RunDaemon): Promise<void> {
  const bootstrap = readBootstrap(call.flags.text('bootstrap'))
  await withFolderLock(call.context.folder, async () => {
    const log = new CommandLog(call, 'json')
    const { configuration, identity } = await loadPeer(call, log)
    requireState(configuration, 'creating datastore')
    requireParts(configuration)
    const loggers = await log.loggers()
    const logger = loggers.component('service')
    logger.info('Initializing. For verbose output run with "-l debug". Please wait...')
    const unserved = unservedParts(configuration)
    if (unserved.length > 0) logger.info(`not served, for this version does not have it yet: ${unserved.join(', ')}`)
    using signals = new StopSignals(process, call.terminal.stderr)
    const running = await start(() => runDaemon({
      configuration: withFlags(configuration, call, bootstrap),
      identity,
      bootstrap,
      loggers,
      signal: signals.stop,
      onReady: () => { void tellReady(call.terminal.environment, logger) },
    }), signals.stop)
    await stopped(running)
  })
}

function readBootstrap (text: string): Multiaddress[] {
  if (text === '') return []
  return text.split(',').map(item => {
    try {
      return parseMultiaddress(item.trim())
    } catch (error) {
      throw new CommandError(`error parsing bootstrap multiaddress (${item})`, error)
    }
  })
}

/** What the flags change, for this run only. */
function withFlags (configuration: Configuration, call: ServiceCall, bootstrap: readonly Multiaddress[]): Configuration {
  const { flags } = call
  let changed = configuration
  if (flags.boolean('stats')) changed = withValues(changed, 'observations', 'metrics', { enableStats: true })
  if (flags.boolean('tracing')) changed = withValues(changed, 'observations', 'tracing', { enableTracing: true })
  if (flags.boolean('leave')) changed = { ...changed, cluster: { ...changed.cluster, leaveOnShutdown: true } }
  if (flags.boolean('public-network')) changed = withValues(changed, 'ipfsConnector', 'embedded', { publicNetwork: true })
  const { trustedPeers } = changed.consensus.crdt
  if (!flags.boolean('no-trust') && trustedPeers !== 'all') {
    changed = withValues(changed, 'consensus', 'crdt', { trustedPeers: [...new Set([...trustedPeers, ...peersOfAddresses(bootstrap)])] })
  }
  // A file without an allocator section is from before there was a choice.
  if (!changed.loaded.has('allocator.balanced')) changed = withValues(changed, 'allocator', 'balanced', { allocateBy: ['freespace'] })
  return changed
}

const informers = ['informer.disk', 'informer.tags', 'informer.pinqueue', 'informer.numpin']

/** Refuses a configuration with which no peer can run. */
function requireParts (configuration: Configuration): void {
  if (ipfsConnectorOf(configuration) === undefined) {
    throw new CommandError('creating IPFS Connector component', 'service.json has both ipfs_connector.ipfshttp and ipfs_connector.embedded: remove one of them')
  }
  if (!informers.some(name => configuration.loaded.has(name))) throw new CommandError('starting cluster', 'no informers are passed')
}

/** Starts the peer; undefined when a signal ended it before it was up. */
async function start (run: () => Promise<RunningDaemon>, stop: AbortSignal): Promise<RunningDaemon | undefined> {
  try {
    return await run()
  } catch (error) {
    if (stop.aborted) return undefined
    const what = error instanceof ClusterError ? error.details.doing : undefined
    throw new CommandError(typeof what === 'string' ? what : 'starting cluster', error)
  }
}

async function stopped (running: RunningDaemon | undefined): Promise<void> {
  try {
    await running?.stopped
  } catch (error) {
    throw new CommandError('shutting down cluster', error)
  }
}

