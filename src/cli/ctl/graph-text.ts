import type { ConnectGraph } from '../../domain/peer.ts'

/**
 * The connections of a cluster in the DOT language (spec/cli.md 2.10): cluster peers C (the asked
 * one and those not trusted) and T (trusted), IPFS nodes I, numbered in the order of their peer IDs.
 */
export function graphText (graph: ConnectGraph, { allIpfsPeers }: { readonly allIpfsPeers: boolean }): string {
  const clusterPeers = Object.keys(graph.clusterLinks).toSorted()
  const ipfsLinks = linksToShow(graph, allIpfsPeers)
  const ipfsPeers = [...ipfsLinks.keys()].toSorted()
  const withoutIpfs = clusterPeers.filter(peer => graph.clusterToIpfs[peer] === undefined)

  const clusterNames = new Map(clusterPeers.map((peer, index) => [peer, `${isTrusted(graph, peer) ? 'T' : 'C'}${index}`]))
  const ipfsNames = new Map([...ipfsPeers, ...withoutIpfs].map((peer, index) => [peer, `I${index}`]))

  return [
    'digraph cluster {',
    '/* The nodes of the connectivity graph */',
    '/* The cluster-service peers */',
    ...subgraph('min', clusterPeers.map(peer => clusterNode(graph, peer, clusterNames.get(peer) ?? ''))),
    '/* The ipfs peers */',
    ...subgraph('max', [
      ...ipfsPeers.map(peer => node(ipfsNames.get(peer) ?? '', peer, ['IPFS', shorten(peer)], 'turquoise3', 'cylinder')),
      ...withoutIpfs.map(peer => node(ipfsNames.get(peer) ?? '', peer, ['IPFS', 'Errored'], 'firebrick1', 'cylinder')),
    ]),
    '/* Edges representing active connections in the cluster */',
    '/* The connections among cluster-service peers */',
    ...clusterPeers.flatMap(peer => edges(clusterNames.get(peer), (graph.clusterLinks[peer] ?? []).map(other => clusterNames.get(other)))),
    '',
    '/* The connections between cluster peers and their ipfs daemons */',
    ...clusterPeers.flatMap(peer => ipfsEdge(graph, peer, clusterNames, ipfsNames)),
    '',
    '/* The swarm peer connections among ipfs daemons in the cluster */',
    ...ipfsPeers.flatMap(peer => edges(ipfsNames.get(peer), (ipfsLinks.get(peer) ?? []).map(other => ipfsNames.get(other)))),
    '}',
  ].join('\n')
}

/** Links between IPFS nodes of cluster peers, or to all nodes that they see. */
function linksToShow ({ ipfsLinks }: ConnectGraph, allIpfsPeers: boolean): Map<string, readonly string[]> {
  const links = new Map<string, readonly string[]>()
  for (const [peer, others] of Object.entries(ipfsLinks)) {
    links.set(peer, (others ?? []).filter(other => allIpfsPeers || Object.hasOwn(ipfsLinks, other)))
    if (!allIpfsPeers) continue
    for (const other of others ?? []) if (!links.has(other)) links.set(other, [])
  }
  return links
}

function isTrusted (graph: ConnectGraph, peer: string): boolean {
  return peer !== graph.clusterId && graph.clusterTrustLinks[peer] === true
}

function clusterNode (graph: ConnectGraph, peer: string, name: string): string {
  const isSelf = peer === graph.clusterId
  const colour = isSelf || isTrusted(graph, peer) ? 'orange' : 'darkorange3'
  return node(name, peer, [graph.idToPeername[peer] ?? '', shorten(peer)], colour, 'box3d', isSelf ? 'peripheries="2" ' : '')
}

function node (name: string, peer: string, [first, second]: readonly [string, string], colour: string, shape: string, more = ''): string {
  return `${name} [label=< <B> ${first} </B> <BR/> <B> ${second} </B> > group="${peer}" color="${colour}" style="filled" ` +
    `colorscheme="x11" fontcolor="black" fontname="Arial" shape="${shape}" ${more}]`
}

function shorten (peer: string): string { return `${peer.slice(0, 2)}*${peer.slice(-6)}` }

function subgraph (rank: string, nodes: readonly string[]): string[] {
  return ['subgraph  {', `rank="${rank}"`, ...nodes, '}', '']
}

/** Links to peers that the graph does not have are left out. */
function edges (from: string | undefined, to: ReadonlyArray<string | undefined>): string[] {
  return to.filter(name => name !== undefined).map(name => `${from} -> ${name}`)
}

function ipfsEdge (graph: ConnectGraph, peer: string, clusterNames: ReadonlyMap<string, string>, ipfsNames: ReadonlyMap<string, string>): string[] {
  const ipfs = graph.clusterToIpfs[peer]
  if (ipfs === undefined) return [`${clusterNames.get(peer)} -> ${ipfsNames.get(peer)} [ style="dotted" ]`]
  return edges(clusterNames.get(peer), [ipfsNames.get(ipfs)])
}
