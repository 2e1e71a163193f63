/** Names of block codecs and hash functions as `block/put` wants them (https://github.com/multiformats/multicodec). */
const codecs = new Map<number, string>([
  [0x51, 'cbor'], [0x55, 'raw'], [0x70, 'dag-pb'], [0x71, 'dag-cbor'], [0x72, 'libp2p-key'], [0x78, 'git-raw'], [0x0129, 'dag-json'], [0x0200, 'json'],
])

const hashes = new Map<number, string>([
  [0x11, 'sha1'], [0x12, 'sha2-256'], [0x13, 'sha2-512'], [0x14, 'sha3-512'], [0x15, 'sha3-384'], [0x16, 'sha3-256'], [0x17, 'sha3-224'],
  [0x18, 'shake-128'], [0x19, 'shake-256'], [0x1a, 'keccak-224'], [0x1b, 'keccak-256'], [0x1c, 'keccak-384'], [0x1d, 'keccak-512'], [0x1e, 'blake3'],
  [0x20, 'sha2-384'], [0x56, 'dbl-sha2-256'], [0x1012, 'sha2-256-trunc254-padded'], [0x1013, 'sha2-224'], [0x1014, 'sha2-512-224'], [0x1015, 'sha2-512-256'],
])

/** The BLAKE2 codes stand in rows of one code for every 8 bits of length. */
const blake2 = [{ first: 0xb201, last: 0xb240, name: 'blake2b' }, { first: 0xb241, last: 0xb260, name: 'blake2s' }]

export function codecName (code: number): string | undefined { return codecs.get(code) }

export function hashName (code: number): string | undefined {
  const row = blake2.find(({ first, last }) => code >= first && code <= last)
  return row === undefined ? hashes.get(code) : `${row.name}-${(code - row.first + 1) * 8}`
}
