import { CID } from 'multiformats/cid'
import { ClusterError } from '../../domain/errors.ts'
import { deltaCid } from './delta.ts'
import { readFields, ProtobufBytes } from './protobuf-fields.ts'

/** Bytes of a message that is read: the limit of gossip messages in the Go program. */
export const maxMessageBytes = 1024 * 1024
const headsField = 1
const cidField = 1
/**
 * The block of the head itself. Within a head, because the Go program takes unknown fields of the
 * message for its old form, and skips those of a head; high, to stay clear of its later fields.
 */
const blockField = 1_019

/** A head that a peer tells of. */
export interface AnnouncedHead {
  readonly cid: CID
  /** Its block, when the sender put it in. Not verified. */
  readonly block: Uint8Array | undefined
}

/** The message that tells of heads (spec/wire.md 6.3). */
export function encodeBroadcast (heads: readonly AnnouncedHead[]): Uint8Array {
  const message = new ProtobufBytes()
  for (const { cid, block } of heads) {
    const head = new ProtobufBytes()
    head.bytes(cidField, cid.bytes)
    if (block !== undefined) head.bytes(blockField, block)
    message.bytes(headsField, head.finish())
  }
  return message.finish()
}

/**
 * Reads a message that tells of heads; also the old form, a bare CID. CIDs that cannot be those
 * of delta nodes are left out.
 * @throws ClusterError `INVALID_WIRE_DATA`
 */
export function decodeBroadcast (bytes: Uint8Array): AnnouncedHead[] {
  if (bytes.length > maxMessageBytes) throw malformed(`${bytes.length} bytes, at most ${maxMessageBytes} are taken`)
  const bare = bareCid(bytes)
  if (bare !== undefined) return [{ cid: bare, block: undefined }]
  const heads: AnnouncedHead[] = []
  readFields(bytes, malformed, (field, _, part) => {
    if (field !== headsField) return
    const head = decodeHead(part)
    if (head !== undefined) heads.push(head)
  })
  return heads
}

function decodeHead (bytes: Uint8Array): AnnouncedHead | undefined {
  let cid: CID | undefined
  let block: Uint8Array | undefined
  readFields(bytes, malformed, (field, _, part) => {
    if (field === cidField) cid = readCid(part)
    // A copy: the message would be kept in memory as long as any of its blocks.
    else if (field === blockField) block = part.slice()
  })
  return cid && { cid, block }
}

/** Only a CID of version 0 or 1 fills the whole message: no field of the present form begins so. */
function bareCid (bytes: Uint8Array): CID | undefined {
  const isBare = (bytes[0] === 0x12 && bytes[1] === 0x20 && bytes.length === 34) || (bytes[0] === 0x01 && bytes.length === 36)
  return isBare ? readCid(bytes) : undefined
}

function readCid (bytes: Uint8Array): CID | undefined {
  try {
    return deltaCid(CID.decode(bytes))
  } catch {
    return undefined
  }
}

function malformed (reason: string): ClusterError {
  return new ClusterError('INVALID_WIRE_DATA', `malformed message about heads: ${reason}`)
}
