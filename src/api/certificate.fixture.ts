import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto'

/** A key and a certificate of its own for `localhost`, valid from 2000 to 2099 (RFC 5280), in PEM. */
export function selfSigned (kind: 'ecdsa' | 'rsa'): { certificate: string, key: string } {
  const { privateKey, publicKey } = kind === 'rsa' ? generateKeyPairSync('rsa', { modulusLength: 2048 }) : generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const certificate = makeCertificate(privateKey, publicKey, kind === 'rsa' ? sha256WithRsa : ecdsaWithSha256)
  return { certificate: pem('CERTIFICATE', certificate), key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string }
}

const sequence = 0x30
const commonName = element(0x06, Buffer.from([0x55, 0x04, 0x03]))
const ecdsaWithSha256 = element(sequence, element(0x06, Buffer.from('2a8648ce3d040302', 'hex')))
const sha256WithRsa = element(sequence, element(0x06, Buffer.from('2a864886f70d01010b', 'hex')), element(0x05))

function makeCertificate (privateKey: KeyObject, publicKey: KeyObject, algorithm: Buffer): Buffer {
  const name = element(sequence, element(0x31, element(sequence, commonName, element(0x0c, Buffer.from('localhost')))))
  const validity = element(sequence, time('20000101000000Z'), time('20991231235959Z'))
  const version3 = element(0xa0, element(0x02, Buffer.from([2])))
  const serial = element(0x02, Buffer.from([1]))
  const signed = element(sequence, version3, serial, algorithm, name, validity, name, publicKey.export({ type: 'spki', format: 'der' }))
  const signature = element(0x03, Buffer.from([0]), sign('sha256', signed, privateKey))
  return element(sequence, signed, algorithm, signature)
}

function time (text: string): Buffer { return element(0x18, Buffer.from(text)) }

/** A value of ASN.1 in DER: tag, length, content. */
function element (tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  const length = content.length < 0x80 ? [content.length] : content.length < 0x100 ? [0x81, content.length] : [0x82, content.length >> 8, content.length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...length]), content])
}

function pem (label: string, bytes: Buffer): string {
  return `-----BEGIN ${label}-----\n${bytes.toString('base64').replace(/.{64}/g, '$&\n')}\n-----END ${label}-----\n`
}
