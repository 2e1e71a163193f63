import { fastify, LogController } from 'fastify'
import type { Server, ServerResponse } from 'node:http'
import { AssertionError } from '../domain/errors.ts'
import { http } from '../platform/http.ts'
import type { Exchange } from './exchange.ts'
import { fastifyPaths, Refusals, type PathParameters, type Route } from './route.ts'

/** A request that carries its exchange through fastify. */
export class ApiRequest extends http.IncomingMessage {
  exchange: Exchange | undefined = undefined
}

/** Has the row for a request's URL, whose path is in its final form, answer. */
export type Router = (exchange: Exchange) => void

const noQuery = {}

/**
 * Fastify with the rows of a table. Handlers read and answer through their exchange: fastify finds
 * the row and touches neither bodies nor answers. It prefers fixed segments to places whatever the
 * order of the rows. What no row serves gets 404 or 405 by the contract's rule.
 */
export async function fastifyRouter (routes: readonly Route[]): Promise<Router> {
  const methods = new Set(routes.map(row => row.method))
  const refusals = new Refusals(routes)
  const app = fastify<Server, ApiRequest, ServerResponse>({
    exposeHeadRoutes: false,
    genReqId: () => '',
    // Requests come from our own listeners, and we log them and stop taking them ourselves.
    serverFactory: () => http.createServer(),
    logController: new LogController({ disableRequestLogging: true }),
    return503OnClosing: false,
    // Without these, fastify loads compilers of schemas, which no route has: 40 ms of each start.
    schemaController: { compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas } },
    // The limit of a header block is that of a parameter, too: CIDs may carry content. The query is the exchange's.
    routerOptions: { maxParamLength: Number.MAX_SAFE_INTEGER, querystringParser: () => noQuery },
  })
  // Bodies are for the handlers alone, which stream them.
  for (const method of methods) app.addHttpMethod(method, { hasBody: false, overrideExisting: true })
  for (const row of routes) {
    for (const { url, parametersOf } of fastifyPaths(row.path)) {
      app.route({
        method: row.method,
        url,
        handler (request, reply) {
          reply.hijack()
          const exchange = request.raw.exchange as Exchange
          exchange.parameters = parametersOf(request.params as PathParameters)
          serve(row, exchange)
        },
      })
    }
  }
  app.setNotFoundHandler((request, reply) => {
    reply.hijack()
    refuse(refusals, request.raw.exchange as Exchange)
  })
  await app.ready()
  return exchange => {
    const { request, response } = exchange
    // For methods without a row fastify has rules of its own.
    if (!methods.has(request.method ?? '')) {
      refuse(refusals, exchange)
      return
    }
    ;(request as ApiRequest).exchange = exchange
    app.routing(request as ApiRequest, response)
  }
}

function refuse (refusals: Refusals, exchange: Exchange): void {
  const { request, context } = exchange
  const path = (request.url ?? '').replace(/\?.*$/s, '').split('/').map(decodeURIComponent).join('/')
  if (refusals.statusOf(request.method ?? '', path) === 404) exchange.refuse(404, 'not found')
  else exchange.bare(405, [...context.corsHeaders(request), 'Content-Length', '0'])
}

function noSchemas (): never {
  throw new AssertionError('no route has a schema')
}

function serve (row: Route, exchange: Exchange): void {
  try {
    const answering = row.handle(exchange)
    if (answering !== undefined) answering.catch((error: unknown) => exchange.fail(error))
  } catch (error) {
    exchange.fail(error)
  }
}
