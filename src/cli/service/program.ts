import { contractVersion } from '../../domain/version.ts'
import type { Command, Program } from '../command-line/command.ts'
import { dialectV1 } from '../command-line/dialect-v1.ts'
import { defaultFolder, serviceContext, type ServiceContext } from './context.ts'
import { peerParts, type PeerParts } from './peer-parts.ts'
import { cleanupDescription, crdtDotDescription, crdtInfoDescription, exportDescription, importDescription, initDescription, markCleanDescription, markDirtyDescription, programDescription } from './descriptions.ts'

const initCommand: Command<ServiceContext> = {
  name: 'init',
  usage: 'Creates a configuration and generates an identity',
  argumentsUsage: '[http-source-url]',
  description: initDescription,
  flags: [
    { kind: 'text', names: ['consensus'], usage: 'select consensus: \'crdt\' or \'raft\'', default: 'crdt' },
    { kind: 'text', names: ['datastore'], usage: 'select datastore: \'badger\', \'badger3\', \'leveldb\' or \'pebble\'', default: 'pebble' },
    { kind: 'boolean', names: ['custom-secret', 's'], usage: 'prompt for the cluster secret (when no source specified)' },
    { kind: 'text', names: ['peers'], usage: 'comma-separated list of multiaddresses to init with (see help)' },
    { kind: 'boolean', names: ['force', 'f'], usage: 'overwrite configuration without prompting' },
    { kind: 'boolean', names: ['randomports'], usage: 'configure random ports to listen on instead of defaults' },
    { kind: 'boolean', names: ['embedded'], usage: 'run an IPFS node inside of the peer instead of using one beside it', hidden: true },
  ],
  action: async call => (await import('./init.ts')).init(call),
}

const daemonCommand = (parts: PeerParts): Command<ServiceContext> => ({
  name: 'daemon',
  usage: 'Runs the IPFS Cluster peer (default)',
  flags: [
    { kind: 'boolean', names: ['upgrade', 'u'], usage: 'run state migrations before starting (deprecated/unused)' },
    { kind: 'text', names: ['bootstrap', 'j'], usage: 'join a cluster providing a comma-separated list of existing peers multiaddress(es)' },
    { kind: 'boolean', names: ['leave', 'x'], usage: 'remove peer from cluster on exit. Overrides "leave_on_shutdown"', hidden: true },
    { kind: 'boolean', names: ['stats'], usage: 'enable stats collection' },
    { kind: 'boolean', names: ['tracing'], usage: 'enable tracing collection' },
    { kind: 'boolean', names: ['no-trust'], usage: 'do not trust bootstrap peers (only for "crdt" consensus)' },
    { kind: 'boolean', names: ['public-network'], usage: 'let the embedded IPFS node join the public IPFS network', hidden: true },
  ],
  action: async call => (await import('./daemon.ts')).daemon(call, parts.runDaemon),
})

const stateCommand = (parts: PeerParts): Command<ServiceContext> => ({
  name: 'state',
  usage: 'Manages the peer\'s persistent state (pinset)',
  commands: [crdtCommand(parts), {
    name: 'export',
    usage: 'save the state to a JSON file',
    description: exportDescription,
    flags: [{ kind: 'text', names: ['file', 'f'], usage: 'writes to an output file' }],
    action: async call => (await import('./state.ts')).exportState(call, parts.openState),
  }, {
    name: 'import',
    usage: 'load the state from a file produced by \'export\'',
    description: importDescription,
    flags: [
      { kind: 'boolean', names: ['force', 'f'], usage: 'skips confirmation prompt' },
      { kind: 'integer', names: ['replication-min', 'rmin'], usage: 'Overwrite replication-factor-min for all pins on import' },
      { kind: 'integer', names: ['replication-max', 'rmax'], usage: 'Overwrite replication-factor-max for all pins on import' },
      { kind: 'text', names: ['allocations', 'allocs'], usage: 'Overwrite allocations for all pins on import. Comma-separated list of peer IDs' },
    ],
    action: async call => (await import('./state.ts')).importState(call, parts.openState),
  }, {
    name: 'cleanup',
    usage: 'remove persistent data',
    description: cleanupDescription,
    flags: [{ kind: 'boolean', names: ['force', 'f'], usage: 'skip confirmation prompt' }],
    action: async call => (await import('./state.ts')).cleanupState(call, parts.openState),
  }],
})

const crdtCommand = (parts: PeerParts): Command<ServiceContext> => ({
  name: 'crdt',
  usage: 'CRDT-state commands',
  before: async call => (await import('./state-crdt.ts')).requireCrdt(call),
  commands: [{
    name: 'info',
    usage: 'Print information about the CRDT store',
    description: crdtInfoDescription,
    action: async call => (await import('./state-crdt.ts')).crdtInfo(call, parts.openCrdt),
  }, {
    name: 'dot',
    usage: 'Write the CRDT-DAG as DOT file',
    description: crdtDotDescription,
    flags: [{ kind: 'text', names: ['file', 'f'], usage: 'writes to file instead of stdout' }],
    action: async call => (await import('./state-crdt.ts')).crdtDot(call, parts.openCrdt),
  }, {
    name: 'mark-dirty',
    usage: 'Marks the CRDT-store as dirty',
    description: markDirtyDescription,
    action: async call => (await import('./state-crdt.ts')).crdtMark(call, parts.openCrdt, true),
  }, {
    name: 'mark-clean',
    usage: 'Marks the CRDT-store as clean',
    description: markCleanDescription,
    action: async call => (await import('./state-crdt.ts')).crdtMark(call, parts.openCrdt, false),
  }],
})

const versionCommand: Command<ServiceContext> = {
  name: 'version',
  usage: 'Prints the ipfs-cluster version',
  action: async call => { await call.terminal.stdout.write(`${contractVersion}\n`) },
}

/** `ipfs-cluster-service` (spec/cli.md 1). */
export const serviceProgram = (parts: PeerParts = peerParts): Program<ServiceContext> => ({
  name: 'ipfs-cluster-service',
  usage: 'IPFS Cluster peer',
  description: programDescription,
  version: contractVersion,
  dialect: dialectV1,
  usageErrorExit: 0,
  flags: [
    {
      kind: 'text',
      names: ['config', 'c'],
      usage: 'path to the configuration and data `FOLDER`',
      default: defaultFolder(process.env),
      environment: 'IPFS_CLUSTER_PATH',
    },
    // Looked at by no command: each asks for its own (spec/cli.md 1.1).
    { kind: 'boolean', names: ['force', 'f'], usage: 'forcefully proceed with some actions. i.e. overwriting configuration' },
    { kind: 'boolean', names: ['debug', 'd'], usage: 'enable full debug logging (very verbose)' },
    { kind: 'text', names: ['loglevel', 'l'], usage: 'set overall and component-wise log levels', environment: 'IPFS_CLUSTER_LOG_LEVEL' },
  ],
  commands: [initCommand, daemonCommand(parts), stateCommand(parts), versionCommand],
  before: serviceContext,
  action: async call => {
    await call.showHelp()
    return 1
  },
})
