import type { Exchange } from './exchange.ts'

/** A row of an API's table. */
export interface Route {
  readonly method: string
  /** Segments: fixed, `{name}` for any one, `{name:a|b}` for one of these, `{name...}` for all that follow. */
  readonly path: string
  readonly handle: (exchange: Exchange) => void | Promise<void>
}

/** What stood in the places of a path, by their names. */
export type PathParameters = Readonly<Record<string, string>>

/** A row's path as fastify writes it. */
export interface FastifyPath {
  readonly url: string
  /** The parameters of the row, from those that fastify finds. */
  readonly parametersOf: (found: PathParameters) => PathParameters
}

/** Fastify's forms of a row's path: one for each choice of `{name:a|b}`. */
export function fastifyPaths (path: string): FastifyPath[] {
  const choice = /\{(\w+):([^}]+)\}/.exec(path)
  if (choice !== null) {
    const [place, name = '', words = ''] = choice
    return words.split('|').flatMap(word => fastifyPaths(path.replace(place, word))
      .map(({ url, parametersOf }) => ({ url, parametersOf: found => ({ [name]: word, ...parametersOf(found) }) })))
  }
  const rest = /\{(\w+)\.\.\.\}$/.exec(path)?.[1]
  const url = path.replace(/\{\w+\.\.\.\}$/, '*').replace(/\{(\w+)\}/g, ':$1')
  if (rest === undefined) return [{ url, parametersOf: found => found }]
  return [{ url, parametersOf: ({ '*': following = '', ...others }) => ({ ...others, [rest]: following }) }]
}

/** Which refusal a request gets that no row of a table serves. */
export class Refusals {
  readonly #rows: ReadonlyArray<{ readonly method: string, readonly pattern: RegExp }>

  constructor (routes: readonly Route[]) {
    this.#rows = routes.map(({ method, path }) => ({ method, pattern: pathPattern(path) }))
  }

  /**
   * 405 when the last row with the path comes after every row with the method (spec/rest-api.md 1.1).
   * @param path decoded
   */
  statusOf (method: string, path: string): 404 | 405 {
    let isMismatch = false
    for (const row of this.#rows) {
      if (row.method === method) isMismatch = false
      else if (row.pattern.test(path)) isMismatch = true
    }
    return isMismatch ? 405 : 404
  }
}

function pathPattern (path: string): RegExp {
  const source = path
    .replace(/\{\w+\.\.\.\}/g, '.*')
    .replace(/\{\w+:([^}]+)\}/g, '(?:$1)')
    .replace(/\{\w+\}/g, '[^/]+')
  return new RegExp(`^${source}$`, 's')
}
