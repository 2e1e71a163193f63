import type { Command, Flag } from '../command-line/command.ts'
import { allocationsFlag, metadataFlag, waitTimeoutFlag, waitUsage } from './common-flags.ts'
import type { Connection } from './connection.ts'

/** What `pin add`, `pin rm` and `pin update` show when the request is done. */
function resultFlags (doing: string): Flag[] {
  return [
    { kind: 'boolean', names: ['no-status', 'ns'], usage: `Prevents fetching pin status after ${doing} (faster, quieter)` },
    { kind: 'boolean', names: ['wait', 'w'], usage: waitUsage },
    { kind: 'integer', names: ['wait-limit', 'wl'], usage: 'How many peers should reach the desired status to finish waiting' },
    waitTimeoutFlag,
  ]
}

const add: Command<Connection> = {
  name: 'add',
  usage: 'Pin an item in the cluster',
  argumentsUsage: '<CID|Path>',
  description: `
This command tells IPFS Cluster to start managing a CID. Depending on
the pinning strategy, this will trigger IPFS pin requests. The CID will
become part of the Cluster's state and will tracked from this point.

When the request has succeeded, the command returns the status of the CID
in the cluster and should be part of the list offered by "pin ls".

An optional replication factor can be provided: -1 means "pin everywhere"
and 0 means use cluster's default setting (i.e., replication factor set in
config). Positive values indicate how many peers should pin this content.

An optional allocations argument can be provided, allocations should be a
comma-separated list of peer IDs on which we want to pin. Peers in allocations
are prioritized over automatically-determined ones, but replication factors
would still be respected.
`,
  flags: [
    { kind: 'integer', names: ['replication', 'r'], usage: 'Sets a custom replication factor (overrides -rmax and -rmin)' },
    { kind: 'integer', names: ['replication-min', 'rmin'], usage: 'Sets the minimum replication factor for this pin' },
    { kind: 'integer', names: ['replication-max', 'rmax'], usage: 'Sets the maximum replication factor for this pin' },
    allocationsFlag,
    { kind: 'text', names: ['name', 'n'], usage: 'Sets a name for this pin' },
    { kind: 'text', names: ['mode'], usage: 'Select a way to pin: recursive or direct', default: 'recursive' },
    { kind: 'text', names: ['expire-in'], usage: 'Duration after which pin should be unpinned automatically' },
    metadataFlag,
    ...resultFlags('pinning'),
  ],
  action: async call => (await import('./pin-add.ts')).addPin(call),
}

const remove: Command<Connection> = {
  name: 'rm',
  usage: 'Unpin an item from the cluster',
  argumentsUsage: '<CID|Path>',
  description: `
This command tells IPFS Cluster to no longer manage a CID. This will
trigger unpinning operations in all the IPFS nodes holding the content.

When the request has succeeded, the command returns the status of the CID
in the cluster. The CID should disappear from the list offered by "pin ls",
although unpinning operations in the cluster may take longer or fail.
`,
  flags: resultFlags('unpinning'),
  action: async call => (await import('./pin-rm.ts')).removePin(call),
}

const update: Command<Connection> = {
  name: 'update',
  usage: 'Pin a new item based on an existing one',
  argumentsUsage: '<existing-CID> <new-CID|Path>',
  description: `
This command will add a new pin to the cluster taking all the options from an
existing one, including name. This means that the new pin will bypass the
allocation process and will be allocated to the same peers as the existing
one.

The cluster peers will try to Pin the new item on IPFS using the "pin update"
command. This is especially efficient when the content of two pins (their DAGs)
are similar.

Unlike the "pin update" command in the ipfs daemon, this will not unpin the
existing item from the cluster. Please run "pin rm" for that.
`,
  flags: [
    { kind: 'text', names: ['name', 'n'], usage: 'Sets a name for this updated pin' },
    { kind: 'text', names: ['expire-in'], usage: 'Duration after which the pin should be unpinned automatically after updating' },
    ...resultFlags('updating'),
  ],
  action: async call => (await import('./pin-update.ts')).updatePin(call),
}

const list: Command<Connection> = {
  name: 'ls',
  usage: 'List items in the cluster pinset',
  argumentsUsage: '[CID]',
  description: `
This command will list the CIDs which are tracked by IPFS Cluster and to
which peers they are currently allocated. This list does not include
any monitoring information about the IPFS status of the CIDs, it
merely represents the list of pins which are part of the shared state of
the cluster. For IPFS-status information about the pins, use "status".

The filter only takes effect when listing all pins. The possible values are:
  - all (default)
  - pin (normal pins, recursive or direct)
  - meta-pin (sharded pins)
  - clusterdag-pin (sharding-dag root pins)
  - shard-pin (individual shard pins)
`,
  flags: [{ kind: 'text', names: ['filter'], usage: 'Comma separated list of pin types. See help above.', default: 'all' }],
  action: async call => (await import('./pin-ls.ts')).listPins(call),
}

export const pinCommand: Command<Connection> = {
  name: 'pin',
  usage: 'Pin and unpin and list items in IPFS Cluster',
  description: 'Pin and unpin and list items in IPFS Cluster',
  commands: [add, remove, update, list],
}
