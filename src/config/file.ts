import { mkdirSync, readFileSync, statSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { ClusterError, errorText } from '../domain/errors.ts'
import { fileErrorText, writeFileAtomically } from '../platform/files.ts'
import { allSections, groupKey, sectionGroups, sectionValues, valuesOfSections, type Configuration, type ConfigurationValues } from './configuration.ts'
import type { Environment } from './environment.ts'
import { isJsonObject, withUnknownKeys, type JsonObject, type Values } from './field.ts'
import { formatJsonText, parseJsonText } from './json-text.ts'
import { nearestName } from './names.ts'
import { Place, type ReadingContext } from './place.ts'
import type { Section } from './section.ts'
import { fetchSource } from './source.ts'

export const configurationFileName = 'service.json'
/** Far more than any configuration: what is larger is something else. */
const maxFileBytes = 8 * 1024 * 1024

export interface LoadOptions {
  readonly environment: Environment
  /** Told in one sentence each what was strange and accepted all the same. */
  readonly warn: (message: string) => void
  /** Told what is done. */
  readonly inform?: (message: string) => void
}

/**
 * Reads `service.json` of a configuration folder (or the source that it names), checks all of it,
 * then applies the environment's overrides.
 * @throws ClusterError `INVALID_CONFIGURATION`; message and details say where, what, and what is allowed
 */
export async function loadConfiguration (folder: string, options: LoadOptions): Promise<Configuration> {
  const context = { folder, hostname: hostname(), warn: options.warn }
  let original = readDocument(readConfigurationFile(join(folder, configurationFileName)), configurationFileName)
  let source = ''
  if (typeof original.source === 'string' && original.source !== '') {
    source = original.source
    options.inform?.(`loading configuration from ${source}`)
    original = readDocument(await fetchSource(source, options.environment), source)
    if (original.source !== undefined && original.source !== '') throw wrongDocument(source, 'a sourced configuration cannot point to another source', original.source, 'a configuration without a source of its own')
  }
  const read = readSections(original, context)
  const values = overrideValues(read.values, options.environment, context)
  return { ...values, folder, source, loaded: read.loaded, original: source === '' ? original : {} }
}

/** The values with what environment variables override. @throws ClusterError `INVALID_CONFIGURATION` */
export function overrideValues (values: ConfigurationValues, environment: Environment, context: ReadingContext): ConfigurationValues {
  // A look at all names of the process costs less than a look for each of our names.
  const ours = Object.fromEntries(Object.entries(environment).filter(([name]) => name.startsWith('CLUSTER_')))
  if (Object.keys(ours).length === 0) return values
  const places = new Map([...allSections()].map(({ section, group, component }) => [section, sectionValues(values, group, component)]))
  return valuesOfSections(section => section.override(places.get(section) as Values<Section['fields']>, ours, context))
}

/**
 * Writes `service.json`: the sections that are loaded, and what of the file nobody knows. The
 * folder is made when absent. A crash leaves the old file or the new one.
 * @throws ClusterError `STORE_FAILED`
 */
export function saveConfiguration (configuration: Configuration): void {
  const path = join(configuration.folder, configurationFileName)
  const json = configuration.source === '' ? configurationToJson(configuration) : { source: configuration.source }
  writeIntoFolder(configuration.folder, path, formatJsonText(json, 2), 0o600)
}

/** Makes the folder when absent and writes a file of it atomically. @throws ClusterError `STORE_FAILED` */
export function writeIntoFolder (folder: string, path: string, text: string, mode: number): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    writeFileAtomically(path, text, mode)
  } catch (error) {
    throw new ClusterError('STORE_FAILED', fileErrorText('open', path, error), { cause: error })
  }
}

/** The document that {@link saveConfiguration} writes. */
export function configurationToJson (configuration: Configuration): JsonObject {
  return toDocument(configuration, (section, values, original) => withUnknownKeys(section.fields, section.toJson(values), original))
}

/** The same for people: secrets hidden. */
export function configurationToDisplayJson (configuration: Configuration): JsonObject {
  return toDocument({ ...configuration, original: {} }, (section, values) => section.toDisplayJson(values))
}

function toDocument (configuration: Configuration, toJson: (section: Section, values: Values<Section['fields']>, original: unknown) => JsonObject): JsonObject {
  const original = isJsonObject(configuration.original) ? configuration.original : {}
  const document = new Map<string, unknown>()
  for (const { section, group, component } of allSections()) {
    const key = group === undefined ? component : groupKey(group)
    const before = original[key]
    const json = (inside: unknown): JsonObject => toJson(section, sectionValues(configuration, group, component), inside)
    if (group === undefined) {
      document.set(key, json(before))
      continue
    }
    const components = document.get(key) as JsonObject | undefined ?? unknownComponents(group, before)
    const present = configuration.loaded.has(section.name) ? { ...components, [component]: json(isJsonObject(before) ? before[component] : undefined) } : components
    if (Object.keys(present).length > 0) document.set(key, sortedByKey(present))
  }
  for (const [key, value] of Object.entries(original)) {
    if (!document.has(key)) document.set(key, value)
  }
  return Object.fromEntries(document)
}

function unknownComponents (group: keyof typeof sectionGroups, original: unknown): JsonObject {
  if (!isJsonObject(original)) return {}
  return Object.fromEntries(Object.entries(original).filter(([name]) => !Object.hasOwn(sectionGroups[group], name)))
}

function sortedByKey (json: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(json).toSorted(([a], [b]) => a < b ? -1 : 1))
}

function readConfigurationFile (path: string): string {
  try {
    const { size } = statSync(path)
    if (size > maxFileBytes) throw new Error(`the file has ${size} bytes, more than any configuration`)
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw wrongDocument(configurationFileName, fileErrorText('open', path, error), path, 'a readable file; "ipfs-cluster-service init" makes one')
  }
}

function readDocument (text: string, name: string): JsonObject {
  const json = parseJsonText(text, name)
  if (isJsonObject(json)) return json
  const found = Array.isArray(json) ? 'a list' : JSON.stringify(json).slice(0, 80)
  throw wrongDocument(name, `${name} must hold a JSON object, not ${found}`, found, 'a JSON object')
}

function readSections (original: JsonObject, context: ReadingContext): { values: ConfigurationValues, loaded: Set<string> } {
  const loaded = new Set<string>()
  const jsonOf = new Map<Section, unknown>()
  for (const { section, group, component } of allSections()) {
    const json = group === undefined ? original[component] : groupJson(original, groupKey(group), context)[component]
    if (json === undefined || json === null) continue
    jsonOf.set(section, json)
    loaded.add(section.name)
  }
  warnOfUnknownSections(original, context)
  if (!loaded.has('cluster')) throw wrongDocument('cluster', 'cluster section failed to validate: cluster.listen_multiaddress is undefined', 'absent', 'a cluster section; "ipfs-cluster-service init" writes one')
  const values = valuesOfSections(section => jsonOf.has(section) ? section.parse(jsonOf.get(section), context) : section.initial(context))
  return { values, loaded }
}

function groupJson (original: JsonObject, key: string, context: ReadingContext): JsonObject {
  const json = original[key] ?? {}
  if (!isJsonObject(json)) throw new Place(key, '', false, context).wrongType(json, 'an object')
  return json
}

function warnOfUnknownSections (original: JsonObject, context: ReadingContext): void {
  const components = new Map(Object.entries(sectionGroups).map(([group, sections]) => [groupKey(group), Object.keys(sections)]))
  const known = ['source', 'cluster', 'state', ...components.keys()]
  for (const [key, json] of Object.entries(original)) {
    if (!known.includes(key)) context.warn(unknownSection(key, known))
    const inside = components.get(key)
    if (inside === undefined || !isJsonObject(json)) continue
    for (const component of Object.keys(json)) {
      if (!inside.includes(component)) context.warn(unknownSection(`${key}.${component}`, inside, component))
    }
  }
}

function unknownSection (path: string, names: readonly string[], name = path): string {
  const nearest = nearestName(name, names)
  return `${path}: this section is not known and has no effect; ${nearest === undefined ? `known are ${names.join(', ')}` : `did you mean ${nearest}?`}`
}

function wrongDocument (section: string, message: string, value: unknown, allowed: string): ClusterError {
  return new ClusterError('INVALID_CONFIGURATION', message, { details: { section, key: '', value: errorText(value), allowed } })
}
