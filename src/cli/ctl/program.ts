import { contractVersion } from '../../domain/version.ts'
import type { Command, Program } from '../command-line/command.ts'
import { dialectV1 } from '../command-line/dialect-v1.ts'
import { addCommand } from './add-command.ts'
import type { Connection } from './connection.ts'
import { localFlag } from './common-flags.ts'
import { healthCommand } from './health-commands.ts'
import { pinCommand } from './pin-commands.ts'
import { statusCommand } from './status-command.ts'

const name = 'ipfs-cluster-ctl'
const defaultHost = '/ip4/127.0.0.1/tcp/9094'

const idCommand: Command<Connection> = {
  name: 'id',
  usage: 'Retrieve peer information',
  description: `
This command displays information about the peer that the tool is contacting
(usually running in localhost).
`,
  action: async call => (await import('./id.ts')).showId(call),
}

const peersCommand: Command<Connection> = {
  name: 'peers',
  usage: 'List and manage IPFS Cluster peers',
  description: 'List and manage IPFS Cluster peers',
  commands: [{
    name: 'ls',
    usage: 'list the nodes participating in the IPFS Cluster',
    argumentsUsage: ' ',
    description: `
This command provides a list of the ID information of all the peers in the Cluster.
`,
    action: async call => (await import('./peers-ls.ts')).listPeers(call),
  }, {
    name: 'rm',
    usage: 'remove a peer from the Cluster',
    argumentsUsage: '<peer ID>',
    description: `
This command removes a peer from the cluster. If the peer is online, it will
automatically shut down. All other cluster peers should be online for the
operation to succeed, otherwise some nodes may be left with an outdated list of
cluster peers.
`,
    action: async call => (await import('./peers-rm.ts')).removePeer(call),
  }],
}

const recoverCommand: Command<Connection> = {
  name: 'recover',
  usage: 'Recover tracked items in error state',
  argumentsUsage: '[CID]',
  description: `
This command asks Cluster peers to re-track or re-forget CIDs in
error state, usually because the IPFS pin or unpin operation has failed.

The command will wait for any operations to succeed and will return the status
of the item upon completion. Note that, when running on the full sets of tracked
CIDs (without argument), it may take a considerably long time.

When the --local flag is passed, it will only trigger recover
operations on the contacted peer (as opposed to on every peer).
`,
  flags: [localFlag],
  action: async call => (await import('./recover.ts')).recover(call),
}

const versionCommand: Command<Connection> = {
  name: 'version',
  usage: 'Retrieve cluster version',
  argumentsUsage: ' ',
  description: `
This command retrieves the IPFS Cluster version and can be used
to check that it matches the CLI version (shown by -v).
`,
  action: async call => (await import('./version.ts')).showVersion(call),
}

const ipfsCommand: Command<Connection> = {
  name: 'ipfs',
  usage: 'Manage IPFS daemon',
  description: 'Manage IPFS daemon',
  commands: [{
    name: 'gc',
    usage: 'run garbage collection on IPFS repos of cluster peers',
    description: `
This command will instruct current Cluster peers to run "repo gc" on their
respective IPFS daemons.

When --local flag is passed, it will garbage collect only on the local IPFS
daemon, otherwise on all IPFS daemons.
`,
    flags: [localFlag],
    action: async call => (await import('./ipfs-gc.ts')).collectGarbage(call),
  }],
}

const commandsCommand: Command<Connection> = {
  name: 'commands',
  usage: 'List all commands',
  argumentsUsage: ' ',
  hidden: true,
  action: async call => (await import('./commands.ts')).listCommands(call, program),
}

/** `ipfs-cluster-ctl` (spec/cli.md 2): a client of the REST API. */
export const program: Program<Connection> = {
  name,
  usage: 'CLI for IPFS Cluster',
  version: contractVersion,
  dialect: dialectV1,
  usageErrorExit: 1,
  description: `
${name} is a tool to manage IPFS Cluster nodes.

Use "${name} help" to list all available commands and
"${name} help <command>" to get usage information for a
specific one.

${name} uses the IPFS Cluster API to perform requests and
display responses in a user-readable format. The location of the IPFS
Cluster server is assumed to be ${defaultHost}, but can be configured
with the --host option. If several multiaddresses are specified 
(comma-separated), requests will be sent to the first one and fail-over 
over to the others. This also works for dns-based addresses which resolve
to multiple values.

To use the secure libp2p-http API endpoint, use "--host" with 
the full cluster libp2p listener address, including the "/p2p/<peerID>"
part, or a /dnsaddr that resolves to it. Provide the cluster secret with 
--secret as needed.

For feedback, bug reports or any additional information, visit
https://github.com/ipfs-cluster/ipfs-cluster.
`,
  flags: [
    { kind: 'text', names: ['host', 'l'], usage: 'API endpoint multiaddresses (comma-separated)', default: defaultHost },
    { kind: 'text', names: ['secret'], usage: 'cluster secret (32 byte pnet-key) as needed. Only when using the LibP2P endpoint' },
    { kind: 'boolean', names: ['https', 's'], usage: 'use https to connect to the API' },
    { kind: 'boolean', names: ['no-check-certificate'], usage: 'do not verify server TLS certificate. only valid with --https flag' },
    { kind: 'text', names: ['encoding', 'enc'], usage: 'output format encoding [text, json]', default: 'text' },
    { kind: 'integer', names: ['timeout', 't'], usage: 'number of seconds to wait before timing out a request' },
    { kind: 'boolean', names: ['debug', 'd'], usage: 'set debug log level' },
    {
      kind: 'text',
      names: ['basic-auth'],
      usage: `<username>[:<password>] specify BasicAuth credentials for server that
requires authorization. implies --https, which you can disable with --force-http`,
      environment: 'CLUSTER_CREDENTIALS',
    },
    { kind: 'boolean', names: ['force-http', 'f'], usage: 'force HTTP. only valid when using BasicAuth' },
  ],
  before: async call => (await import('./connection.ts')).connectionFromFlags(call),
  commands: [
    idCommand, peersCommand, addCommand, pinCommand, statusCommand, recoverCommand, versionCommand, healthCommand, ipfsCommand, commandsCommand,
  ],
}
