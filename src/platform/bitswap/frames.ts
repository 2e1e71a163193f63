import { ClusterError } from '../../domain/errors.ts'
import type { Hold } from './partial-messages.ts'

/** The bytes with their length before them, as a varint. */
export function frame (bytes: Uint8Array): Uint8Array {
  const prefix: number[] = []
  let rest = bytes.length
  for (; rest >= 0x80; rest >>>= 7) prefix.push((rest & 0x7f) | 0x80)
  prefix.push(rest)
  const framed = new Uint8Array(prefix.length + bytes.length)
  framed.set(prefix)
  framed.set(bytes, prefix.length)
  return framed
}

/** Room for the beginning of a frame that comes in parts; it grows with what has come, not with what is claimed. */
const firstRoomBytes = 16 * 1024

/**
 * Cuts a stream into what {@link frame} has put together. No more than one frame, twice at most,
 * and one piece of the stream is held, into however many pieces it was cut; `hold` is told of large ones.
 * @throws ClusterError `INVALID_WIRE_DATA` for a frame above `maxBytes` or an end in the midst of one; what `hold` throws
 */
export async function * readFrames (pieces: AsyncIterable<Uint8Array>, maxBytes: number, hold?: Hold): AsyncGenerator<Uint8Array> {
  let length: number | undefined
  let shift = 1
  let partial = 0
  let collected = new Uint8Array()
  let have = 0
  for await (const piece of pieces) {
    for (let at = 0; at < piece.length;) {
      if (length === undefined) {
        const byte = piece[at++] as number
        partial += (byte & 0x7f) * shift
        shift *= 128
        if (partial > maxBytes) throw new ClusterError('INVALID_WIRE_DATA', `a message has more than ${maxBytes} bytes`)
        if (byte >= 0x80) {
          if (shift > 2 ** 35) throw new ClusterError('INVALID_WIRE_DATA', 'the length of a message is malformed')
          continue
        }
        length = partial
        if (length > 0) continue
      }
      const part = piece.subarray(at, at + length - have)
      at += part.length
      if (part.length < length) {
        if (collected.length - have < part.length) {
          const room = Math.min(length, Math.max(firstRoomBytes, 2 * (have + part.length)))
          if (room > firstRoomBytes) hold?.(room)
          collected = grown(collected.subarray(0, have), room)
        }
        collected.set(part, have)
      }
      have += part.length
      if (have < length) continue
      if (collected.length > firstRoomBytes) hold?.(0)
      yield part.length === length ? part : collected.subarray(0, length)
      collected = new Uint8Array()
      have = 0
      length = undefined
      partial = 0
      shift = 1
    }
  }
  if (length !== undefined || shift > 1) throw new ClusterError('INVALID_WIRE_DATA', 'a message is cut off')
}

function grown (bytes: Uint8Array, room: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(room)
  larger.set(bytes)
  return larger
}
