import { posix } from 'node:path'
import { errorText } from '../domain/errors.ts'
import type { Field } from './field.ts'
import { makeField, readText, type FieldOptions } from './kinds.ts'
import { peerOfPrivateKey } from './private-key.ts'
import { decodeBase64, decodeHex } from './text-encodings.ts'

const clusterSecretBytes = 32

/**
 * Reads a cluster secret: 32 bytes in hexadecimal, or nothing for an unprotected network.
 * @throws Error with the contract's text
 */
export function decodeClusterSecret (text: string): Uint8Array {
  const secret = decodeHex(text)
  if (secret.length !== 0 && secret.length !== clusterSecretBytes) throw new Error(`input secret is ${secret.length} bytes, cluster secret should be 32`)
  return secret
}

/** The key of the cluster's private network; empty when there is none. */
export function clusterSecret (options: FieldOptions): Field<Uint8Array> {
  return makeField<Uint8Array>({ ...options, hidden: true }, {
    form: '64 hexadecimal digits',
    jsonSchema: { type: 'string', pattern: '^([0-9a-fA-F]{64})?$' },
    variable: 'string',
    initial: () => new Uint8Array(),
    parse (json, _fallback, place) {
      const given = readText(json, place)
      try {
        const secret = decodeClusterSecret(given)
        if (secret.length === 0) place.context.warn('Cluster secret is empty, cluster will start on unprotected network.')
        return secret
      } catch (error) {
        throw place.refuse(json, '64 hexadecimal digits (32 bytes)', `error loading cluster secret from config: ${errorText(error)}`)
      }
    },
    toJson: value => Buffer.from(value).toString('hex'),
  })
}

/** A private key of libp2p in its protobuf form, or none. */
export function privateKey (options: FieldOptions): Field<Uint8Array | undefined> {
  return makeField<Uint8Array | undefined>({ ...options, hidden: true }, {
    form: 'base64',
    jsonSchema: { type: 'string', contentEncoding: 'base64' },
    variable: 'string',
    initial: () => undefined,
    parse (json, fallback, place) {
      const given = readText(json, place)
      if (given === '') return fallback
      const allowed = 'a libp2p private key in base64'
      let key: Uint8Array
      try {
        key = decodeBase64(given)
      } catch (error) {
        throw place.refuse(json, allowed, `error decoding ${place.component}.private_key: ${errorText(error)}`)
      }
      try {
        peerOfPrivateKey(key)
      } catch (error) {
        throw place.refuse(json, allowed, `error parsing ${place.component}.private_key ID: ${errorText(error)}`)
      }
      return key
    },
    toJson: value => value === undefined ? undefined : Buffer.from(value).toString('base64'),
  })
}

/**
 * What keys of a datastore begin with. In memory as the reference has it: each part with a slash
 * before it and none at the end, `.` and `..` resolved, nothing for the root. Empty or absent changes nothing.
 */
export function keyPrefix (options: FieldOptions & { readonly initial: string }): Field<string> {
  return makeField<string>(options, {
    form: 'text',
    jsonSchema: { type: 'string' },
    variable: 'string',
    initial: () => options.initial,
    parse (json, fallback, place) {
      const given = readText(json, place)
      return given === '' ? fallback : posix.join('/', given).replace(/\/$/, '')
    },
    toJson: value => value,
  })
}

const sizeUnits: Readonly<Record<string, number>> = {
  B: 1, KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12, KIB: 2 ** 10, MIB: 2 ** 20, GIB: 2 ** 30, TIB: 2 ** 40,
}

/** An amount of bytes: a whole number, or a text such as `10GB` or `1.5TiB`. */
export function byteSize (options: FieldOptions & { readonly initial: string }): Field<number> {
  const read = (text: string): number | undefined => {
    const [, number, unit] = /^(\d+(?:\.\d+)?)\s*([a-zA-Z]*)$/.exec(text.trim()) ?? []
    const size = sizeUnits[(unit || 'B').toUpperCase()]
    const bytes = Number(number) * (size ?? Number.NaN)
    // A part of a byte is none; a part of a larger unit is rounded to whole bytes.
    const whole = size === 1 ? bytes : Math.round(bytes)
    return Number.isSafeInteger(whole) && whole > 0 ? whole : undefined
  }
  return makeField<number>(options, {
    form: 'bytes: number, or text such as `"10GB"`',
    jsonSchema: { type: ['string', 'integer'] },
    variable: 'string',
    initial: () => read(options.initial) as number,
    parse (json, fallback, place) {
      if (json === undefined || json === '') return fallback
      const bytes = typeof json === 'string' || typeof json === 'number' ? read(String(json)) : undefined
      if (bytes === undefined) throw place.wrongType(json, 'an amount of bytes above 0, such as "10GB" or "500MiB"')
      return bytes
    },
    toJson: sizeText,
  })
}

/** The shortest exact form: `10GB`, or the bare number of bytes. */
function sizeText (bytes: number): string | number {
  const unit = ['TB', 'TIB', 'GB', 'GIB', 'MB', 'MIB'].find(unit => bytes % (sizeUnits[unit] as number) === 0)
  return unit === undefined ? bytes : `${bytes / (sizeUnits[unit] as number)}${unit.replace('IB', 'iB')}`
}
