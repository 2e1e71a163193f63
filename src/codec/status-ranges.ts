import type { PeerIdentity, PinInfo } from '../domain/status.ts'
import { nullableList } from './containers.ts'
import { invalidData } from './json.ts'
import type { MsgpackValue } from './message.ts'
import { PinInfoMessage } from './messages.ts'
import { bytes, value } from './peer-messages.ts'
import { boolean, multiaddress, optional, peerId, text, unsigned } from './scalars.ts'

/** A part of the pinset as the asking peer has it: from behind the part before up to `last`. */
export interface StatusRange {
  /** The `cidKey` of its last CID; empty: all that is left. */
  readonly last: string
  /** Of the pins as they are stored; empty where it is not known. */
  readonly digest: Uint8Array
}

/** What stands before the statuses of a range. */
export interface RangeStart extends PeerIdentity {
  /** The answering peer has the same pins. Only those follow whose status is not the expected one; otherwise all. */
  readonly isEqual: boolean
  /** How many follow when it is equal. */
  readonly unexpected: number
}

/** It is told again with each status that is filled in: what takes a few hundred bytes must not come as a mebibyte. */
const maxStartBytes = 64 * 1024

export type RangeReply = RangeStart | PinInfo

export function isRangeStart (reply: RangeReply): reply is RangeStart { return 'isEqual' in reply }

export const StatusRangeValue = value<StatusRange>('StatusRange', { last: ['l?', text], digest: ['d?', bytes] })

const RangeStartValue = value<RangeStart>('RangeStart', {
  isEqual: ['e?', boolean],
  unexpected: ['u?', unsigned],
  peername: ['pn?', text],
  ipfsPeerId: ['ip?', optional(peerId)],
  ipfsPeerAddresses: ['ipa?', nullableList(multiaddress)],
})

/** A start is wrapped in an array, which tells it from a status. */
export const RangeReplyValue: MsgpackValue<RangeReply> = {
  write (writer, reply) {
    if (!isRangeStart(reply)) return PinInfoMessage.write(writer, reply)
    writer.arrayHeader(1)
    RangeStartValue.write(writer, reply)
  },
  read (reader) {
    if (reader.isMapNext) return PinInfoMessage.read(reader)
    if (reader.enterArray() !== 1) throw invalidData('neither a status nor the start of a range')
    const from = reader.at
    const start = RangeStartValue.read(reader)
    reader.leave()
    if (reader.at - from > maxStartBytes) throw invalidData(`the start of a range has more than ${maxStartBytes} bytes`)
    return start
  },
}
