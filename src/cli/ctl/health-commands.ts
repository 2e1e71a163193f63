import type { Command } from '../command-line/command.ts'
import type { Connection } from './connection.ts'

export const healthCommand: Command<Connection> = {
  name: 'health',
  usage: 'Cluster monitoring information',
  description: 'Cluster monitoring information',
  commands: [{
    name: 'graph',
    usage: 'create a graph displaying connectivity of cluster peers',
    description: `
This command queries all connected cluster peers and their ipfs peers to generate a
graph of the connections.  Output is a dot file encoding the cluster's connection state.
`,
    flags: [
      { kind: 'text', names: ['file', 'f'], usage: 'sets an output dot-file for the connectivity graph' },
      { kind: 'boolean', names: ['all-ipfs-peers'], usage: 'causes the graph to mark nodes for ipfs peers not directly in the cluster' },
    ],
    action: async call => (await import('./health-graph.ts')).showGraph(call),
  }, {
    name: 'metrics',
    usage: 'List latest metrics logged by this peer',
    argumentsUsage: '<metric name>',
    description: `
This commands displays the latest valid metrics of the given type logged
by this peer for all current cluster peers.

If no argument is provided, the command retrieves all currently existing metric types.

Currently supported metrics depend on the informer component used,
but usually are:

- freespace
- ping
`,
    action: async call => (await import('./health-metrics.ts')).showMetrics(call),
  }, {
    name: 'alerts',
    usage: 'List the latest expired metric alerts',
    description: `
This command provides a list of "alerts" that the cluster has seen.

An alert is triggered when one of the metrics seen for a peer expires, and no
new metrics have been received.

Different alerts may be handled in different ways. i.e. ping alerts may
trigger automatic repinnings if configured.
`,
    action: async call => (await import('./health-alerts.ts')).showAlerts(call),
  }, {
    name: 'bandwidth',
    usage: 'Lists bandwidth stats for libp2p protocols',
    description: `
This command lists information about bytes sent, received and current bandwidth
rates for each libp2p protocol that the peer uses.
`,
    action: async call => (await import('./health-bandwidth.ts')).showBandwidth(call),
  }],
}
