/** A struct of Thrift: values by field number. */
export type ThriftStruct = ReadonlyMap<number, ThriftValue>
export type ThriftValue = boolean | number | bigint | string | readonly ThriftValue[] | ThriftStruct

export interface Call { readonly name: string, readonly kind: number, readonly arguments: ThriftStruct }

/** Reads a call in Thrift's compact protocol, whatever it is about. */
export function readCall (packet: Uint8Array): Call {
  const bytes = Buffer.from(packet)
  let at = 0
  const byte = (): number => bytes.readUInt8(at++)
  const varint = (): bigint => {
    for (let value = 0n, shift = 0n; ; shift += 7n) {
      const next = BigInt(byte())
      value |= (next & 0x7fn) << shift
      if (next < 0x80n) return value
    }
  }
  const zigzag = (): bigint => {
    const value = varint()
    return (value >> 1n) ^ -(value & 1n)
  }
  const text = (): string => {
    const length = Number(varint())
    at += length
    if (at > bytes.length) throw new Error('the packet is too short')
    return bytes.toString('utf8', at - length, at)
  }
  const value = (type: number): ThriftValue => {
    switch (type) {
      case 1: return true
      case 2: return false
      case 5: return Number(zigzag())
      case 6: return zigzag()
      case 7: return bytes.readDoubleLE((at += 8) - 8)
      case 8: return text()
      case 9: {
        const head = byte()
        const count = head >> 4 === 15 ? Number(varint()) : head >> 4
        return Array.from({ length: count }, () => value(head & 15))
      }
      case 12: return struct()
      default: throw new Error(`type ${type} at ${at}`)
    }
  }
  const struct = (): ThriftStruct => {
    const fields = new Map<number, ThriftValue>()
    for (let field = 0; ;) {
      const head = byte()
      if (head === 0) return fields
      field = head >> 4 === 0 ? Number(zigzag()) : field + (head >> 4)
      fields.set(field, value(head & 15))
    }
  }
  const protocol = byte()
  if (protocol !== 0x82) throw new Error(`protocol ${protocol}`)
  const kind = byte() >> 5
  varint()
  const call = { name: text(), kind, arguments: struct() }
  if (at !== bytes.length) throw new Error('bytes are left')
  return call
}

export interface ReadSpan {
  readonly traceId: string
  readonly spanId: bigint
  readonly parentSpanId: bigint
  readonly name: string
  readonly startedAtMicroseconds: bigint
  readonly durationMicroseconds: bigint
  readonly attributes: Readonly<Record<string, ThriftValue>>
}

export interface ReadBatch {
  readonly service: string
  readonly attributes: Readonly<Record<string, ThriftValue>>
  readonly spans: readonly ReadSpan[]
}

/** Reads what a Jaeger agent is sent. */
export function readBatch (packet: Uint8Array): ReadBatch {
  const call = readCall(packet)
  if (call.name !== 'emitBatch' || call.kind !== 4) throw new Error(`call ${call.name} of kind ${call.kind}`)
  const batch = call.arguments.get(1) as ThriftStruct
  const process = batch.get(1) as ThriftStruct
  return {
    service: process.get(1) as string,
    attributes: attributesOf(process.get(2)),
    spans: (batch.get(2) as ThriftStruct[]).map(span => ({
      traceId: `${hex(span.get(2))}${hex(span.get(1))}`,
      spanId: span.get(3) as bigint,
      parentSpanId: span.get(4) as bigint,
      name: span.get(5) as string,
      startedAtMicroseconds: span.get(8) as bigint,
      durationMicroseconds: span.get(9) as bigint,
      attributes: attributesOf(span.get(10)),
    })),
  }
}

function hex (value: ThriftValue | undefined): string {
  return BigInt.asUintN(64, value as bigint).toString(16).padStart(16, '0')
}

function attributesOf (tags: ThriftValue | undefined): Record<string, ThriftValue> {
  return Object.fromEntries(((tags ?? []) as ThriftStruct[]).map(tag => {
    const value = [3, 4, 5, 6].map(field => tag.get(field)).find(found => found !== undefined)
    return [tag.get(1) as string, value as ThriftValue]
  }))
}
