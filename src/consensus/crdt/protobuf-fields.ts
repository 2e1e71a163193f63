const empty = new Uint8Array(0)

/**
 * Walks the fields of a protobuf message; unknown ones are the visitor's to skip.
 * @param malformed makes the error that is thrown
 */
export function readFields (bytes: Uint8Array, malformed: (reason: string) => Error, visit: (field: number, value: number, part: Uint8Array) => void): void {
  let at = 0
  const varint = (): number => {
    let value = 0
    for (let i = 0; i < 8; i++) {
      const byte = bytes[at++]
      if (byte === undefined) throw malformed('cut off')
      value += (byte & 127) * 2 ** (7 * i)
      if (byte < 128) return value
    }
    throw malformed('number too large')
  }
  while (at < bytes.length) {
    const tag = varint()
    const field = Math.floor(tag / 8)
    switch (tag % 8) {
      case 0: visit(field, varint(), empty); break
      case 1: at += 8; break
      case 5: at += 4; break
      case 2: {
        const length = varint()
        if (at + length > bytes.length) throw malformed('cut off')
        visit(field, 0, bytes.subarray(at, at + length))
        at += length
        break
      }
      default: throw malformed('unknown protobuf wire type')
    }
  }
  if (at > bytes.length) throw malformed('cut off')
}

/** Writes a protobuf message. */
export class ProtobufBytes {
  #buffer = Buffer.allocUnsafe(256)
  #at = 0

  varint (value: number): void {
    this.#reserve(10)
    let rest = value
    while (rest >= 128) {
      this.#buffer[this.#at++] = (rest % 128) | 128
      rest = Math.floor(rest / 128)
    }
    this.#buffer[this.#at++] = rest
  }

  bytes (field: number, bytes: Uint8Array): void {
    this.varint((field << 3) | 2)
    this.varint(bytes.length)
    this.#reserve(bytes.length)
    this.#buffer.set(bytes, this.#at)
    this.#at += bytes.length
  }

  /** Text in ASCII. */
  text (field: number, text: string): void {
    this.varint((field << 3) | 2)
    this.varint(text.length)
    this.#reserve(text.length)
    this.#at += this.#buffer.write(text, this.#at, 'latin1')
  }

  finish (): Uint8Array {
    return Uint8Array.prototype.slice.call(this.#buffer, 0, this.#at)
  }

  #reserve (bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#at + bytes))
    this.#buffer.copy(larger, 0, 0, this.#at)
    this.#buffer = larger
  }
}
