import { statusNames } from '../../domain/status.ts'
import type { Command } from '../command-line/command.ts'
import { localFlag } from './common-flags.ts'
import type { Connection } from './connection.ts'

const filterNames = statusNames.filter(name => name !== 'undefined').map(name => `  - ${name}`).join('\n')

export const statusCommand: Command<Connection> = {
  name: 'status',
  usage: 'Retrieve the status of tracked items',
  argumentsUsage: '[CID1] [CID2]...',
  description: `
This command retrieves the status of the CIDs tracked by IPFS
Cluster, including which member is pinning them and any errors.
If one of several CIDs are provided, the status will be only fetched 
for a single item.  Metadata CIDs are included in the status response.

When the --local flag is passed, it will only fetch the status from the
contacted cluster peer. By default, status will be fetched from all peers.

When the --filter flag is passed, it will only fetch the peer information
where status of the pin matches at least one of the filter values (a comma
separated list). The following are valid status values:

${filterNames}`,
  flags: [localFlag, { kind: 'text', names: ['filter'], usage: 'comma-separated list of filters' }],
  action: async call => (await import('./status.ts')).showStatus(call),
}
