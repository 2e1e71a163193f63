import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { CorsOptions } from './api-options.ts'

/** Header lines: name, value, name, value … */
export type HeaderLines = readonly string[]

const simpleMethods = ['GET', 'POST', 'HEAD']
const simpleHeaders = ['accept', 'content-type', 'x-requested-with']
/** More empty elements in a list of headers are a sign of malice (rs/cors). */
const maxEmptyElements = 16
const noOrigin: HeaderLines = ['Vary', 'Origin']
const preflightVary: HeaderLines = ['Vary', 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers']

/** Tells browsers which pages may use the API, as rs/cors does (Fetch standard, spec/rest-api.md 10). */
export class Cors {
  readonly #isOriginAllowed: (origin: string) => boolean
  readonly #anyOrigin: boolean
  readonly #methods: readonly string[]
  /** Sorted; undefined allows all. */
  readonly #headers: readonly string[] | undefined
  readonly #exposed: HeaderLines
  readonly #credentials: HeaderLines
  readonly #maxAge: HeaderLines

  constructor (options: CorsOptions) {
    const origins = options.corsAllowedOrigins.map(origin => origin.toLowerCase())
    this.#anyOrigin = origins.length === 0 || origins.includes('*')
    const matchers = origins.map(originMatcher)
    this.#isOriginAllowed = origin => this.#anyOrigin || matchers.some(matches => matches(origin.toLowerCase()))
    this.#methods = options.corsAllowedMethods.length === 0 ? simpleMethods : options.corsAllowedMethods
    const headers = options.corsAllowedHeaders.length === 0 ? simpleHeaders : options.corsAllowedHeaders
    this.#headers = headers.includes('*') ? undefined : [...new Set(headers.map(header => header.toLowerCase()))].toSorted()
    const exposed = options.corsExposedHeaders.map(canonicalName).join(', ')
    this.#exposed = exposed === '' ? [] : ['Access-Control-Expose-Headers', exposed]
    this.#credentials = options.corsAllowCredentials ? ['Access-Control-Allow-Credentials', 'true'] : []
    const maxAgeSeconds = Math.trunc(options.corsMaxAgeMs / 1000)
    this.#maxAge = maxAgeSeconds > 0 ? ['Access-Control-Max-Age', String(maxAgeSeconds)] : []
  }

  /** The headers for the answer to an ordinary request. */
  headers (request: IncomingMessage): HeaderLines {
    const { origin } = request.headers
    if (origin === undefined || origin === '') return noOrigin
    if (!this.#isOriginAllowed(origin) || !this.#isMethodAllowed(request.method ?? '')) return noOrigin
    return [...noOrigin, ...this.#allowOrigin(origin), ...this.#exposed, ...this.#credentials]
  }

  /** The headers for the answer to a preflight request. */
  preflight (headers: IncomingHttpHeaders): HeaderLines {
    const { origin = '' } = headers
    const method = headers['access-control-request-method'] ?? ''
    const asked = headers['access-control-request-headers']
    if (origin === '' || !this.#isOriginAllowed(origin) || !this.#isMethodAllowed(method)) return preflightVary
    if (asked !== undefined && !this.#areHeadersAllowed(asked)) return preflightVary
    return [
      ...preflightVary, ...this.#allowOrigin(origin), 'Access-Control-Allow-Methods', method,
      ...(asked ? ['Access-Control-Allow-Headers', asked] : []), ...this.#credentials, ...this.#maxAge,
    ]
  }

  #allowOrigin (origin: string): HeaderLines {
    return ['Access-Control-Allow-Origin', this.#anyOrigin ? '*' : origin]
  }

  #isMethodAllowed (method: string): boolean {
    return method === 'OPTIONS' || this.#methods.includes(method)
  }

  /** Browsers send the names in lower case, sorted and each once: anything else is refused. */
  #areHeadersAllowed (asked: string): boolean {
    if (this.#headers === undefined) return true
    let last = -1
    let empty = 0
    for (const element of asked.split(',')) {
      const name = /^[ \t]?(.*?)[ \t]?$/.exec(element)?.[1] ?? ''
      if (name === '') {
        if (++empty > maxEmptyElements) return false
        continue
      }
      const position = this.#headers.indexOf(name)
      if (position <= last) return false
      last = position
    }
    return true
  }
}

export function isPreflight (request: IncomingMessage): boolean {
  return request.method === 'OPTIONS' && (request.headers['access-control-request-method'] ?? '') !== ''
}

/** An allowed origin may have one `*` for any number of characters. */
function originMatcher (allowed: string): (origin: string) => boolean {
  const star = allowed.indexOf('*')
  if (star < 0) return origin => origin === allowed
  const start = allowed.slice(0, star)
  const end = allowed.slice(star + 1)
  return origin => origin.length >= start.length + end.length && origin.startsWith(start) && origin.endsWith(end)
}

/** `x-stream-output` is written `X-Stream-Output`; what is no header name stays. */
function canonicalName (name: string): string {
  if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name)) return name
  return name.toLowerCase().replace(/(^|-)[a-z]/g, letter => letter.toUpperCase())
}
