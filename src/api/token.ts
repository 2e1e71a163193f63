import { quoteJson } from '../codec/json.ts'
import type { Authentication } from './authentication.ts'
import type { Exchange } from './exchange.ts'

/** Answers `POST /token`: a token for the user who asks (spec/rest-api.md 10). */
export function tokenHandler (authentication: Authentication | undefined): (exchange: Exchange) => void {
  return exchange => {
    const token = authentication?.token(exchange.user)
    if (token === undefined) exchange.refuse(401, 'unauthorized')
    else exchange.json(`{"token":${quoteJson(token)}}`)
  }
}
