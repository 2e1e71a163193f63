import { createECDH, createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { ClusterError, errorText } from '../domain/errors.ts'
import type { PeerId } from '../domain/peer.ts'
import { peerIdFromBytes } from '../domain/peer-id.ts'

/*
 * Private keys of libp2p in their protobuf form (libp2p specs, peer-ids.md), read with node:crypto
 * alone: every start reads one, and libp2p is heavy to load.
 */

const keyTypes = { RSA: 0, Ed25519: 1, Secp256k1: 2, ECDSA: 3 } as const
/** A public key of at most this many bytes is its own peer ID, a larger one is hashed. */
const maxInlineKeyBytes = 42
/** RSA keys of 8192 bits take 4.7 kB. */
const maxPrivateKeyBytes = 16 * 1024

/** DER around the 32 bytes of an Ed25519 private key (RFC 8410). */
const ed25519PrivatePrefix = Buffer.from('302e020100300506032b657004220420', 'hex')
const ed25519PublicPrefixBytes = 12

/** A new Ed25519 key in its protobuf form, from 32 random bytes. */
export function ed25519PrivateKey (seed: Uint8Array): Uint8Array {
  return encodeKey(keyTypes.Ed25519, Buffer.concat([seed, ed25519PublicKey(seed)]))
}

/**
 * The peer that a private key belongs to.
 * @throws ClusterError `INVALID_IDENTITY`
 */
export function peerOfPrivateKey (protobuf: Uint8Array): PeerId {
  const { type, data } = decodeKey(protobuf)
  let publicKey: Uint8Array
  try {
    publicKey = encodeKey(type, publicKeyData(type, data))
  } catch (error) {
    throw new ClusterError('INVALID_IDENTITY', `not a usable private key: ${errorText(error)}`, { cause: error })
  }
  return publicKey.length <= maxInlineKeyBytes
    ? peerIdFromBytes(Buffer.concat([Uint8Array.of(0x00, publicKey.length), publicKey]))
    : peerIdFromBytes(Buffer.concat([Uint8Array.of(0x12, 32), createHash('sha256').update(publicKey).digest()]))
}

function publicKeyData (type: number, data: Uint8Array): Uint8Array {
  switch (type) {
    case keyTypes.Ed25519: {
      // 32 bytes of seed, then the public key; an old form has it twice.
      if (data.length !== 64 && data.length !== 96) throw new Error(`an Ed25519 key has 64 bytes, not ${data.length}`)
      const publicKey = ed25519PublicKey(data.subarray(0, 32))
      if (!publicKey.equals(data.subarray(32, 64))) throw new Error('its two halves do not belong together')
      return publicKey
    }
    case keyTypes.RSA: return subjectPublicKeyInfo(createPrivateKey({ key: Buffer.from(data), format: 'der', type: 'pkcs1' }))
    case keyTypes.ECDSA: return subjectPublicKeyInfo(createPrivateKey({ key: Buffer.from(data), format: 'der', type: 'sec1' }))
    case keyTypes.Secp256k1: {
      // OpenSSL would take a longer number all the same.
      if (data.length !== 32) throw new Error(`a secp256k1 key has 32 bytes, not ${data.length}`)
      const curve = createECDH('secp256k1')
      curve.setPrivateKey(data)
      return curve.getPublicKey(null, 'compressed')
    }
    default: throw new Error(`unknown key type ${type}`)
  }
}

function ed25519PublicKey (seed: Uint8Array): Buffer {
  const key = createPrivateKey({ key: Buffer.concat([ed25519PrivatePrefix, seed]), format: 'der', type: 'pkcs8' })
  return subjectPublicKeyInfo(key).subarray(ed25519PublicPrefixBytes)
}

function subjectPublicKeyInfo (key: KeyObject): Buffer {
  return createPublicKey(key).export({ format: 'der', type: 'spki' })
}

/** `{ type = 1, data = 2 }` in protobuf. */
function encodeKey (type: number, data: Uint8Array): Uint8Array {
  const length = data.length < 0x80 ? [data.length] : [(data.length & 0x7f) | 0x80, data.length >> 7]
  return new Uint8Array(Buffer.concat([Uint8Array.of(0x08, type, 0x12, ...length), data]))
}

function decodeKey (bytes: Uint8Array): { type: number, data: Uint8Array } {
  if (bytes.length > maxPrivateKeyBytes) throw invalidWireFormat()
  let type: number | undefined
  let data: Uint8Array | undefined
  let at = 0
  const varint = (): number => {
    let value = 0
    for (let shift = 1; shift <= 2 ** 28; shift *= 128) {
      const byte = bytes[at++]
      if (byte === undefined) break
      value += (byte & 0x7f) * shift
      if (byte < 0x80) return value
    }
    throw invalidWireFormat()
  }
  while (at < bytes.length) {
    const tag = varint()
    const value = varint()
    if (tag === 0x08) type = value
    else if (tag === 0x12 && value <= bytes.length - at) {
      data = bytes.subarray(at, at + value)
      at += value
    } else throw invalidWireFormat()
  }
  if (type === undefined || data === undefined) throw invalidWireFormat()
  return { type, data }
}

function invalidWireFormat (): ClusterError {
  return new ClusterError('INVALID_IDENTITY', 'proto: cannot parse invalid wire-format data')
}
