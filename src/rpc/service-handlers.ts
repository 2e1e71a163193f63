import type { SentBlock } from '../codec/peer-messages.ts'
import type { PeerId } from '../domain/peer.ts'
import type { Block } from '../ipfs/connector.ts'
import type { CallOptions } from '../platform/lifecycle.ts'
import { free } from '../platform/spent-memory.ts'
import type { MethodName, methods, StreamMethod, UnaryMethod } from './methods.ts'
import type { PeerService } from './peer-service.ts'

export interface HandlerOptions extends CallOptions {
  readonly caller: PeerId
  readonly signal: AbortSignal
}

type UnaryHandler<Request, Reply> = (request: Request, options: HandlerOptions) => Promise<Reply>
/** Replies come in batches: what is at hand goes out together. */
type StreamHandler<Request, Reply> = (requests: AsyncIterable<Request>, options: HandlerOptions) => AsyncIterable<readonly Reply[]>

export type Handlers = {
  readonly [Name in MethodName]: (typeof methods)[Name] extends UnaryMethod<infer Request, infer Reply> ? UnaryHandler<Request, Reply>
    : (typeof methods)[Name] extends StreamMethod<infer Request, infer Reply> ? StreamHandler<Request, Reply> : never
}

/** What answers each method of the table. */
export function handlersOf (service: PeerService): Handlers {
  return {
    id: (_, options) => service.id(options),
    async * idStream (_, options) { yield [await service.id(options)] },
    version: async () => ({ version: service.version() }),
    addPeer: (peer, options) => service.addPeer(peer, options),
    members: (_, options) => oneByOne(service.members(options)),
    links: (_, options) => service.links(options),
    removePeer: (peer, options) => service.removePeer(peer, options),
    recoverAll: (_, options) => oneByOne(service.recoverAll(options)),
    recoverLocal: (cid, options) => service.recover(cid, options),
    collectGarbage: (_, options) => service.collectGarbage(options),
    status: (cid, options) => service.status(cid, options),
    recover: (cid, options) => service.recover(cid, options),
    async * statusAll (filters, options) {
      // Without a filter all are meant, as with a filter of 0.
      for await (const filter of filters) return yield * service.statusAll(filter, options)
      yield * service.statusAll(0, options)
    },
    statusRanges: (ranges, options) => service.statusRanges(ranges, options),
    async * putBlocks (blocks, options) { await service.putBlocks(lent(blocks), options) },
    repositoryStat: (_, options) => service.repositoryStat(options),
    swarmPeers: (_, options) => service.swarmPeers(options),
    addMember: async (peer, options) => { await service.addPeer(peer, options) },
    removeMember: (peer, options) => service.removePeer(peer, options),
    logPin: (pin, options) => service.logPin(pin, options),
    logUnpin: (pin, options) => service.logUnpin(pin, options),
  }
}

/** Blocks whose memory is free when the IPFS node has taken them. */
async function * lent (blocks: AsyncIterable<SentBlock>): AsyncGenerator<Block> {
  for await (const { cid, bytes } of blocks) yield { cid, bytes, release: () => { free(bytes) } }
}

async function * oneByOne<T> (values: AsyncIterable<T>): AsyncGenerator<T[]> {
  for await (const value of values) yield [value]
}
