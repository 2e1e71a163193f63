import { createPrivateKey, sign } from 'node:crypto'
import type { PrivateKey } from '@libp2p/interface'

const seedBytes = 32

/**
 * The key, prepared for signing once: libp2p does so with each signature, which takes twice as
 * long as the signature itself, and each message that is published has one. Other kinds of keys
 * than the usual one stay as they are.
 */
export function signingKey (key: PrivateKey): PrivateKey {
  if (key.type !== 'Ed25519') return key
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url')
  const prepared = createPrivateKey({ format: 'jwk', key: { kty: 'OKP', crv: 'Ed25519', d: base64(key.raw.subarray(0, seedBytes)), x: base64(key.raw.subarray(seedBytes)) } })
  key.sign = data => sign(null, data instanceof Uint8Array ? data : data.subarray(), prepared)
  return key
}
