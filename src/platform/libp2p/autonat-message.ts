import { ProtobufReader, ProtobufWriter } from '../../codec/protobuf.ts'
import { multiaddressFromBytes, multiaddressToBytes } from '../../domain/multiaddress.ts'
import type { Multiaddress, PeerId } from '../../domain/peer.ts'
import { peerIdFromBytes, peerIdToBytes } from '../../domain/peer-id.ts'

/** AutoNAT 1 (libp2p specs, autonat/autonat-v1.md): peers ask others to dial them, to learn whether they can be reached. */
export const autonatProtocol = '/libp2p/autonat/1.0.0'
/** As the reference: a message with more is not read. */
export const maxMessageBytes = 4_096
/** More addresses of a request are not read. */
const maxAddresses = 16

/** How a dial that was asked for went. Others than these stand for no news. */
export const dialStatus = { ok: 0, dialError: 100, refused: 101, badRequest: 200, internalError: 300 } as const

/** "Dial me": the peer that asks and where it may be found. */
export interface DialRequest { readonly peer: PeerId | undefined, readonly addresses: readonly Multiaddress[] }

export interface DialAnswer {
  readonly status: number
  readonly text: string
  /** The address that was reached. */
  readonly address: Multiaddress | undefined
}

export function encodeRequest ({ peer, addresses }: DialRequest): Uint8Array {
  const writer = new ProtobufWriter()
  number(writer, 1, 0)
  part(writer, 2, () => {
    part(writer, 1, () => {
      if (peer !== undefined) bytes(writer, 1, peerIdToBytes(peer))
      for (const address of addresses.slice(0, maxAddresses)) bytes(writer, 2, multiaddressToBytes(address))
    })
  })
  return writer.finish()
}

export function encodeAnswer ({ status, text, address }: DialAnswer): Uint8Array {
  const writer = new ProtobufWriter()
  number(writer, 1, 1)
  part(writer, 3, () => {
    number(writer, 1, status)
    if (text !== '') bytes(writer, 2, Buffer.from(text))
    if (address !== undefined) bytes(writer, 3, multiaddressToBytes(address))
  })
  return writer.finish()
}

/** Undefined when the message is none. @throws ClusterError `INVALID_WIRE_DATA`, `INVALID_PEER_ID` */
export function decodeRequest (message: Uint8Array): DialRequest | undefined {
  const dial = lastPart(message, 2)
  const peer = dial && lastPart(dial, 1)
  if (peer === undefined) return undefined
  const id = lastPart(peer, 1)
  const addresses: Multiaddress[] = []
  eachField(peer, (field, reader, wireType) => {
    if (field !== 2 || wireType !== 2 || addresses.length >= maxAddresses) return reader.skip(wireType)
    const address = addressOf(reader.view())
    if (address !== undefined) addresses.push(address)
  })
  return { peer: id && peerIdFromBytes(id), addresses }
}

/** Undefined when the message is none. @throws ClusterError `INVALID_WIRE_DATA` */
export function decodeAnswer (message: Uint8Array): DialAnswer | undefined {
  const answer = lastPart(message, 3)
  if (answer === undefined) return undefined
  let status: number = dialStatus.ok
  let text = ''
  let address: Multiaddress | undefined
  eachField(answer, (field, reader, wireType) => {
    if (field === 1 && wireType === 0) status = reader.varint()
    else if (field === 2 && wireType === 2) text = reader.text()
    else if (field === 3 && wireType === 2) address = addressOf(reader.view())
    else reader.skip(wireType)
  })
  return { status, text, address }
}

/** The last one counts, as everywhere in protobuf. */
function lastPart (message: Uint8Array, wanted: number): Uint8Array | undefined {
  let found: Uint8Array | undefined
  eachField(message, (field, reader, wireType) => {
    if (field === wanted && wireType === 2) found = reader.view()
    else reader.skip(wireType)
  })
  return found
}

function eachField (message: Uint8Array, read: (field: number, reader: ProtobufReader, wireType: number) => void): void {
  const reader = new ProtobufReader(message)
  while (reader.at < reader.end) {
    const tag = reader.varint()
    read(Math.floor(tag / 8), reader, tag % 8)
  }
}

/** Kinds of addresses that we do not know are left out. */
function addressOf (view: Uint8Array): Multiaddress | undefined {
  try {
    return multiaddressFromBytes(view)
  } catch {
    return undefined
  }
}

function number (writer: ProtobufWriter, field: number, value: number): void {
  writer.varint(field << 3)
  writer.varint(value)
}

function bytes (writer: ProtobufWriter, field: number, value: Uint8Array): void {
  writer.varint(field << 3 | 2)
  writer.raw(value)
}

function part (writer: ProtobufWriter, field: number, write: () => void): void {
  writer.varint(field << 3 | 2)
  writer.nested(write)
}
