import { hash } from 'node:crypto'
import { ClusterError } from '../../domain/errors.ts'

type Digest = (bytes: Uint8Array) => Uint8Array

/** Digests of the platform by multihash code (https://github.com/multiformats/multicodec). */
const native = new Map<number, string>([
  [0x11, 'sha1'], [0x12, 'sha256'], [0x13, 'sha512'], [0x14, 'sha3-512'], [0x15, 'sha3-384'], [0x16, 'sha3-256'], [0x17, 'sha3-224'],
  [0x20, 'sha384'], [0xb240, 'blake2b512'], [0xb260, 'blake2s256'],
])

const loaded = new Map<number, Digest>()
for (const [code, algorithm] of native) loaded.set(code, bytes => hash(algorithm, bytes, 'buffer'))
loaded.set(0x56, bytes => hash('sha256', hash('sha256', bytes, 'buffer'), 'buffer'))

/**
 * The hash function with this multihash code; the rare ones are loaded at their first use.
 * @throws ClusterError `UNSUPPORTED` when the node has none
 */
export async function blockDigest (code: number): Promise<Digest> {
  const known = loaded.get(code) ?? await load(code)
  if (known === undefined) throw new ClusterError('UNSUPPORTED', `the embedded IPFS node cannot check blocks of hash function 0x${code.toString(16)}: use sha2-256`)
  loaded.set(code, known)
  return known
}

/**
 * True when `digest` is that of the bytes, or their beginning: CIDs may carry shortened digests.
 * Answers at once for the functions of the platform, which almost all blocks have.
 * @throws ClusterError `UNSUPPORTED` for an unknown hash function
 */
export function isDigestOf (code: number, digest: Uint8Array, bytes: Uint8Array): boolean | Promise<boolean> {
  const known = loaded.get(code)
  return known === undefined ? blockDigest(code).then(digestOf => isPrefix(digest, digestOf(bytes))) : isPrefix(digest, known(bytes))
}

/** Shortest digest accepted, in bytes: below it, other content with the same CID can be made. */
export const minDigestBytes = 20

async function load (code: number): Promise<Digest | undefined> {
  if (code > 0xb200 && code < 0xb240) {
    const { blake2b } = await import('@noble/hashes/blake2.js')
    return bytes => blake2b(bytes, { dkLen: code - 0xb200 })
  }
  if (code === 0x1e) return (await import('@noble/hashes/blake3.js')).blake3
  if (code === 0x1b || code === 0x1d) {
    const { keccak_256: short, keccak_512: long } = await import('@noble/hashes/sha3.js')
    return code === 0x1b ? short : long
  }
  return undefined
}

function isPrefix (digest: Uint8Array, whole: Uint8Array): boolean {
  if (digest.length < minDigestBytes || digest.length > whole.length) return false
  for (let i = 0; i < digest.length; i++) if (digest[i] !== whole[i]) return false
  return true
}
