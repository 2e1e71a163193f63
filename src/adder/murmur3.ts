/** MurmurHash3 x64 (A. Appleby, public domain), with seed 0. */
const factor1 = 0x87c37b91114253d5n
const factor2 = 0x4cf5ad432745937fn
const mask = (1n << 64n) - 1n

/** The first 64 of the 128 bits, big-endian. Meant for names: it is not fast. */
export function murmur3 (bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let h1 = 0n
  let h2 = 0n
  let at = 0
  for (; at + 16 <= bytes.length; at += 16) {
    h1 ^= mix1(view.getBigUint64(at, true))
    h1 = ((rotate(h1, 27n) + h2) * 5n + 0x52dce729n) & mask
    h2 ^= mix2(view.getBigUint64(at + 8, true))
    h2 = ((rotate(h2, 31n) + h1) * 5n + 0x38495ab5n) & mask
  }
  const tail = new DataView(new ArrayBuffer(16))
  new Uint8Array(tail.buffer).set(bytes.subarray(at))
  h2 ^= mix2(tail.getBigUint64(8, true))
  h1 ^= mix1(tail.getBigUint64(0, true))
  const length = BigInt(bytes.length)
  h1 ^= length
  h2 ^= length
  h1 = (h1 + h2) & mask
  h2 = (h2 + h1) & mask
  h1 = (avalanche(h1) + avalanche(h2)) & mask
  const result = new DataView(new ArrayBuffer(8))
  result.setBigUint64(0, h1)
  return new Uint8Array(result.buffer)
}

function mix1 (value: bigint): bigint {
  return (rotate((value * factor1) & mask, 31n) * factor2) & mask
}

function mix2 (value: bigint): bigint {
  return (rotate((value * factor2) & mask, 33n) * factor1) & mask
}

function rotate (value: bigint, bits: bigint): bigint {
  return ((value << bits) | (value >> (64n - bits))) & mask
}

function avalanche (value: bigint): bigint {
  let h = value
  h = ((h ^ (h >> 33n)) * 0xff51afd7ed558ccdn) & mask
  h = ((h ^ (h >> 33n)) * 0xc4ceb9fe1a85ec53n) & mask
  return h ^ (h >> 33n)
}
