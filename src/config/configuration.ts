import type { Values } from './field.ts'
import { snakeCase } from './names.ts'
import type { Section } from './section.ts'
import { ipfsproxy, pinsvcapi, restapi } from './sections/api.ts'
import { cluster } from './sections/cluster.ts'
import { crdt, raft } from './sections/consensus.ts'
import { badger, badger3, leveldb, pebble } from './sections/datastore.ts'
import { embedded, ipfshttp } from './sections/ipfs-connector.ts'
import { balanced, disk, metrics, numpin, pinqueue, pubsubmon, stateless, tags, tracing } from './sections/peer.ts'

/** The sections of service.json in the order of the file, by group and component. */
export const sectionGroups = {
  consensus: { crdt, raft },
  api: { ipfsproxy, pinsvcapi, restapi },
  ipfsConnector: { embedded, ipfshttp },
  pinTracker: { stateless },
  monitor: { pubsubmon },
  allocator: { balanced },
  informer: { disk, numpin, pinqueue, tags },
  observations: { metrics, tracing },
  datastore: { badger, badger3, leveldb, pebble },
} as const

type SectionGroups = typeof sectionGroups
type SectionValues<S> = S extends Section<infer F> ? Values<F> : never

/** The name of a section as messages and {@link Configuration.loaded} have it: `cluster`, `api.restapi`. */
export type SectionName = string

/** The values of every section. Those that the file does not have hold what is initial. */
export type ConfigurationValues = { readonly cluster: SectionValues<typeof cluster> } & {
  readonly [G in keyof SectionGroups]: { readonly [C in keyof SectionGroups[G]]: SectionValues<SectionGroups[G][C]> }
}

/** A peer's configuration: what service.json, its source and the environment say together. */
export type Configuration = ConfigurationValues & {
  /** The configuration folder, absolute. */
  readonly folder: string
  /** Where the configuration comes from instead of the file; empty when from the file. */
  readonly source: string
  /** The sections that the file has: they decide which components run (spec/cli.md 1.4). */
  readonly loaded: ReadonlySet<SectionName>
  /** The JSON that was read: keys that nobody knows survive a save. */
  readonly original: unknown
}

/** Every section with its place: `cluster` has no group. */
export function * allSections (): Generator<{ section: Section, group?: keyof SectionGroups, component: string }> {
  yield { section: cluster as unknown as Section, component: 'cluster' }
  for (const [group, components] of Object.entries(sectionGroups)) {
    for (const [component, section] of Object.entries(components)) yield { section: section as unknown as Section, group: group as keyof SectionGroups, component }
  }
}

/** The group's key in the file: `ipfs_connector`. */
export function groupKey (group: string): string { return snakeCase(group) }

/** The values made by `make` for every section. */
export function valuesOfSections (make: (section: Section) => Values<Section['fields']>): ConfigurationValues {
  const values: Record<string, unknown> = {}
  for (const { section, group, component } of allSections()) {
    if (group === undefined) values[component] = make(section)
    else values[group] = { ...(values[group] as object | undefined), [component]: make(section) }
  }
  return values as ConfigurationValues
}

/** The values of one section. */
export function sectionValues (configuration: ConfigurationValues, group: string | undefined, component: string): Values<Section['fields']> {
  const values = configuration as unknown as Record<string, Record<string, unknown>>
  return (group === undefined ? values[component] : values[group]?.[component]) as Values<Section['fields']>
}

/** `configuration` with some values of one group's component replaced: what command line flags do. */
export function withValues<G extends keyof SectionGroups, C extends keyof Configuration[G]> (
  configuration: Configuration, group: G, component: C, values: Partial<Configuration[G][C]>,
): Configuration {
  return { ...configuration, [group]: { ...configuration[group], [component]: { ...configuration[group][component], ...values } } }
}

/** The component of a group that the file has, or undefined when it has none or more than one. */
function only (configuration: Configuration, group: string, components: readonly string[]): string | undefined {
  const present = components.filter(component => configuration.loaded.has(`${group}.${component}`))
  return present.length === 1 ? present[0] : undefined
}

/** Which consensus the peer has; undefined when the file has none or both. */
export function consensusOf (configuration: Configuration): 'crdt' | 'raft' | undefined {
  return only(configuration, 'consensus', ['crdt', 'raft']) as 'crdt' | 'raft' | undefined
}

export type DatastoreName = keyof SectionGroups['datastore']

/** Which datastore a CRDT peer has; undefined when the file has none or more than one. */
export function datastoreOf (configuration: Configuration): DatastoreName | undefined {
  return only(configuration, 'datastore', Object.keys(sectionGroups.datastore)) as DatastoreName | undefined
}

/** Which IPFS node the peer has: Kubo beside it unless the file says otherwise; undefined when it has both. */
export function ipfsConnectorOf (configuration: Configuration): 'ipfshttp' | 'embedded' | undefined {
  if (!configuration.loaded.has('ipfs_connector.embedded')) return 'ipfshttp'
  return configuration.loaded.has('ipfs_connector.ipfshttp') ? undefined : 'embedded'
}
