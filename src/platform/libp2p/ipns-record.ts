import { decode as decodeCbor } from '@ipld/dag-cbor'
import { publicKeyFromMultihash, publicKeyFromProtobuf } from '@libp2p/crypto/keys'
import type { PublicKey } from '@libp2p/interface'
import * as Digest from 'multiformats/hashes/digest'
import { ProtobufReader } from '../../codec/protobuf.ts'
import { ClusterError } from '../../domain/errors.ts'

/** Of the specification (specs.ipfs.tech/ipns/ipns-record). */
const maxRecordBytes = 10 * 1024
const keyPrefix = Buffer.from('/ipns/')
const signedPrefix = Buffer.from('ipns-signature:')
const endOfLife = 0

interface IpnsRecord {
  readonly value: Uint8Array
  readonly validityType: number
  readonly validity: Uint8Array
  readonly sequence: number
  readonly ttl: number
  readonly hasFirstSignature: boolean
  readonly publicKey: Uint8Array | undefined
  readonly signature: Uint8Array
  /** What is signed: the fields above once more, as DAG-CBOR. */
  readonly data: Uint8Array
}

interface SignedFields { readonly value: Uint8Array, readonly validityType: number, readonly validity: Uint8Array, readonly sequence: number, readonly ttl: number }

/**
 * Checks a record of the DHT that says where a name leads to, as the reference's peers do.
 * @throws ClusterError `INVALID_WIRE_DATA`, or what the readers of its parts throw
 */
export async function validateIpnsRecord (key: Uint8Array, record: Uint8Array, now: number): Promise<void> {
  if (Buffer.compare(key.subarray(0, keyPrefix.length), keyPrefix) !== 0) throw refused('the key is no name')
  if (record.length > maxRecordBytes) throw refused('too large')
  const entry = readRecord(record)
  if (entry.signature.length === 0 || entry.data.length === 0) throw refused('not signed')
  const signed = readSigned(entry.data)
  const publicKey = keyOf(key.subarray(keyPrefix.length), entry)
  if (!await publicKey.verify(Buffer.concat([signedPrefix, entry.data]), entry.signature)) throw refused('the signature does not match')
  if ((entry.hasFirstSignature || entry.value.length > 0) && !isSame(entry, signed)) throw refused('what is signed is something else')
  if (signed.validityType !== endOfLife || !(endOf(signed) >= now)) throw refused('expired')
}

/** The place of the best of some valid records: the latest, the one that lasts longest, and then the greater bytes. */
export function selectIpnsRecord (records: readonly Uint8Array[]): number {
  const read = records.map(record => ({ record, fields: readSigned(readRecord(record).data) }))
  const isBetter = (a: typeof read[number], b: typeof read[number]): boolean =>
    (a.fields.sequence - b.fields.sequence || endOf(a.fields) - endOf(b.fields) || Buffer.compare(a.record, b.record)) > 0
  return read.reduce((best, candidate, i) => isBetter(candidate, read[best] as typeof candidate) ? i : best, 0)
}

function readRecord (record: Uint8Array): IpnsRecord {
  const bytes = new Map<number, Uint8Array>()
  const numbers = new Map<number, number>()
  const reader = new ProtobufReader(record)
  while (reader.at < reader.end) {
    const tag = reader.varint()
    const [field, wireType] = [Math.floor(tag / 8), tag % 8]
    if (wireType === 2) bytes.set(field, reader.view())
    else if (wireType === 0) numbers.set(field, reader.varint())
    else reader.skip(wireType)
  }
  const part = (field: number): Uint8Array => bytes.get(field) ?? new Uint8Array()
  return {
    value: part(1), hasFirstSignature: part(2).length > 0, validityType: numbers.get(3) ?? 0, validity: part(4), sequence: numbers.get(5) ?? 0, ttl: numbers.get(6) ?? 0,
    publicKey: bytes.get(7), signature: part(8), data: part(9),
  }
}

function readSigned (data: Uint8Array): SignedFields {
  const { Value: value, ValidityType: validityType, Validity: validity, Sequence: sequence, TTL: ttl } = decodeCbor<Record<string, unknown>>(data)
  const isNumber = (field: unknown): boolean => typeof field === 'number' || typeof field === 'bigint'
  if (!(value instanceof Uint8Array) || !(validity instanceof Uint8Array) || ![validityType, sequence, ttl].every(isNumber)) throw refused('fields are missing')
  return { value, validity, validityType: Number(validityType), sequence: Number(sequence), ttl: Number(ttl) }
}

/** The key is in the name, or the name is the hash of the key, which the record has. */
function keyOf (name: Uint8Array, { publicKey }: IpnsRecord): PublicKey {
  if (publicKey === undefined) {
    const digest = Digest.decode(name)
    if (digest.code !== 0) throw refused('its key is not there')
    return publicKeyFromMultihash(digest as Digest.Digest<0, number>)
  }
  const key = publicKeyFromProtobuf(publicKey)
  if (Buffer.compare(key.toMultihash().bytes, name) !== 0) throw refused('its key is not that of the name')
  return key
}

function isSame (entry: IpnsRecord, signed: SignedFields): boolean {
  return Buffer.compare(entry.value, signed.value) === 0 && Buffer.compare(entry.validity, signed.validity) === 0 &&
    entry.validityType === signed.validityType && entry.sequence === signed.sequence && entry.ttl === signed.ttl
}

/** Milliseconds since the epoch; NaN when it is no moment. */
function endOf ({ validity }: SignedFields): number { return Date.parse(Buffer.from(validity).toString('latin1')) }

function refused (reason: string): ClusterError { return new ClusterError('INVALID_WIRE_DATA', `invalid IPNS record: ${reason}`) }
