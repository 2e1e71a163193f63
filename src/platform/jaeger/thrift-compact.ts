/* Types in the header of a field; a boolean field is its header alone. */
const booleanTrue = 1
const booleanFalse = 2
const i32 = 5
const i64 = 6
const double = 7
const binary = 8
const list = 9
const struct = 12
const stop = 0

const longForm = 15

/**
 * Writes Thrift's compact protocol (THRIFT-110, `doc/specs/thrift-compact-protocol.md` of Apache
 * Thrift): as much of it as Jaeger's messages need. Fields of a struct come in the order of their
 * numbers.
 */
export class CompactWriter {
  #bytes: Buffer
  #length = 0
  /** The last field written, of each struct that is open. */
  readonly #lastFields: number[] = []

  /** `roomBytes` is what is made at first; more is made when it is needed. */
  constructor (roomBytes = 512) { this.#bytes = Buffer.allocUnsafe(roomBytes) }

  bytes (): Uint8Array { return this.#bytes.subarray(0, this.#length) }

  /** The head of a call that gets no answer. */
  oneWayCall (name: string, sequence: number): void {
    this.#byte(0x82)
    this.#byte(0x81)
    this.#unsigned(sequence)
    this.#text(name)
  }

  beginStruct (): void { this.#lastFields.push(0) }
  endStruct (): void {
    this.#byte(stop)
    this.#lastFields.pop()
  }

  structField (field: number): void {
    this.#header(field, struct)
    this.beginStruct()
  }

  booleanField (field: number, value: boolean): void { this.#header(field, value ? booleanTrue : booleanFalse) }

  i32Field (field: number, value: number): void {
    this.#header(field, i32)
    this.#unsigned(((value << 1) ^ (value >> 31)) >>> 0)
  }

  i64Field (field: number, value: bigint): void {
    this.#header(field, i64)
    const zigzag = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n))
    let high = Number(zigzag >> 32n)
    let low = Number(zigzag & 0xffffffffn)
    while (high > 0 || low > 0x7f) {
      this.#byte((low & 0x7f) | 0x80)
      low = ((low >>> 7) | ((high & 0x7f) << 25)) >>> 0
      high >>>= 7
    }
    this.#byte(low)
  }

  doubleField (field: number, value: number): void {
    this.#header(field, double)
    this.#room(8)
    this.#length = this.#bytes.writeDoubleLE(value, this.#length)
  }

  textField (field: number, value: string): void {
    this.#header(field, binary)
    this.#text(value)
  }

  /** The head of a list of structs; each is written between {@link beginStruct} and {@link endStruct}, or put in by {@link raw}. */
  structListField (field: number, count: number): void {
    this.#header(field, list)
    if (count < longForm) {
      this.#byte((count << 4) | struct)
    } else {
      this.#byte((longForm << 4) | struct)
      this.#unsigned(count)
    }
  }

  /** Bytes that are encoded already. */
  raw (bytes: Uint8Array): void {
    this.#room(bytes.length)
    this.#bytes.set(bytes, this.#length)
    this.#length += bytes.length
  }

  #header (field: number, type: number): void {
    const last = this.#lastFields.length - 1
    const step = field - (this.#lastFields[last] as number)
    this.#lastFields[last] = field
    this.#byte((step << 4) | type)
  }

  #text (value: string): void {
    const sizeBytes = Buffer.byteLength(value)
    this.#unsigned(sizeBytes)
    this.#room(sizeBytes)
    this.#length += this.#bytes.write(value, this.#length)
  }

  #unsigned (value: number): void {
    let rest = value
    while (rest > 0x7f) {
      this.#byte((rest & 0x7f) | 0x80)
      rest >>>= 7
    }
    this.#byte(rest)
  }

  #byte (value: number): void {
    this.#room(1)
    this.#bytes[this.#length++] = value
  }

  #room (sizeBytes: number): void {
    if (this.#length + sizeBytes <= this.#bytes.length) return
    const larger = Buffer.allocUnsafe(Math.max(2 * this.#bytes.length, this.#length + sizeBytes))
    larger.set(this.bytes())
    this.#bytes = larger
  }
}
