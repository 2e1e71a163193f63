const mask = 0xffffffffffffffffn
const c1 = 0x87c37b91114253d5n
const c2 = 0x4cf5ad432745937fn

/** The first 64 bits of MurmurHash3 x64-128 with seed 0: how sharded directories place names (https://specs.ipfs.tech/unixfs). */
export function murmur3 (bytes: Uint8Array): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let h1 = 0n
  let h2 = 0n
  const whole = bytes.length & ~15
  for (let at = 0; at < whole; at += 16) {
    h1 = multiply(rotate(h1 ^ mix1(view.getBigUint64(at, true)), 27n) + h2, 5n) + 0x52dce729n & mask
    h2 = multiply(rotate(h2 ^ mix2(view.getBigUint64(at + 8, true)), 31n) + h1, 5n) + 0x38495ab5n & mask
  }
  h1 ^= mix1(tail(bytes, whole, Math.min(bytes.length, whole + 8)))
  h2 ^= mix2(tail(bytes, whole + 8, bytes.length))
  const length = BigInt(bytes.length)
  h1 = h1 ^ length
  h2 = h2 ^ length
  h1 = h1 + h2 & mask
  h2 = h2 + h1 & mask
  return finish(h1) + finish(h2) & mask
}

function tail (bytes: Uint8Array, from: number, to: number): bigint {
  let value = 0n
  for (let at = to - 1; at >= from; at--) value = value << 8n | BigInt(bytes[at] as number)
  return value
}

function mix1 (k: bigint): bigint { return multiply(rotate(multiply(k, c1), 31n), c2) }
function mix2 (k: bigint): bigint { return multiply(rotate(multiply(k, c2), 33n), c1) }
function multiply (a: bigint, b: bigint): bigint { return a * b & mask }
function rotate (value: bigint, bits: bigint): bigint { return (value << bits | value >> 64n - bits) & mask }

function finish (value: bigint): bigint {
  let k = value
  k = multiply(k ^ k >> 33n, 0xff51afd7ed558ccdn)
  k = multiply(k ^ k >> 33n, 0xc4ceb9fe1a85ec53n)
  return k ^ k >> 33n
}
