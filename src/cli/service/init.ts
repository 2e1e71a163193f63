import { existsSync } from 'node:fs'
import { saveConfiguration } from '../../config/file.ts'
import type { ConfigurationValues, Configuration, DatastoreName } from '../../config/configuration.ts'
import { createConfiguration, withPeers } from '../../config/create.ts'
import { createIdentity, identityFileName, overrideIdentity, saveIdentity } from '../../config/identity.ts'
import { peersOfAddresses, peerstorePath, writePeerstore } from '../../config/peerstore.ts'
import { decodeClusterSecret } from '../../config/value-kinds.ts'
import { parseMultiaddress } from '../../domain/multiaddress.ts'
import type { Multiaddress } from '../../domain/peer.ts'
import { systemRandom } from '../../platform/random.ts'
import { CommandError } from '../command-line/command.ts'
import { askLine, askYesNo } from '../command-line/prompt.ts'
import { CommandLog, doing, doingWithConfiguration, withFolderLock, type ServiceCall } from './context.ts'
import { withRandomPorts } from './random-ports.ts'

const datastores = ['leveldb', 'badger', 'badger3', 'pebble'] as const satisfies readonly DatastoreName[]

interface Choices {
  readonly consensus: 'crdt' | 'raft'
  readonly datastore: DatastoreName
  readonly ipfsConnector: 'ipfshttp' | 'embedded'
}

/** `init`: writes service.json, identity.json and the peerstore (spec/cli.md 1.3). */
export async function init (call: ServiceCall): Promise<void> {
  const choices = readChoices(call)
  const { folder, configurationPath, identityPath } = call.context
  const hasConfiguration = existsSync(configurationPath)
  const hasIdentity = existsSync(identityPath)
  const run = async (): Promise<void> => {
    if (hasConfiguration && !call.flags.boolean('force')) {
      if (!await askYesNo(call.terminal, 'The configuration file will be overwritten. Continue? [y/n]:')) return
    }
    await writeFiles(call, choices, hasIdentity)
  }
  // A peer may run on what is there.
  if (hasConfiguration || hasIdentity) await withFolderLock(folder, run)
  else await run()
}

function readChoices (call: ServiceCall): Choices {
  const consensus = call.flags.text('consensus')
  if (consensus !== 'crdt' && consensus !== 'raft') throw new CommandError('choosing consensus', 'flag value must be set to \'raft\' or \'crdt\'')
  const datastore = datastores.find(name => name === call.flags.text('datastore'))
  if (datastore === undefined) throw new CommandError('choosing datastore', 'flag value must be set to \'leveldb\', \'badger\', \'badger3\' or \'pebble\'')
  return { consensus, datastore, ipfsConnector: call.flags.boolean('embedded') ? 'embedded' : 'ipfshttp' }
}

async function writeFiles (call: ServiceCall, choices: Choices, hasIdentity: boolean): Promise<void> {
  const { folder, configurationPath, identityPath } = call.context
  const { environment, stderr } = call.terminal
  const source = call.arguments[0] ?? ''
  const created = await createFrom(call, choices, source)
  const addresses = readPeers(call.flags.text('peers'))
  const configuration = addresses.length === 0 ? created : withPeers(created, peersOfAddresses(addresses))

  await doing('saving default configuration', () => { saveConfiguration(configuration) })
  await stderr.write(`configuration written to ${configurationPath}.\n`)

  if (!hasIdentity) {
    const identity = await doing('applying environment variables to the identity', () => overrideIdentity(createIdentity(systemRandom), environment))
    await doing(`saving ${identityFileName}`, () => { saveIdentity(folder, identity) })
    await stderr.write(`new identity written to ${identityPath}\n`)
  }
  await writePeers(call, configuration, addresses)
}

async function createFrom (call: ServiceCall, choices: Choices, source: string): Promise<Configuration> {
  const { folder } = call.context
  const { environment } = call.terminal
  const log = new CommandLog(call)
  const warnings: string[] = []
  const prepare = async (values: ConfigurationValues): Promise<ConfigurationValues> =>
    call.flags.boolean('randomports') ? await doing('randomizing ports', () => randomizePorts(values)) : values
  const configuration = await doingWithConfiguration('applying environment variables to configuration', log, () => createConfiguration({
    ...choices, folder, environment, source, prepare, random: systemRandom, warn: message => { warnings.push(message) },
  }))
  for (const warning of warnings) await log.warn('config', warning)
  if (!call.flags.boolean('custom-secret') || call.arguments.length > 0) return configuration
  const answer = await askLine(call.terminal, 'Enter cluster secret (32-byte hex string): ')
  const secret = await doing('parsing user-provided secret', () => decodeClusterSecret(answer))
  return { ...configuration, cluster: { ...configuration.cluster, secret } }
}

async function randomizePorts (values: ConfigurationValues): Promise<ConfigurationValues> {
  const { cluster, api: { restapi, ipfsproxy, pinsvcapi } } = values
  return {
    ...values,
    cluster: { ...cluster, listenMultiaddress: await withRandomPorts(cluster.listenMultiaddress) },
    api: {
      restapi: { ...restapi, httpListenMultiaddress: await withRandomPorts(restapi.httpListenMultiaddress) },
      ipfsproxy: { ...ipfsproxy, listenMultiaddress: await withRandomPorts(ipfsproxy.listenMultiaddress) },
      pinsvcapi: { ...pinsvcapi, httpListenMultiaddress: await withRandomPorts(pinsvcapi.httpListenMultiaddress) },
    },
  }
}

function readPeers (text: string): Multiaddress[] {
  if (text === '') return []
  return text.split(',').map(item => {
    const address = item.trim()
    try {
      return parseMultiaddress(address)
    } catch (error) {
      throw new CommandError(`parsing peer multiaddress: ${address}`, error)
    }
  })
}

/** A configuration that comes from elsewhere has no peerstore of its own yet; the line is the reference's. */
async function writePeers (call: ServiceCall, configuration: Configuration, addresses: readonly Multiaddress[]): Promise<void> {
  const path = configuration.source === '' ? peerstorePath(configuration) : ''
  if (path !== '') await doing('getting AddrInfos from peer multiaddresses', () => { writePeerstore(path, addresses) })
  await call.terminal.stderr.write(addresses.length === 0
    ? `new empty peerstore written to ${path}.\n`
    : `peerstore written to ${path} with ${addresses.length} entries.\n`)
}

