import { hash, timingSafeEqual } from 'node:crypto'
import type { Clock } from '../platform/clock.ts'
import { signToken, userOfToken } from './json-web-token.ts'

const realm = 'realm="Restricted IPFS Cluster API"'

/** Why a request is not served, with the `WWW-Authenticate` lines that tell what would help. */
export interface Refusal {
  readonly message: string
  readonly challenges: readonly string[]
}

const denied: Refusal = { message: 'unauthorized: access denied', challenges: [`Basic ${realm}`] }
const invalidToken: Refusal = { message: 'unauthorized: invalid token', challenges: [`Bearer ${realm}, error="invalid_token"`] }
const nothingGiven: Refusal = { message: 'unauthorized: no auth provided', challenges: [`Bearer ${realm}`, `Basic ${realm}`] }

/** Checks who asks: user and password (RFC 7617) or a token made from them (RFC 6750), spec/rest-api.md 10. */
export class Authentication {
  readonly #passwords: ReadonlyMap<string, string>
  readonly #clock: Clock

  constructor (credentials: Readonly<Record<string, string>>, clock: Clock) {
    this.#passwords = new Map(Object.entries(credentials))
    this.#clock = clock
  }

  /** The user that an `Authorization` header proves to be, or what is wrong with it. */
  check (authorization: string | undefined): string | Refusal {
    if (authorization === undefined) return nothingGiven
    const basic = basicCredentials(authorization)
    if (basic !== undefined) return this.#isPassword(basic.user, basic.password) ? basic.user : denied
    if (!/^bearer /i.test(authorization)) return nothingGiven
    return userOfToken(authorization.slice('Bearer '.length), user => this.#passwords.get(user), this.#clock.now()) ?? invalidToken
  }

  /** A token for `user`; undefined for nobody. */
  token (user: string): string | undefined {
    const password = this.#passwords.get(user)
    return password === undefined ? undefined : signToken(user, password)
  }

  /** Takes the same time whatever the password is: hashes are compared, of equal length. */
  #isPassword (user: string, given: string): boolean {
    const password = this.#passwords.get(user) ?? ''
    const isEqual = timingSafeEqual(hash('sha256', password, 'buffer'), hash('sha256', given, 'buffer'))
    return isEqual && user !== '' && password !== ''
  }
}

function basicCredentials (authorization: string): { user: string, password: string } | undefined {
  const encoded = /^basic ((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)$/i.exec(authorization)?.[1]
  if (encoded === undefined) return undefined
  const text = Buffer.from(encoded, 'base64').toString()
  const colon = text.indexOf(':')
  return colon < 0 ? undefined : { user: text.slice(0, colon), password: text.slice(colon + 1) }
}
