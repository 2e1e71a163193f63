import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { ipfsConnectorOf, withValues, type Configuration } from '../../config/configuration.ts'
import { isKuboAt } from '../../cluster/find-kubo.ts'
import { createConfiguration } from '../../config/create.ts'
import { configurationFileName, loadConfiguration, saveConfiguration } from '../../config/file.ts'
import { createIdentity, identityFileName, loadIdentity, overrideIdentity, saveIdentity } from '../../config/identity.ts'
import { peerstorePath, writePeerstore } from '../../config/peerstore.ts'
import { ClusterError, errorText } from '../../domain/errors.ts'
import { parseMultiaddress } from '../../domain/multiaddress.ts'
import { collectBuffersWithHeap } from '../../platform/buffer-memory.ts'
import { systemClock } from '../../platform/clock.ts'
import { lockFolder } from '../../platform/folder-lock.ts'
import { noMetrics } from '../../platform/metrics.ts'
import { silentLoggers } from '../../platform/logger.ts'
import { systemRandom } from '../../platform/random.ts'
import { collectAtRest, thisProcess } from '../../platform/rest-collection.ts'
import { openLoggers, parseLogLevels } from '../loggers.ts'
import { processTerminal } from '../command-line/process-terminal.ts'
import { StopSignals } from '../service/stop-signals.ts'

const usage = `npm start [-- --public] [-- --loglevel LEVEL]

Starts a peer with everything it needs; makes its configuration at the first run.
  --public         join the public IPFS network with the embedded node
  --loglevel, -l   as of "ipfs-cluster-service" (default: warn)
Folder and ports: IPFS_CLUSTER_PATH and the CLUSTER_* variables (docs/configuration.md).
`

/** `npm start`: from an empty folder to a running peer, in plain words. */
export async function main (): Promise<void> {
  const terminal = processTerminal()
  const options = readArguments(process.argv.slice(2))
  if (options === undefined) {
    await terminal.stdout.write(usage)
    return
  }
  try {
    await start(options, text => terminal.stdout.write(text))
    process.exit(0)
  } catch (error) {
    const advice = error instanceof ClusterError ? `\n${error.advice}` : ''
    await terminal.stderr.write(`error: ${errorText(error)}${advice}\n`)
    process.exit(1)
  }
}

interface StartOptions { readonly isPublic: boolean, readonly logLevel: string }

function readArguments (given: readonly string[]): StartOptions | undefined {
  let isPublic = false
  let logLevel = process.env['IPFS_CLUSTER_LOG_LEVEL'] ?? 'warn'
  for (let at = 0; at < given.length; at++) {
    const argument = given[at] as string
    if (argument === '--public') isPublic = true
    else if (argument === '--loglevel' || argument === '-l') logLevel = given[++at] ?? 'warn'
    else return undefined
  }
  return { isPublic, logLevel }
}

async function start (options: StartOptions, say: (text: string) => Promise<void>): Promise<void> {
  const folder = resolve(process.env['IPFS_CLUSTER_PATH'] ?? join(process.env['HOME'] ?? homedir(), '.ipfs-cluster'))
  const lock = await lockFolder(folder)
  try {
    const isNew = await prepareFolder(folder, say)
    const warn = (message: string): void => { void say(`warning: ${message}\n`) }
    const loaded = await loadConfiguration(folder, { environment: process.env, warn, inform: () => {} })
    const configuration = options.isPublic ? withValues(loaded, 'ipfsConnector', 'embedded', { publicNetwork: true }) : loaded
    const identity = loadIdentity(folder, { environment: process.env, notify: message => { void say(message) } })
    const parsed = parseLogLevels(options.logLevel, false) ?? { levels: { all: 'warn', components: new Map() } }
    const loggers = await openLoggers(parsed.levels, process.env, 'plain')
    collectBuffersWithHeap()
    const { runPeer } = await import('../../peer.ts')
    using signals = new StopSignals(process, processTerminal().stderr)
    try {
      const running = await runPeer({ configuration, identity, bootstrap: [], loggers, signal: signals.stop })
      await say(whatRuns(configuration, identity.id, isNew))
      const endCollecting = collectAtRest(systemClock, thisProcess())
      await running.stopped.finally(endCollecting)
    } catch (error) {
      // Ctrl-C while it starts.
      if (error !== signals.stop.reason) throw error
    }
    await say('Stopped. All data is on disk; "npm start" goes on from here.\n')
  } finally {
    lock.release()
  }
}

/** Makes configuration and identity where they are missing; true when something was made. */
async function prepareFolder (folder: string, say: (text: string) => Promise<void>): Promise<boolean> {
  const hasConfiguration = existsSync(join(folder, configurationFileName))
  if (!hasConfiguration) {
    const hasKubo = await findKubo()
    await say(hasKubo ? 'Found a Kubo node at its usual address: this peer will use it.\n' : 'No Kubo node at its usual address: this peer brings its own IPFS node.\n')
    const created = await createConfiguration({ folder, random: systemRandom, environment: process.env, warn: message => { void say(`warning: ${message}\n`) }, ipfsConnector: hasKubo ? 'ipfshttp' : 'embedded', datastore: 'leveldb', prepare: onLoopback })
    saveConfiguration(created)
    writePeerstore(peerstorePath(created), [])
  }
  if (!existsSync(join(folder, identityFileName))) saveIdentity(folder, overrideIdentity(createIdentity(systemRandom), process.env))
  return !hasConfiguration
}

/** A first try must not open a port to the network. */
async function onLoopback<T extends { readonly cluster: { readonly listenMultiaddress: unknown } }> (values: T): Promise<T> {
  return { ...values, cluster: { ...values.cluster, listenMultiaddress: [parseMultiaddress('/ip4/127.0.0.1/tcp/9096')] } }
}

/** True when a Kubo (or what CLUSTER_IPFSHTTP_NODEMULTIADDRESS names) answers. */
async function findKubo (): Promise<boolean> {
  const address = process.env['CLUSTER_IPFSHTTP_NODEMULTIADDRESS'] ?? '/ip4/127.0.0.1/tcp/5001'
  return isKuboAt(parseMultiaddress(address), { clock: systemClock, random: systemRandom, loggers: silentLoggers, metrics: noMetrics })
}

function whatRuns (configuration: Configuration, id: string, isNew: boolean): string {
  const { restapi } = configuration.api
  const host = restapi.httpListenMultiaddress[0] ?? ''
  const isDefaultHost = host === '/ip4/127.0.0.1/tcp/9094'
  const ctl = `bin/ipfs-cluster-ctl${isDefaultHost ? '' : ` --host ${host}`}`
  const { embedded, ipfshttp } = configuration.ipfsConnector
  const isEmbedded = ipfsConnectorOf(configuration) === 'embedded'
  const node = isEmbedded
    ? `embedded, blocks in ${resolve(configuration.folder, embedded.repoFolder)}, at most ${Math.round(embedded.storageMaxBytes / 1e9)} GB\n                  ${embedded.publicNetwork ? 'in the public IPFS network' : 'dials nobody; to join the public IPFS network start with "npm start -- --public",\n                  or set ipfs_connector.embedded.public_network in service.json'}`
    : `Kubo at ${ipfshttp.nodeMultiaddress}`
  const gateway = isEmbedded && embedded.gatewayMultiaddress !== undefined ? `\n  Read content    ${urlOf(embedded.gatewayMultiaddress)}/ipfs/<cid>` : ''
  return `
Flotilla runs: peer ${configuration.cluster.peername} (${id})${isNew ? ', new' : ''}

  REST API        ${urlOf(host)}
  Other peers     join with this peer's cluster secret and --bootstrap
                  ${configuration.cluster.listenMultiaddress[0]}/p2p/${id}
  IPFS node       ${node}${gateway}
  Data            ${configuration.folder}

Three things to try next, in another terminal in this folder:
  ${ctl} add README.md        add a file and pin it
  ${ctl} status               see what is pinned
  ${ctl} id                   see who this peer is

Ctrl-C stops it.
`
}

/** What to open in a browser, for an address that is plain TCP. */
function urlOf (address: string): string {
  const [, , host = '', kind, port = ''] = address.split('/')
  return kind === 'tcp' ? `http://${host.includes(':') ? `[${host}]` : host}:${port}` : address
}
