import { createHash, hash } from 'node:crypto'
import { ClusterError } from '../domain/errors.ts'

/** A hash function of the multihash table. Blocks are at most 2 MiB, so one call gets the whole input. */
export interface HashFunction {
  readonly name: string
  /** Multihash code (https://github.com/multiformats/multicodec). */
  readonly code: number
  digest (bytes: Uint8Array): Uint8Array
  /** Its name in `node:crypto`, if that is all that there is to it. */
  readonly algorithm?: string | undefined
}

/** Longest digest that IPFS nodes accept of the identity function: CIDs are no place for content. */
const maxIdentityBytes = 128

/** Shortest digest that IPFS nodes accept, in bytes. */
export const minDigestBytes = 20

type Maker = () => Promise<HashFunction['digest']>

interface Entry {
  readonly name: string
  readonly code: number
  /** Undefined when the reference knows the name only. */
  readonly make: Maker | undefined
  readonly algorithm: string | undefined
  /** False when IPFS nodes refuse blocks with such a CID. */
  readonly accepted: boolean
}

const byName = new Map<string, Entry>()
const byCode = new Map<number, Entry>()

/**
 * The hash function that `hash=NAME` asks for, whatever the case of its letters.
 * @throws ClusterError `ADD_REFUSED` with the reference's text when the name is not known or the
 *   function does not exist there either; with our own when IPFS nodes would refuse every block
 */
export async function hashFunctionByName (name: string): Promise<HashFunction> {
  const entry = byName.get(name.toLowerCase())
  if (entry === undefined) throw new ClusterError('ADD_REFUSED', 'hash function name not known')
  if (!entry.accepted && entry.make !== undefined) {
    throw new ClusterError('ADD_REFUSED', `hash function ${entry.name} is too weak: IPFS nodes refuse its blocks; use sha2-256`)
  }
  return load(entry, 'invalid cid: ')
}

/**
 * The hash function of a CID that somebody else made.
 * @throws ClusterError `ADD_REFUSED`
 */
export async function hashFunctionByCode (code: number): Promise<HashFunction> {
  return load(byCode.get(code) ?? { name: '', code, make: undefined, algorithm: undefined, accepted: false }, '')
}

async function load (entry: Entry, context: string): Promise<HashFunction> {
  if (entry.make === undefined) {
    throw new ClusterError('ADD_REFUSED', `${context}unknown multihash code ${entry.code} (0x${entry.code.toString(16)}): no such hash registered`)
  }
  return { name: entry.name, code: entry.code, digest: await entry.make(), algorithm: entry.algorithm }
}

function know (name: string, code: number, made: Maker | string | undefined, accepted = true): void {
  const algorithm = typeof made === 'string' ? made : undefined
  const entry: Entry = { name, code, make: typeof made === 'string' ? native(made) : made, algorithm, accepted }
  byName.set(name, entry)
  if (!byCode.has(code)) byCode.set(code, entry)
}

function native (algorithm: string): Maker {
  return async () => bytes => hash(algorithm, bytes, 'buffer')
}

function extendable (algorithm: string, outputLength: number): Maker {
  return async () => bytes => createHash(algorithm, { outputLength }).update(bytes).digest()
}

/** blake2b of any length: the length is a parameter of the function, so the platform's 512 bit cannot be cut. */
function blake2b (digestBytes: number): Maker {
  return async () => {
    const { blake2b } = await import('@noble/hashes/blake2.js')
    return bytes => blake2b(bytes, { dkLen: digestBytes })
  }
}

const doubleSha256: Maker = async () => bytes => hash('sha256', hash('sha256', bytes, 'buffer'), 'buffer')
const blake3: Maker = async () => (await import('@noble/hashes/blake3.js')).blake3
const keccak256: Maker = async () => (await import('@noble/hashes/sha3.js')).keccak_256
const keccak512: Maker = async () => (await import('@noble/hashes/sha3.js')).keccak_512

const identity: Maker = async () => bytes => {
  if (bytes.length > maxIdentityBytes) {
    throw new ClusterError('ADD_REFUSED', `hash function identity keeps content in the CID: a block of ${bytes.length} bytes is over the limit of ${maxIdentityBytes}; use sha2-256`)
  }
  return bytes.slice()
}

know('identity', 0x00, identity)
know('sha1', 0x11, 'sha1')
know('sha2-256', 0x12, 'sha256')
know('sha2-512', 0x13, 'sha512')
know('sha3-224', 0x17, 'sha3-224')
know('sha3-256', 0x16, 'sha3-256')
know('sha3-384', 0x15, 'sha3-384')
know('sha3-512', 0x14, 'sha3-512')
know('sha3', 0x14, 'sha3-512')
know('dbl-sha2-256', 0x56, doubleSha256)
know('shake-256', 0x19, extendable('shake256', 64))
know('shake-128', 0x18, extendable('shake128', 32), false)
know('keccak-256', 0x1b, keccak256)
know('keccak-512', 0x1d, keccak512)
know('blake3', 0x1e, blake3)
know('md5', 0xd5, 'md5', false)
know('keccak-224', 0x1a, undefined)
know('keccak-384', 0x1c, undefined)
know('x11', 0x1100, undefined)
know('sha2-256-trunc254-padded', 0x1012, undefined)
know('poseidon-bls12_381-a2-fc1', 0xb401, undefined)
for (let digestBytes = 1; digestBytes <= 64; digestBytes++) {
  const make = digestBytes === 64 ? 'blake2b512' : blake2b(digestBytes)
  know(`blake2b-${digestBytes * 8}`, 0xb200 + digestBytes, make, digestBytes >= minDigestBytes)
}
for (let digestBytes = 1; digestBytes <= 32; digestBytes++) {
  know(`blake2s-${digestBytes * 8}`, 0xb240 + digestBytes, digestBytes === 32 ? 'blake2s256' : undefined)
}
