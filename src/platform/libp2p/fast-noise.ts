import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto'
import type { ConnectionEncrypter } from '@libp2p/interface'
import type { noise } from '@libp2p/noise'
import { giveBack, handOver, type LastUser } from '../spent-memory.ts'

type Components = Parameters<ReturnType<typeof noise>>[0]

/** Bytes, or a list of pieces that belong together: libp2p's `Uint8ArrayList`. */
type Bytes = Uint8Array | Pieces
interface Pieces extends Iterable<Uint8Array> {
  readonly byteLength: number
  readonly append: (...pieces: Uint8Array[]) => void
  readonly get: (at: number) => number
  readonly subarray: (from?: number, to?: number) => Uint8Array
  readonly sublist: (from?: number, to?: number) => Pieces
}

/** What libp2p's Noise does its encryption with; `key` is the same object for all messages of a direction. */
interface NoiseCipher {
  readonly encrypt: (plaintext: Bytes, nonce: Uint8Array, data: Uint8Array, key: Uint8Array) => Bytes
  readonly decrypt: (ciphertext: Bytes, nonce: Uint8Array, data: Uint8Array, key: Uint8Array, target?: Uint8Array) => Bytes
}

const algorithm = 'chacha20-poly1305'
const tagBytes = 16
/** Below this libp2p's WebAssembly takes less time than the call to OpenSSL. */
const minNativeBytes = 512

/**
 * libp2p's Noise with half the work for each large message: the key is handed to OpenSSL once and
 * not with each message (which costs as much as to encrypt 20 kB), and pieces are not put together.
 */
export function fastNoise (make: typeof noise): (components: Components) => ConnectionEncrypter {
  return components => {
    const encrypter = make()(components) as ConnectionEncrypter & { crypto: NoiseCipher }
    encrypter.crypto = fastCipher(encrypter.crypto)
    const secureInbound = encrypter.secureInbound.bind(encrypter)
    const secureOutbound = encrypter.secureOutbound.bind(encrypter)
    encrypter.secureInbound = async (connection, options) => sparing(await secureInbound(connection, options))
    encrypter.secureOutbound = async (connection, options) => sparing(await secureOutbound(connection, options))
    return encrypter
  }
}

/** What of libp2p's encrypted connection is known here. A message that is decrypted is one frame, at most 65 535 bytes. */
interface EncryptedConnection {
  readonly handshake: { readonly decrypt: (ciphertext: Bytes) => Bytes }
  readonly decoder: { lengthDecoder: (bytes: Bytes) => number }
  encrypt: (plaintext: Bytes) => Bytes
  decrypt: (ciphertext: Bytes) => Bytes
}

/** The decoder of libp2p catches it at the end of every message; to make an error costs more than to decrypt a small one. */
const noLengthYet = new RangeError('the length of a message has not come yet')

/** The first two bytes, which say how long a message of Noise is. @throws RangeError while they have not come */
export function messageLength (bytes: Bytes): number {
  if (bytes.byteLength < 2) throw noLengthYet
  const byte = (at: 0 | 1): number => bytes instanceof Uint8Array ? bytes[at] as number : bytes.get(at)
  return byte(0) * 256 + byte(1)
}

/** Frees what was encrypted or decrypted at once; libp2p also copies each message together for a place that our cipher has no use for. */
function sparing<T extends { readonly connection: unknown }> (secured: T): T {
  const connection = secured.connection as EncryptedConnection
  const { handshake } = connection
  connection.decoder.lengthDecoder = messageLength
  const encrypt = connection.encrypt.bind(connection)
  connection.encrypt = plaintext => {
    const output = encrypt(plaintext)
    giveBackAll(plaintext, 'encryption')
    return output
  }
  /** What came together with the end of the handshake may be kept by it. */
  let first: ArrayBufferLike | undefined
  connection.decrypt = ciphertext => {
    if (ciphertext.byteLength < tagBytes) throw new Error('a message of Noise without its tag')
    const output = handshake.decrypt(ciphertext)
    first ??= piecesOf(ciphertext)[Symbol.iterator]().next().value?.buffer
    giveBackAll(ciphertext, 'decryption', first)
    return output
  }
  return secured
}

function giveBackAll (bytes: Bytes, user: LastUser, spared?: ArrayBufferLike): void {
  for (const piece of piecesOf(bytes)) if (piece.buffer !== spared) giveBack(piece, user)
}

function piecesOf (bytes: Bytes): Iterable<Uint8Array> { return bytes instanceof Uint8Array ? [bytes] : bytes }

function fastCipher (plain: NoiseCipher): NoiseCipher {
  const keys = new WeakMap<Uint8Array, KeyObject>()
  const keyOf = (key: Uint8Array): KeyObject => {
    let object = keys.get(key)
    if (object === undefined) keys.set(key, object = createSecretKey(key))
    return object
  }
  return {
    ...plain,
    encrypt (plaintext, nonce, data, key) {
      if (plaintext instanceof Uint8Array || plaintext.byteLength < minNativeBytes || data.length > 0) return plain.encrypt(plaintext, nonce, data, key)
      const cipher = createCipheriv(algorithm, keyOf(key), nonce, { authTagLength: tagBytes })
      const output = plaintext.sublist(0, 0)
      for (const piece of plaintext) output.append(handedOver(cipher.update(piece), 'sending'))
      cipher.final()
      output.append(cipher.getAuthTag())
      return output
    },
    decrypt (ciphertext, nonce, data, key, target) {
      if (ciphertext.byteLength < minNativeBytes || data.length > 0) return plain.decrypt(ciphertext, nonce, data, key, target)
      const length = ciphertext.byteLength - tagBytes
      const decipher = createDecipheriv(algorithm, keyOf(key), nonce, { authTagLength: tagBytes })
      decipher.setAuthTag(ciphertext.subarray(length))
      let output: Bytes
      if (ciphertext instanceof Uint8Array) output = handedOver(decipher.update(ciphertext.subarray(0, length)), 'reading')
      else {
        output = ciphertext.sublist(0, 0)
        for (const piece of ciphertext.sublist(0, length)) output.append(handedOver(decipher.update(piece), 'reading'))
      }
      decipher.final()
      return output
    },
  }
}

function handedOver (bytes: Uint8Array, to: LastUser): Uint8Array {
  handOver(bytes, to)
  return bytes
}
