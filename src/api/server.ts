import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Server as HttpsServer } from 'node:https'
import { resolve } from 'node:path'
import type { Duplex } from 'node:stream'
import { ClusterError, errorText } from '../domain/errors.ts'
import type { Multiaddress } from '../domain/peer.ts'
import { http } from '../platform/http.ts'
import type { Platform, Startable } from '../platform/lifecycle.ts'
import type { Logger } from '../platform/logger.ts'
import type { Tracer } from '../platform/tracer.ts'
import type { ApiOptions } from './api-options.ts'
import type { Authentication } from './authentication.ts'
import { Cors, type HeaderLines } from './cors.ts'
import { Exchange, type ErrorStyle, type ExchangeContext } from './exchange.ts'
import { Gate } from './gate.ts'
import { listenOn, serverMaker } from './listeners.ts'
import { openRequestLog, type RequestLog } from './request-log.ts'
import type { Route } from './route.ts'
import { ApiRequest, fastifyRouter, type Router } from './router.ts'

/** What an API is made of. */
export interface ApiServerParts {
  /** The section's name and the logger's: `restapi`. */
  readonly name: string
  readonly options: ApiOptions
  /** The configuration folder. */
  readonly folder: string
  readonly routes: readonly Route[]
  readonly errors: ErrorStyle
  readonly authentication: Authentication | undefined
  readonly platform: Platform
}

/** An API for programs, answering while it runs. */
export interface ApiServer extends Startable {
  /** Where it listens, with the ports that it got. */
  addresses (): Multiaddress[]
}

/** How long requests may take to end when the peer stops. */
const drainMs = 500
/** How long answers that have ended may take to arrive. */
const flushMs = 250
/** The reference takes such URLs, which curl sends as they are written; the runtime does not. */
const badUrl = 'the URL has characters that must be percent-encoded'
/** What the runtime says of the connection and the body is its own. */
const reservedHeaders = new Set(['connection', 'content-length', 'keep-alive', 'trailer', 'transfer-encoding', 'upgrade'])

export function apiServer (parts: ApiServerParts): ApiServer {
  return new HttpApiServer(parts)
}

/** What the runtime's parser says of what is no HTTP request. */
interface ParserError extends NodeJS.ErrnoException { readonly reason?: string }
/** What Node.js keeps below a TLS socket to itself: the connection on which somebody spoke without TLS. */
interface EncryptedSocket extends Duplex { readonly _parent?: Duplex | undefined }

class HttpApiServer implements ApiServer {
  readonly #parts: ApiServerParts
  readonly #logger: Logger
  readonly #gate: Gate
  readonly #cors: Cors
  readonly #active = new Set<Exchange>()
  #router: Router | undefined
  #context: ExchangeContext | undefined
  #requestLog: RequestLog | undefined
  #servers: Array<Server | HttpsServer> = []
  #addresses: Multiaddress[] = []
  #isStopping = false
  #stopped: Promise<void> | undefined
  #whenIdle = (): void => {}

  constructor (parts: ApiServerParts) {
    this.#parts = parts
    this.#logger = parts.platform.loggers.component(parts.name)
    this.#cors = new Cors(parts.options)
    this.#gate = new Gate(parts.authentication, this.#cors)
  }

  addresses (): Multiaddress[] { return [...this.#addresses] }

  async start (signal: AbortSignal): Promise<void> {
    try {
      await this.#open(signal)
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  stop (): Promise<void> {
    this.#stopped ??= this.#close()
    return this.#stopped
  }

  async #open (signal: AbortSignal): Promise<void> {
    const { name, options, folder, routes, errors, authentication, platform: { clock, loggers, tracer } } = this.#parts
    const configuredHeaders = this.#configuredHeaders()
    this.#router = await fastifyRouter(routes)
    this.#requestLog = await openRequestLog(options.httpLogFile === '' ? '' : resolve(folder, options.httpLogFile), loggers.component(`${name}log`), this.#logger)
    this.#context = {
      errors,
      clock,
      logger: this.#logger,
      requestLog: this.#requestLog,
      configuredHeaders,
      corsHeaders: request => this.#cors.headers(request),
      isStopping: () => this.#isStopping,
      ended: exchange => {
        this.#active.delete(exchange)
        if (this.#active.size === 0) this.#whenIdle()
      },
    }
    const take = tracer === undefined ? this.#take.bind(this) : this.#takeTraced.bind(this, tracer)
    const makeServer = await serverMaker(options, folder, take, { IncomingMessage: ApiRequest })
    for (const address of options.httpListenMultiaddress) {
      signal.throwIfAborted()
      const server = makeServer()
      this.#servers.push(server)
      server.on('clientError', (error: ParserError, socket: Duplex) => this.#refuseConnection(error, socket))
      const bound = await listenOn(server, address)
      server.on('error', (error: Error) => this.#logger.error({ address: bound, error: error.message }, 'the listener has a problem'))
      this.#addresses.push(bound)
      const kind = options.sslCertFile === '' ? 'HTTP' : 'HTTPS'
      this.#logger.info(`${name.toUpperCase()} (${kind}${authentication === undefined ? '' : ' - authenticated'}): ${bound}`)
    }
    signal.throwIfAborted()
  }

  #takeTraced (tracer: Tracer, request: IncomingMessage, response: ServerResponse): void {
    const { method = '', headers: { host = '', 'user-agent': agent = '' } } = request
    const path = (request.url ?? '').replace(/\?.*$/s, '')
    const span = tracer.span(`${host}:${path}:${method}`, {
      kind: 'server',
      attributes: { 'http.host': host, 'http.method': method, 'http.path': path, 'http.user_agent': agent },
    })
    response.once('close', () => {
      span.set('http.status_code', response.statusCode)
      span.end(response.statusCode >= 500 ? new ClusterError('INTERNAL', response.statusMessage) : undefined)
    })
    span.within(() => { this.#take(request, response) })
  }

  #take (request: IncomingMessage, response: ServerResponse): void {
    const exchange = new Exchange(request, response, this.#context as ExchangeContext)
    this.#active.add(exchange)
    const { options: { writeTimeoutMs }, platform: { clock } } = this.#parts
    if (writeTimeoutMs > 0) response.once('close', clock.after(writeTimeoutMs, () => response.destroy()))
    if (this.#gate.admit(exchange)) (this.#router as Router)(exchange)
  }

  /** Answers what is no HTTP request (spec/rest-api.md 1); nothing is said to a client that only was too slow or has gone. */
  #refuseConnection (error: ParserError, socket: Duplex): void {
    if (error.code === 'ERR_SSL_HTTP_REQUEST') {
      sayGoodbye((socket as EncryptedSocket)._parent, 'HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n')
      return
    }
    const isAnswering = [...this.#active].some(exchange => exchange.request.socket === socket)
    if (!socket.writable || isAnswering || error.code === 'ECONNRESET' || error.code === 'ERR_HTTP_REQUEST_TIMEOUT') {
      socket.destroy()
      return
    }
    const reason = error.code === 'HPE_HEADER_OVERFLOW' ? '431 Request Header Fields Too Large' : '400 Bad Request'
    const text = error.reason?.startsWith('Invalid char in url') === true ? `${reason}: ${badUrl}` : reason
    sayGoodbye(socket, `HTTP/1.1 ${reason}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n${text}`)
  }

  #configuredHeaders (): HeaderLines {
    const { name, options } = this.#parts
    const lines: string[] = []
    for (const [header, values] of Object.entries(options.headers)) {
      if (reservedHeaders.has(header.toLowerCase())) {
        this.#logger.warn({ header }, `${name}.headers: this header belongs to the server and is not sent as configured`)
        continue
      }
      for (const value of values) {
        try {
          http.validateHeaderName(header)
          http.validateHeaderValue(header, value)
        } catch (error) {
          throw new ClusterError('INVALID_CONFIGURATION', `${name}.headers: ${errorText(error)}`, { cause: error })
        }
        lines.push(header, value)
      }
    }
    return lines
  }

  /** Takes no more connections, lets the requests end, cuts off those that do not. */
  async #close (): Promise<void> {
    this.#isStopping = true
    const listening = this.#servers.filter(server => server.listening)
    const closed = Promise.all(listening.map(server => new Promise(resolve => { server.close(resolve) })))
    await this.#drained()
    for (const exchange of this.#active) exchange.cancel('the peer stops')
    for (const server of listening) server.closeIdleConnections()
    const { clock } = this.#parts.platform
    const cut = clock.after(flushMs, () => { for (const server of listening) server.closeAllConnections() })
    await closed
    cut()
    await this.#requestLog?.close()
  }

  async #drained (): Promise<void> {
    if (this.#active.size === 0) return
    await new Promise<void>(resolve => {
      const stopWaiting = this.#parts.platform.clock.after(drainMs, resolve)
      this.#whenIdle = () => {
        stopWaiting()
        resolve()
      }
    })
  }
}

function sayGoodbye (socket: Duplex | undefined, text: string): void {
  socket?.once('finish', () => socket.destroy())
  socket?.end(text)
}
