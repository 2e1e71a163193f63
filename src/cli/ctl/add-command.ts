import type { Command } from '../command-line/command.ts'
import { allocationsFlag, metadataFlag, waitTimeoutFlag, waitUsage } from './common-flags.ts'
import type { Connection } from './connection.ts'

export const addCommand: Command<Connection> = {
  name: 'add',
  usage: 'Add a file or directory to ipfs and pin it in the cluster',
  argumentsUsage: '<path>',
  description: `
Add allows to add and replicate content to several ipfs daemons, performing
a Cluster Pin operation on success. It takes elements from local paths as
well as from web URLs (accessed with a GET request). Providing several
arguments will automatically set --wrap-in-directory.

Cluster "add" works, by default, just like "ipfs add" and has similar options
in terms of DAG layout, chunker, hash function etc. It also supports adding
CAR files directly (--format car), as long as they have a single root. When
adding CAR files, all the options related to dag-building are ignored.

Added content will be allocated and sent block by block to the peers that
should pin it (among which may not necessarily be the local ipfs daemon).
Once all the blocks have arrived, they will be "cluster-pinned". This makes 
cluster add slower than a local ipfs add, but the result is a fully replicated
on completion. If you prefer faster adding, use the --local flag to add 
directly to the local IPFS node and pin in the destinations after that. 
Note that the local IPFS node may not be among the destinations, which will
leave the unpinned content in it.

Optional replication-min and replication-max factors can be provided: -1 means
"pin everywhere" and 0 means use cluster's default setting (i.e., replication
factor set in config). Positive values indicate how many peers should pin this
content.
`,
  flags: [
    { kind: 'boolean', names: ['recursive', 'r'], usage: 'Add directory paths recursively' },
    { kind: 'boolean', names: ['quiet', 'q'], usage: 'Write only hashes to output (one per line)' },
    { kind: 'boolean', names: ['quieter', 'Q'], usage: 'Write only final hash to output' },
    { kind: 'boolean', names: ['no-stream'], usage: 'Buffer output locally. Produces a valid JSON array with --enc=json.' },
    { kind: 'boolean', names: ['local'], usage: 'Add to local peer but pin normally' },
    { kind: 'text', names: ['name', 'n'], usage: 'Sets a name for this pin' },
    { kind: 'integer', names: ['replication-min', 'rmin'], usage: 'Sets the minimum replication factor for pinning this file' },
    { kind: 'integer', names: ['replication-max', 'rmax'], usage: 'Sets the maximum replication factor for pinning this file' },
    { kind: 'text', names: ['expire-in'], usage: 'Duration after which the pin should be unpinned automatically' },
    metadataFlag,
    allocationsFlag,
    { kind: 'boolean', names: ['no-pin'], usage: 'Do not pin after adding' },
    { kind: 'boolean', names: ['wait'], usage: waitUsage },
    waitTimeoutFlag,
    { kind: 'boolean', names: ['wrap-with-directory', 'w'], usage: 'Wrap a with a directory object' },
    { kind: 'text', names: ['format'], usage: '\'unixfs\' (add as unixfs DAG), \'car\' (import CAR file)', default: 'unixfs' },
    { kind: 'text', names: ['layout'], usage: 'Dag layout to use for dag generation: balanced or trickle' },
    { kind: 'boolean', names: ['hidden', 'H'], usage: 'Include files that are hidden.  Only takes effect on recursive add' },
    { kind: 'text', names: ['chunker', 's'], usage: '\'size-<size>\' or \'rabin-<min>-<avg>-<max>\'', default: 'size-262144' },
    { kind: 'boolean', names: ['raw-leaves'], usage: 'Use raw blocks for leaves (experimental)' },
    { kind: 'integer', names: ['cid-version'], usage: 'CID version. Non default implies raw-leaves' },
    { kind: 'text', names: ['hash'], usage: 'Hash function to use. Implies cid-version=1', default: 'sha2-256' },
    { kind: 'boolean', names: ['nocopy'], usage: 'Add the URL using filestore. Implies raw-leaves. (experimental)' },
  ],
  action: async call => (await import('./add.ts')).add(call),
}
