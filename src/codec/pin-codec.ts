import type { Pin } from '../domain/pin.ts'
import type { ProtobufMessage } from './message.ts'

/** What is particular to a stored pin: its mode is not stored, it follows from the depth (spec/wire.md 6.5). */
export function pinCodec<M extends ProtobufMessage<Pin>> (schema: M): M {
  return {
    ...schema,
    decodeProtobuf (bytes) {
      const pin = schema.decodeProtobuf(bytes) as { -readonly [Name in keyof Pin]: Pin[Name] }
      pin.mode = pin.maxDepth === 0 ? 'direct' : 'recursive'
      return pin
    },
  }
}
