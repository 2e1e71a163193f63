import { IncomingMessage, Server, type ServerResponse } from 'node:http'
import { AssertionError } from '../domain/errors.ts'
import type { Exchange } from './exchange.ts'
import { fastifyPaths, isMethodNotAllowed, type Route } from './route.ts'

/** A request that carries its exchange through the router. */
export class ApiRequest extends IncomingMessage {
  exchange: Exchange | undefined = undefined
}

export interface Router {
  /** Finds the row for `request.url`, whose path is in its final form, and has it answer. */
  readonly route: (request: IncomingMessage, response: ServerResponse) => void
  close (): Promise<void>
}

/** Longest value of a parameter: CIDs may carry content; the header limit is the real one. */
const maxParameterLength = 1024 * 1024

/**
 * Fastify with the rows of a table. Handlers read and answer through their exchange: fastify
 * touches neither bodies nor answers. What no row serves gets 404 or 405 by the contract's rule.
 */
export async function fastifyRouter (routes: readonly Route[]): Promise<Router> {
  const { fastify } = await import('fastify')
  const methods = new Set(routes.map(row => row.method))
  let routeKnown: Router['route'] | undefined
  const app = fastify<Server, ApiRequest, ServerResponse>({
    logger: false,
    exposeHeadRoutes: false,
    requestIdHeader: false,
    genReqId: () => '',
    return503OnClosing: false,
    serverFactory: handler => {
      routeKnown = handler
      return new Server()
    },
    // Loading fastify's own compilers of schemas would cost 40 ms at each start.
    schemaController: { compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas } },
    routerOptions: { maxParamLength: maxParameterLength, querystringParser: () => ({}) },
  })
  for (const method of methods) app.addHttpMethod(method, { hasBody: false, overrideExisting: true })
  for (const row of routes) {
    for (const { url, parametersOf } of fastifyPaths(row.path)) {
      app.route({
        method: row.method,
        url,
        handler (request, reply) {
          reply.hijack()
          const exchange = exchangeOf(request.raw)
          exchange.parameters = parametersOf(request.params as Record<string, string>)
          serve(row, exchange)
        },
      })
    }
  }
  app.setNotFoundHandler((request, reply) => {
    reply.hijack()
    refuse(routes, exchangeOf(request.raw))
  })
  await app.ready()
  return {
    route (request, response) {
      // For other methods fastify has rules of its own.
      if (methods.has(request.method ?? '')) (routeKnown as Router['route'])(request, response)
      else refuse(routes, exchangeOf(request as ApiRequest))
    },
    close: () => app.close(),
  }
}

function refuse (routes: readonly Route[], exchange: Exchange): void {
  const { request, context } = exchange
  const path = (request.url ?? '').replace(/\?.*$/s, '').split('/').map(decodeURIComponent).join('/')
  if (isMethodNotAllowed(routes, request.method ?? '', path)) exchange.bare(405, [...context.corsHeaders(request), 'Content-Length', '0'])
  else exchange.refuse(404, 'not found')
}

function noSchemas (): never {
  throw new AssertionError('no route has a schema')
}

function exchangeOf (request: ApiRequest): Exchange {
  return request.exchange as Exchange
}

function serve (row: Route, exchange: Exchange): void {
  try {
    const answering = row.handle(exchange)
    if (answering !== undefined) answering.catch((error: unknown) => exchange.fail(error))
  } catch (error) {
    exchange.fail(error)
  }
}
