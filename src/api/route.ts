import type { Exchange } from './exchange.ts'

/** A row of an API's table. */
export interface Route {
  readonly method: string
  /** Segments: fixed, `{name}` for any one, `{name:a|b}` for one of these, `{name...}` for all that follow. */
  readonly path: string
  readonly handle: (exchange: Exchange) => void | Promise<void>
}

/** A path as fastify writes it. */
export interface FastifyPath {
  readonly url: string
  /** The parameters of the row, from those that fastify finds. */
  readonly parametersOf: (found: Readonly<Record<string, string>>) => Readonly<Record<string, string>>
}

/** Fastify's forms of a row's path: one for each choice of `{name:a|b}`. */
export function fastifyPaths (path: string): FastifyPath[] {
  const choice = /\{(\w+):([^}]+)\}/.exec(path)
  if (choice !== null) {
    const [placeholder, name = '', words = ''] = choice
    return words.split('|').flatMap(word => fastifyPaths(path.replace(placeholder, word))
      .map(({ url, parametersOf }) => ({ url, parametersOf: found => ({ ...parametersOf(found), [name]: word }) })))
  }
  const rest = /\{(\w+)\.\.\.\}$/.exec(path)
  const url = path.replace(/\{\w+\.\.\.\}$/, '*').replace(/\{(\w+)\}/g, ':$1')
  return [{ url, parametersOf: rest === null ? found => found : found => ({ ...found, [rest[1] as string]: found['*'] ?? '' }) }]
}

/**
 * Tells whether a request that no row serves gets 405 instead of 404: the last row with its path
 * comes after every row with its method (spec/rest-api.md 1.1).
 */
export function isMethodNotAllowed (routes: readonly Route[], method: string, path: string): boolean {
  let isMismatch = false
  for (const route of routes) {
    if (route.method === method) isMismatch = false
    else if (pathPattern(route.path).test(path)) isMismatch = true
  }
  return isMismatch
}

function pathPattern (path: string): RegExp {
  const source = path
    .replace(/\{\w+\.\.\.\}/g, '.*')
    .replace(/\{\w+:([^}]+)\}/g, '(?:$1)')
    .replace(/\{\w+\}/g, '[^/]+')
  return new RegExp(`^${source}$`, 's')
}
