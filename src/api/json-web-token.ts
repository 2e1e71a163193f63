import { createHmac, timingSafeEqual } from 'node:crypto'
import { quoteJson } from '../codec/json.ts'
import type { Time } from '../domain/time.ts'

const hashes: ReadonlyMap<unknown, string> = new Map([['HS256', 'sha256'], ['HS384', 'sha384'], ['HS512', 'sha512']])
const header = encode('{"alg":"HS256","typ":"JWT"}')

/** A token that says that `user` knows `password`. It never expires and is the same each time (RFC 7519, spec/rest-api.md 10). */
export function signToken (user: string, password: string): string {
  const signed = `${header}.${encode(`{"iss":${quoteJson(user)}}`)}`
  return `${signed}.${signature('sha256', password, signed).toString('base64url')}`
}

/**
 * The user of a token whose signature and times are right; else undefined.
 * @param passwordOf the key of a user, undefined for nobody
 */
export function userOfToken (token: string, passwordOf: (user: string) => string | undefined, now: Time): string | undefined {
  const [headerText, claimsText, signatureText, more] = token.split('.')
  if (headerText === undefined || claimsText === undefined || signatureText === undefined || more !== undefined) return undefined
  const claims = decodeObject(claimsText)
  const hash = hashes.get(decodeObject(headerText)?.['alg'])
  const given = decode(signatureText)
  if (claims === undefined || hash === undefined || given === undefined) return undefined
  const user = claims['iss']
  if (typeof user !== 'string' || user === '') return undefined
  const password = passwordOf(user)
  // Anybody can sign with an empty password.
  if (password === undefined || password === '') return undefined
  const right = signature(hash, password, `${headerText}.${claimsText}`)
  if (right.length !== given.length || !timingSafeEqual(right, given)) return undefined
  return areTimesRight(claims, now / 1000) ? user : undefined
}

function areTimesRight (claims: Readonly<Record<string, unknown>>, nowSeconds: number): boolean {
  const expires = secondsOf(claims['exp'], Infinity)
  const notBefore = secondsOf(claims['nbf'], -Infinity)
  const issued = secondsOf(claims['iat'], -Infinity)
  return nowSeconds < expires && nowSeconds >= notBefore && nowSeconds >= issued
}

/** NaN, which no comparison likes, for what is no number. */
function secondsOf (claim: unknown, absent: number): number {
  if (claim === undefined || claim === null) return absent
  return typeof claim === 'number' ? Math.trunc(claim) : NaN
}

function signature (hash: string, password: string, signed: string): Buffer {
  return createHmac(hash, password).update(signed).digest()
}

function encode (text: string): string {
  return Buffer.from(text).toString('base64url')
}

function decode (text: string): Buffer | undefined {
  return /^[A-Za-z0-9_-]*$/.test(text) && text.length % 4 !== 1 ? Buffer.from(text, 'base64url') : undefined
}

function decodeObject (text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(decode(text)?.toString() ?? '')
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value as Record<string, unknown> : undefined
  } catch {
    return undefined
  }
}
