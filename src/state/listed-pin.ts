import type { ProtobufMessage } from '../codec/message.ts'
import { peerIdJson } from '../codec/peer-id-cache.ts'
import { StoredPinScan } from '../codec/stored-pin-scan.ts'
import { cidFromKey, type Cid } from '../domain/cid.ts'
import type { PeerId } from '../domain/peer.ts'
import type { Pin } from '../domain/pin.ts'
import { expectedStatus, type TrackerStatus } from '../domain/status.ts'
import type { StoreEntry } from '../platform/store.ts'
import type { ListedPin } from './state-store.ts'

/** A pin whose bytes are not known. */
export function listedPin (pin: Pin): ListedPin {
  return { cid: pin.cid, pin, value: undefined, expectedStatus: peer => expectedStatus(pin, peer) }
}

const scan = new StoredPinScan()

/** A pin of the store, which is decoded only when it is asked for: most that is listed needs less. */
export class PinOfStore implements ListedPin {
  readonly #entry: StoreEntry
  readonly #codec: ProtobufMessage<Pin>
  #pin: Pin | undefined

  /** @param entry with the CID's key alone */
  constructor (entry: StoreEntry, codec: ProtobufMessage<Pin>) {
    this.#entry = entry
    this.#codec = codec
  }

  get cid (): Cid { return cidFromKey(this.#entry.key) ?? this.pin.cid }
  get value (): Uint8Array { return this.#entry.value }
  get pin (): Pin { return this.#pin ??= this.#codec.decodeProtobuf(this.#entry.value) }

  expectedStatus (peer: PeerId): TrackerStatus {
    return scan.read(this.#entry.value) ? scan.expectedStatus(peerIdJson(peer)) : expectedStatus(this.pin, peer)
  }
}
