import { hostname } from 'node:os'
import type { PeerId } from '../domain/peer.ts'
import type { Random } from '../platform/random.ts'
import { allSections, valuesOfSections, withValues, type Configuration, type ConfigurationValues, type DatastoreName } from './configuration.ts'
import type { Environment } from './environment.ts'
import { overrideValues } from './file.ts'

export interface CreateOptions {
  readonly folder: string
  readonly random: Random
  readonly environment: Environment
  readonly warn: (message: string) => void
  readonly consensus?: 'crdt' | 'raft'
  /** Only a CRDT peer has one. */
  readonly datastore?: DatastoreName
  /** The IPFS node beside the peer (Kubo) or the one inside. */
  readonly ipfsConnector?: 'ipfshttp' | 'embedded'
  /** The file will only name this URL. */
  readonly source?: string
  /** Changes the initial values before the environment does. */
  readonly prepare?: (values: ConfigurationValues) => Promise<ConfigurationValues>
}

/** Sections that `init` does not write though they are known. */
const unwritten = new Set(['informer.numpin'])

/**
 * A new configuration with everything initial, a new cluster secret, and the environment's
 * overrides.
 * @throws ClusterError `INVALID_CONFIGURATION` when a variable is wrong
 */
export async function createConfiguration (options: CreateOptions): Promise<Configuration> {
  const { consensus = 'crdt', datastore = 'pebble', ipfsConnector = 'ipfshttp' } = options
  const context = { folder: options.folder, hostname: hostname(), warn: options.warn }
  const chosen = new Map<string, string | undefined>([
    ['consensus', consensus], ['datastore', consensus === 'crdt' ? datastore : undefined], ['ipfsConnector', ipfsConnector],
  ])
  const loaded = new Set<string>()
  for (const { section, group, component } of allSections()) {
    const isChosen = group === undefined || !chosen.has(group) || chosen.get(group) === component
    if (isChosen && !unwritten.has(section.name)) loaded.add(section.name)
  }
  const initial = valuesOfSections(section => section.initial(context))
  const withSecret = { ...initial, cluster: { ...initial.cluster, secret: new Uint8Array(options.random.bytes(32)) } }
  const values = overrideValues(await options.prepare?.(withSecret) ?? withSecret, options.environment, context)
  return { ...values, folder: options.folder, source: options.source ?? '', loaded, original: {} }
}

/** Trusts these peers and no others (CRDT), starts a cluster with them (Raft). */
export function withPeers (configuration: Configuration, peers: readonly PeerId[]): Configuration {
  const trusting = withValues(configuration, 'consensus', 'crdt', { trustedPeers: peers })
  return withValues(trusting, 'consensus', 'raft', { initPeerset: peers })
}
