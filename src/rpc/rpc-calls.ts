import { ClusterError } from '../domain/errors.ts'
import type { SentBlock } from '../codec/peer-messages.ts'
import type { Block } from '../ipfs/connector.ts'
import type { CallOptions, Platform } from '../platform/lifecycle.ts'
import type { Network } from '../platform/network.ts'
import type { PeerId, PeerInformation, PeerLinks } from '../domain/peer.ts'
import { callsProtocol } from './channel-frames.ts'
import { RpcClient } from './client.ts'
import { methods } from './methods.ts'
import type { PeerCalls } from './peer-calls.ts'

/** Most members that a peer may list: far above the largest cluster. */
const maxMembers = 10_000
/** Characters of names and errors of all of them together. */
const maxMembersText = 4 * 1024 * 1024
/** Multihash code of the function that keeps the content itself. */
const identityHash = 0x00

/** {@link PeerCalls} over the network, wire-compatible with the reference (spec/wire.md 5). */
export function rpcCalls ({ network, platform }: { readonly network: Network, readonly platform: Platform }): PeerCalls {
  const client = new RpcClient(network, platform)
  return {
    id: (peer, options) => client.unary(methods.id, peer, undefined, options),
    addPeer: (peer, added, options) => client.unary(methods.addPeer, peer, added, options),
    status: (peer, cid, options) => client.unary(methods.status, peer, cid, options),
    statusAll: (peer, filter, options) => client.stream(methods.statusAll, peer, [filter], options),
    answersRanges: peer => network.speaks(peer, callsProtocol),
    statusRanges: (peer, ranges, options) => client.stream(methods.statusRanges, peer, ranges, options),
    recover: (peer, cid, options) => client.unary(methods.recover, peer, cid, options),
    async * recoverAll (peer, options) {
      for await (const batch of client.stream(methods.recoverAll, peer, [], options)) yield * batch
    },
    collectGarbage: (peer, options) => client.unary(methods.collectGarbage, peer, undefined, options),
    swarmPeers: async (peer, options) => [...await client.unary(methods.swarmPeers, peer, undefined, options)],
    members: (peer, options) => members(client, peer, options),
    links: (peer, options) => links(client, network, peer, options),
    putBlocks: (peer, blocks, options) => putBlocks(client, network, peer, blocks, options),
    version: async (peer, options) => (await client.unary(methods.version, peer, undefined, options)).version,
    removePeer: (peer, removed, options) => client.unary(methods.removePeer, peer, removed, options),
    repositoryStat: (peer, options) => client.unary(methods.repositoryStat, peer, undefined, options),
    logPin: (peer, pin, options) => client.unary(methods.logPin, peer, pin, options),
    logUnpin: (peer, pin, options) => client.unary(methods.logUnpin, peer, pin, options),
  }
}

async function members (client: RpcClient, peer: PeerId, options: CallOptions): Promise<PeerInformation[]> {
  const found: PeerInformation[] = []
  let text = 0
  for await (const batch of client.stream(methods.members, peer, [], options)) {
    for (const member of batch) {
      found.push(withoutAddresses(member))
      text += member.peername.length + member.error.length + member.ipfs.error.length
    }
    if (found.length > maxMembers) throw new ClusterError('TOO_LARGE', `peer ${peer} lists more than ${maxMembers} members`)
    if (text > maxMembersText) throw new ClusterError('TOO_LARGE', `peer ${peer} has more to say of its members than anybody has`)
  }
  return found
}

/** Those that do not know the question ask all their members: of n peers, n² in all. */
async function links (client: RpcClient, network: Network, peer: PeerId, options: CallOptions): Promise<PeerLinks> {
  if (network.speaks(peer, callsProtocol)) {
    try {
      return await client.unary(methods.links, peer, undefined, options)
    } catch (error) {
      if (!(error instanceof ClusterError) || error.code !== 'UNSUPPORTED') throw error
    }
  }
  const answering = (await members(client, peer, options)).filter(member => member.error === '')
  const itself = answering.find(member => member.id === peer)
  return {
    peername: itself?.peername ?? '',
    ipfsPeerId: itself?.ipfs.error === '' ? itself.ipfs.id : undefined,
    connected: answering.filter(member => member !== itself).map(({ id }) => id),
  }
}

/** Of n members each tells of n others: nobody needs all that. */
function withoutAddresses (member: PeerInformation): PeerInformation {
  return { ...member, version: '', commit: '', addresses: null, clusterPeers: null, clusterPeersAddresses: null, ipfs: { ...member.ipfs, addresses: null } }
}

/**
 * The reference stores all blocks of a stream by the hash function of the first: there each function
 * gets a stream of its own, and what stands in its CID as a whole is not sent. Our peers take any.
 */
async function putBlocks (client: RpcClient, network: Network, peer: PeerId, blocks: AsyncIterable<Block>, options: CallOptions): Promise<void> {
  const iterator = blocks[Symbol.asyncIterator]()
  const takesAnyHash = network.speaks(peer, callsProtocol)
  let isEnded = true
  let next = await following()

  async function following (): Promise<IteratorResult<Block>> {
    for (;;) {
      const result = await iterator.next()
      if (takesAnyHash || result.done === true || result.value.cid.multihash.code !== identityHash) return result
      result.value.release?.()
    }
  }

  async function * ofOneHash (first: Block): AsyncGenerator<SentBlock> {
    try {
      for (let block = first; ;) {
        yield { cid: block.cid, bytes: block.bytes, size: block.bytes.length }
        // Whoever asks for the next has written this one.
        block.release?.()
        next = await following()
        if (next.done === true || !(takesAnyHash || hasSameHash(next.value, first))) break
        block = next.value
      }
      isEnded = true
    } finally {
      if (!isEnded) await iterator.return?.()
    }
  }

  // The reference takes a stream without blocks for an error.
  while (next.done !== true && isEnded) {
    isEnded = false
    for await (const _ of client.stream(methods.putBlocks, peer, ofOneHash(next.value), options)) {
      // Nothing is sent back but the end.
    }
  }
}

function hasSameHash (a: Block, b: Block): boolean {
  return a.cid.multihash.code === b.cid.multihash.code && a.cid.multihash.size === b.cid.multihash.size
}
