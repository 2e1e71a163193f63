import type { ProtobufMessage } from '../../codec/message.ts'
import { cidKey } from '../../domain/cid.ts'
import type { Pin } from '../../domain/pin.ts'

/** Reads values of the replica as pins, each once. */
export class PinValues {
  readonly #codec: ProtobufMessage<Pin>
  readonly #read = new WeakMap<Uint8Array, Pin>()

  constructor (codec: ProtobufMessage<Pin>) { this.#codec = codec }

  /** Takes a pin that was read from these bytes already. */
  note (value: Uint8Array, pin: Pin): void { this.#read.set(value, pin) }

  /** Undefined when the bytes are no pin. */
  read (value: Uint8Array): Pin | undefined {
    const known = this.#read.get(value)
    if (known !== undefined) return known
    try {
      const pin = this.#codec.decodeProtobuf(value)
      this.#read.set(value, pin)
      return pin
    } catch {
      return undefined
    }
  }

  /** Whether the bytes are a pin of the CID that the key (with its slash) names. */
  isPinOf (key: string, value: Uint8Array): boolean {
    const pin = this.read(value)
    return pin !== undefined && keyOfPin(pin) === key
  }
}

/** The key under which a pin stands in deltas. */
export function keyOfPin ({ cid }: Pick<Pin, 'cid'>): string { return `/${cidKey(cid)}` }
