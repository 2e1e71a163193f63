import { ClusterError } from '../../domain/errors.ts'
import { readVarint } from './cid-parts.ts'

/** One field of a protobuf message: a number, or the bytes of anything with a length. */
export type ProtobufField = { readonly number: number, readonly value: number, readonly bytes: undefined } | { readonly number: number, readonly value: undefined, readonly bytes: Uint8Array }

/** Of a number of 64 bits: sizes of datasets, times before 1970. */
export const maxVarintBytes = 10

/**
 * The fields of a protobuf message in their order (https://protobuf.dev/programming-guides/encoding).
 * Only what dag-pb and UnixFS use: varints, and fields with a length.
 * @throws ClusterError `IPFS_ANSWER` when the bytes are no such message
 */
export function * protobufFields (message: Uint8Array): Generator<ProtobufField> {
  let at = 0
  while (at < message.length) {
    const tag = readVarint(message, at)
    if (tag === undefined) throw malformed()
    const number = Math.floor(tag.value / 8)
    const content = readVarint(message, tag.next, maxVarintBytes)
    if (content === undefined) throw malformed()
    at = content.next
    switch (tag.value % 8) {
      case 0:
        yield { number, value: content.value, bytes: undefined }
        break
      case 2:
        if (at + content.value > message.length) throw malformed()
        yield { number, value: undefined, bytes: message.subarray(at, at += content.value) }
        break
      default:
        throw malformed()
    }
  }
}

function malformed (): ClusterError { return new ClusterError('IPFS_ANSWER', 'the block is no well-formed protobuf message') }
