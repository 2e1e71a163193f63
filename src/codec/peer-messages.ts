import { CID } from 'multiformats/cid'
import type { PeerLinks } from '../domain/peer.ts'
import type { RepositoryStat } from '../domain/repository.ts'
import { ClusterError, errorText } from '../domain/errors.ts'
import { compileMsgpack, type MsgpackKind } from './compile-msgpack.ts'
import { list } from './containers.ts'
import type { MsgpackValue } from './message.ts'
import { boolean, cid, integer, optional, peerId, text, unsigned } from './scalars.ts'

/*
 * What peers send each other in calls and nobody else sees (spec/wire.md 5): msgpack only.
 */

/** The method that a call is for: the first value of every call. */
export interface ServiceId { readonly service: string, readonly method: string }

/** What stands before each reply. */
export interface ReplyHeader {
  readonly serviceId: ServiceId
  /** Empty when all is well. */
  readonly error: string
  /** 0 of the method itself, 1 of the server, 2 of the client, 3 not authorised. */
  readonly errorType: number
  /** Ours: the replies of this call come in the order of `compareCids`. Others skip the key. */
  readonly isOrdered: boolean
}

/** A block on its way to the IPFS node of another peer (`NodeWithMeta`). */
export interface SentBlock {
  readonly bytes: Uint8Array
  readonly cid: CID
  /** Bytes of the block and all below it, where the sender knows them. */
  readonly size: number
}

type MsgpackFields<T> = { readonly [Name in keyof T]-?: readonly [msgpack: string, kind: MsgpackKind<T[Name]>] }

export function value<T> (name: string, fields: MsgpackFields<T>): MsgpackValue<T> {
  return compileMsgpack<T>(name, Object.entries(fields).map(([property, field]) => {
    const [msgpack, kind] = field as readonly [string, MsgpackKind<unknown>]
    return { property, msgpack, kind }
  }))
}

function nestedValue<T> (zero: T, { write, read }: MsgpackValue<T>): MsgpackKind<T> {
  return { zero, isEmpty: () => false, writeMsgpack: write, readMsgpack: read }
}

/** A value without a message around it. */
function single<T> (kind: MsgpackKind<T>): MsgpackValue<T> {
  return { write: kind.writeMsgpack, read: (reader) => reader.takeNil() ? kind.zero : kind.readMsgpack(reader) }
}

export const bytes: MsgpackKind<Uint8Array> = {
  zero: new Uint8Array(),
  isEmpty: (value) => value.length === 0,
  writeMsgpack: (writer, value) => writer.raw(value),
  readMsgpack: (reader) => reader.raw(),
}

/** Longest CID of a block, in bytes: identity hashes may carry small content. */
const maxBlockCidBytes = 1024

/** The CID as blocks carry it, without its text. */
const blockCid: MsgpackKind<CID> = {
  zero: undefined as unknown as CID,
  required: true,
  isEmpty: () => false,
  writeMsgpack: (writer, value) => writer.raw(value.bytes),
  readMsgpack (reader) {
    const raw = reader.raw()
    if (raw.length > maxBlockCidBytes) throw new ClusterError('INVALID_CID', 'invalid cid: cid too long')
    try {
      return CID.decode(raw.slice())
    } catch (error) {
      throw new ClusterError('INVALID_CID', `invalid cid: ${errorText(error)}`)
    }
  },
}

export const ServiceIdValue = value<ServiceId>('ServiceID', { service: ['Name', text], method: ['Method', text] })

export const ReplyHeaderValue = value<ReplyHeader>('Response', {
  serviceId: ['Service', nestedValue({ service: '', method: '' }, ServiceIdValue)],
  error: ['Error?', text],
  errorType: ['ErrType?', integer()],
  isOrdered: ['Ordered?', boolean],
})

export const SentBlockValue = value<SentBlock>('NodeWithMeta', { bytes: ['d?', bytes], cid: ['c?', blockCid], size: ['s?', unsigned] })

/** Room that a block needs at most besides its bytes. */
export const sentBlockOverheadBytes = maxBlockCidBytes + 64

/** The number of objects is not told to peers; 0 when read. */
export const RepositoryStatValue: MsgpackValue<RepositoryStat> = (() => {
  const sizes = value<Omit<RepositoryStat, 'numberOfObjects'>>('RepoStat', { repoSize: ['r?', unsigned], storageMax: ['s', unsigned] })
  return { write: sizes.write, read: (reader) => ({ ...sizes.read(reader), numberOfObjects: 0 }) }
})()

/** Ours. */
export const PeerLinksValue = value<PeerLinks>('PeerLinks', { peername: ['pn?', text], ipfsPeerId: ['i?', optional(peerId)], connected: ['l?', list(peerId)] })

export const PeerIdValue = single(peerId)
export const PeerIdsValue = single(list(peerId))
export const CidValue = single(cid)
export const StatusFilterValue = single(integer())

/** Nothing, where a value must stand. */
export const NothingValue: MsgpackValue<void> = {
  write: (writer) => writer.mapHeader(0),
  read: (reader) => reader.skip(),
}
