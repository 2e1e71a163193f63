import type { Exchange } from './exchange.ts'
import { PathPattern, segmentsOf, type PathParameters, type Route } from './route.ts'

/** What is to be done for a request. */
export type RouteFound =
  | { readonly route: Route, readonly parameters: PathParameters }
  /** What no row serves. */
  | { readonly refusal: 404 | 405 }

interface Row { readonly route: Route, readonly pattern: PathPattern }

/**
 * The rows of a table: the first one with the method and the path of a request serves it. What none
 * serves gets 404 or 405 by the contract's rule.
 */
export class Router {
  readonly #rows: readonly Row[]
  readonly #rowsOf = new Map<string, readonly Row[]>()

  constructor (routes: readonly Route[]) {
    this.#rows = routes.map(route => ({ route, pattern: new PathPattern(route.path) }))
    for (const { method } of routes) this.#rowsOf.set(method, this.#rows.filter(row => row.route.method === method))
  }

  /** Has the row for the request's URL, whose path is in its final form, answer. */
  route (exchange: Exchange): void {
    const { request } = exchange
    const found = this.find(request.method ?? '', request.url ?? '')
    if ('route' in found) {
      exchange.parameters = found.parameters
      serve(found.route, exchange)
    } else if (found.refusal === 404) {
      exchange.refuse(404, 'not found')
    } else {
      exchange.bare(405, [...exchange.context.corsHeaders(request), 'Content-Length', '0'])
    }
  }

  find (method: string, url: string): RouteFound {
    const path = readPath(url)
    for (const { route, pattern } of this.#rowsOf.get(method) ?? []) {
      const parameters = pattern.match(path)
      if (parameters !== undefined) return { route, parameters }
    }
    return { refusal: this.#isMethodNotAllowed(method, path) ? 405 : 404 }
  }

  /**
   * Tells whether a request that no row serves gets 405 instead of 404: the last row with its path
   * comes after every row with its method (spec/rest-api.md 1.1).
   */
  #isMethodNotAllowed (method: string, path: readonly string[]): boolean {
    let isMismatch = false
    for (const { route, pattern } of this.#rows) {
      if (route.method === method) isMismatch = false
      else if (pattern.match(path) !== undefined) isMismatch = true
    }
    return isMismatch
  }
}

/** The decoded segments of the path of a URL. */
function readPath (url: string): string[] {
  const end = url.indexOf('?')
  const segments = segmentsOf(end < 0 ? url : url.slice(0, end))
  return url.includes('%') ? segments.map(decodeURIComponent) : segments
}

function serve (row: Route, exchange: Exchange): void {
  try {
    const answering = row.handle(exchange)
    if (answering !== undefined) answering.catch((error: unknown) => exchange.fail(error))
  } catch (error) {
    exchange.fail(error)
  }
}
