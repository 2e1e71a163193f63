import type { Authentication } from './authentication.ts'
import { isPreflight, type Cors } from './cors.ts'
import type { Exchange } from './exchange.ts'
import { parseTarget, plainPathEnd, redirectOf, routableUrl, type RequestTarget } from './request-target.ts'

/**
 * What every request passes before the router, outside in: a readable target, authentication,
 * CORS, the final form of the path (spec/rest-api.md 1).
 */
export class Gate {
  readonly #authentication: Authentication | undefined
  readonly #cors: Cors

  constructor (authentication: Authentication | undefined, cors: Cors) {
    this.#authentication = authentication
    this.#cors = cors
  }

  /** False when the request is answered already. Else its URL is one that a router finds. */
  admit (exchange: Exchange): boolean {
    const { request, url } = exchange
    if (plainPathEnd(url) >= 0) return this.#admitKnown(exchange, undefined)
    if (url === '*' && request.method === 'OPTIONS') {
      exchange.bare(200, ['Content-Length', '0'])
      return false
    }
    const target = url === '*' ? { path: '*', query: '' } : parseTarget(url)
    if (target === undefined) {
      exchange.bare(400, ['Content-Type', 'text/plain; charset=utf-8', 'Connection', 'close'], '400 Bad Request')
      return false
    }
    return this.#admitKnown(exchange, target)
  }

  /** @param target undefined when the path is in its final form as it came */
  #admitKnown (exchange: Exchange, target: RequestTarget | undefined): boolean {
    const { request } = exchange
    if (this.#authentication !== undefined && !this.#authenticate(exchange, this.#authentication, target)) return false
    if (isPreflight(request)) {
      exchange.bare(204, this.#cors.preflight(request.headers))
      return false
    }
    if (target === undefined) return true
    const redirect = redirectOf(target)
    if (redirect === undefined) {
      request.url = routableUrl(target)
      return true
    }
    const headers = [...this.#cors.headers(request), 'Location', redirect.location]
    const hasText = redirect.status === 307 && (request.method === 'GET' || request.method === 'HEAD')
    const text = hasText ? `<a href="${escapeHtml(redirect.location)}">Temporary Redirect</a>.\n\n` : ''
    exchange.bare(redirect.status, [...headers, ...(hasText ? ['Content-Type', 'text/html; charset=utf-8'] : []), 'Content-Length', String(text.length)], text)
    return false
  }

  /** Health checks and OPTIONS, which browsers send without credentials, are open to all. */
  #authenticate (exchange: Exchange, authentication: Authentication, target: RequestTarget | undefined): boolean {
    const { request, url } = exchange
    if (request.method === 'OPTIONS') return true
    if (request.method === 'GET' && (target?.path ?? url.replace(/\?.*$/s, '')) === '/health') return true
    const verdict = authentication.check(request.headers.authorization)
    if (typeof verdict === 'string') {
      exchange.user = verdict
      return true
    }
    // The answer has not passed the CORS layer, which is behind this one.
    exchange.hasPassedCors = false
    exchange.refuse(401, verdict.message, verdict.challenges.flatMap(challenge => ['WWW-Authenticate', challenge]))
    return false
  }
}

function escapeHtml (text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&#34;').replaceAll('\'', '&#39;')
}
