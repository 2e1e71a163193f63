import { expectedStatus, TrackerStatus, type GlobalPinInfo, type PeerPinStatus, type StatusTeller } from '../domain/status.ts'
import { sortedKeys } from './containers.ts'
import { GlobalPinInfoMessage, PeerPinStatusMessage, PinMessage } from './messages.ts'
import { peerIdJson } from './peer-id-cache.ts'
import { roomForPinJson } from './pin-json.ts'
import { StoredPinScan } from './stored-pin-scan.ts'
import { copy, copyText, segment, writeAllocations, writeCid, writeMetadata, writeText, writeTime } from './stored-pin-text.ts'
import { zeroTimeText } from './time.ts'

/** Bytes of lines that are handed on together. */
const pieceBytes = 128 * 1024
/** The timestamp of a status. */
const timeBytes = zeroTimeText.length

/** A peer with what stands before the time of its status; of all peers but the first with the end of the status before. */
interface WrittenTeller {
  readonly peer: StatusTeller['peer']
  /** As it stands among the allocations. */
  readonly json: Uint8Array
  readonly pinned: Uint8Array
  readonly remote: Uint8Array
  readonly sharded: Uint8Array
}

/**
 * Writes the statuses of pins on all peers where each says what the pinset lets expect, straight
 * from the stored pins: a line of JSON each, equal to what `GlobalPinInfoMessage` makes of them.
 */
export class ExpectedStatusLines {
  readonly #tellers: readonly StatusTeller[]
  readonly #written: readonly WrittenTeller[]
  readonly #end: Uint8Array
  /** What all statuses of a line take at most. */
  readonly #room: number
  readonly #scan = new StoredPinScan()

  constructor (tellers: readonly StatusTeller[]) {
    this.#tellers = tellers
    const byPeer = new Map(tellers.map(teller => [teller.peer as string, teller]))
    let before = ''
    this.#written = sortedKeys(Object.fromEntries(byPeer)).map(peer => {
      const teller = byPeer.get(peer) as StatusTeller
      const start = (status: TrackerStatus): Uint8Array => segment(`${before}"${peer}":${aroundTime(teller, status)[0]}`)
      const written = { peer: teller.peer, json: peerIdJson(teller.peer), pinned: start(TrackerStatus.pinned), remote: start(TrackerStatus.remote), sharded: start(TrackerStatus.sharded) }
      before = `${aroundTime(teller, TrackerStatus.pinned)[1]},`
      return written
    })
    this.#end = segment(`${before.slice(0, -1)}}}\n`)
    this.#room = this.#written.reduce((sum, { sharded }) => sum + sharded.length + timeBytes, this.#end.length)
  }

  /** The lines of these pins, in pieces. @throws ClusterError `INVALID_WIRE_DATA` for what is no pin */
  * lines (values: Iterable<Uint8Array>): Generator<Uint8Array> {
    let piece = new Uint8Array()
    let at = 0
    for (const value of values) {
      const room = roomForPinJson(value) + this.#room
      if (room > piece.length - at) {
        if (at > 0) yield piece.subarray(0, at)
        piece = Buffer.allocUnsafeSlow(Math.max(pieceBytes, room))
        at = 0
      }
      at = this.#write(value, piece, at)
    }
    if (at > 0) yield piece.subarray(0, at)
  }

  #write (value: Uint8Array, target: Uint8Array, at: number): number {
    const scan = this.#scan
    if (!scan.read(value)) return writeText(`${this.#slowly(value)}\n`, target, at)
    at = writeCid(scan, value, target, copy(cidSegment, target, at))
    at = copyText(value, scan.nameStart, scan.nameEnd, target, copy(nameSegment, target, at))
    at = writeAllocations(scan, target, copy(allocationsSegment, target, at))
    const timeAt = copy(createdSegment, target, at)
    at = writeTime(scan.timestampSeconds, target, timeAt)
    at = writeMetadata(scan, value, target, copy(metadataSegment, target, at))
    at = copy(peersSegment, target, at)
    for (const teller of this.#written) {
      at = copy(this.#startOf(teller), target, at)
      target.copyWithin(at, timeAt, timeAt + timeBytes)
      at += timeBytes
    }
    return copy(this.#end, target, at)
  }

  #startOf ({ json, pinned, remote, sharded }: WrittenTeller): Uint8Array {
    const status = this.#scan.expectedStatus(json)
    return status === TrackerStatus.pinned ? pinned : status === TrackerStatus.remote ? remote : sharded
  }

  #slowly (value: Uint8Array): string {
    const pin = PinMessage.decodeProtobuf(value)
    const { cid, name, allocations, origins, timestamp, metadata } = pin
    const peerMap = Object.fromEntries(this.#tellers.map(teller => [teller.peer, statusOf(teller, expectedStatus(pin, teller.peer), timestamp)]))
    return GlobalPinInfoMessage.encodeJson({ cid, name, allocations, origins, created: timestamp, metadata, peerMap } satisfies GlobalPinInfo)
  }
}

const cidSegment = segment('{"cid":"')
const nameSegment = segment('","name":"')
const allocationsSegment = segment('","allocations":[')
const createdSegment = segment('],"origins":[],"created":"')
const metadataSegment = segment('","metadata":')
const peersSegment = segment(',"peer_map":{')

function statusOf ({ peername, ipfsPeerId, ipfsPeerAddresses }: StatusTeller, status: TrackerStatus, timestamp: number): PeerPinStatus {
  return { peername, ipfsPeerId, ipfsPeerAddresses, status, timestamp, error: '', attemptCount: 0, priorityPin: false }
}

/** The JSON of a status, cut where its time stands; what follows that is the same of all. */
function aroundTime (teller: StatusTeller, status: TrackerStatus): readonly [string, string] {
  const json = PeerPinStatusMessage.encodeJson(statusOf(teller, status, 0))
  const at = json.lastIndexOf(zeroTimeText)
  return [json.slice(0, at), json.slice(at + timeBytes)]
}
