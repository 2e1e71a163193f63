import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { errorText } from '../domain/errors.ts'
import type { Multiaddress } from '../domain/peer.ts'
import { http } from '../platform/http.ts'
import type { Platform, Startable } from '../platform/lifecycle.ts'
import type { Logger } from '../platform/logger.ts'
import type { PrometheusMetrics } from '../platform/prometheus-metrics.ts'
import { listenOn } from './listeners.ts'

/** Where the figures are served, as in the reference (spec/components.md 10). */
const path = '/metrics'
/** For a request to arrive, in milliseconds: scrapers send small ones at once. */
const requestTimeoutMs = 5_000
/** A connection on which nothing moves for so long is closed: scrapers come at least every two minutes or connect anew. */
const idleTimeoutMs = 120_000
/** Connections at once: a few scrapers keep one each. */
const maxConnections = 64

export interface MetricsEndpointParts {
  readonly address: Multiaddress
  readonly metrics: PrometheusMetrics
  readonly platform: Platform
}

/** Serves the figures of the peer to Prometheus, over plain HTTP and open to all who can reach the address. */
export class MetricsEndpoint implements Startable {
  readonly #parts: MetricsEndpointParts
  readonly #logger: Logger
  #server: Server | undefined
  #address: Multiaddress | undefined
  /** Being made: all who ask meanwhile get the same. */
  #text: Promise<string> | undefined

  constructor (parts: MetricsEndpointParts) {
    this.#parts = parts
    this.#logger = parts.platform.loggers.component('observations')
  }

  /** Where it listens, with the port that it got; undefined when it does not. */
  get address (): Multiaddress | undefined { return this.#address }

  /** @throws ClusterError `ADDRESS_IN_USE`, `INVALID_CONFIGURATION` */
  async start (signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const timeouts = { requestTimeout: requestTimeoutMs, headersTimeout: requestTimeoutMs, keepAliveTimeout: idleTimeoutMs }
    const server = http.createServer(timeouts, (request, response) => { void this.#answer(request, response) })
    server.timeout = idleTimeoutMs
    server.maxConnections = maxConnections
    this.#address = await listenOn(server, this.#parts.address)
    this.#server = server
    server.on('error', error => { this.#logger.error({ address: this.#address, error: error.message }, 'the listener has a problem') })
    this.#logger.info(`stats collection enabled on ${this.#address}`)
  }

  async stop (): Promise<void> {
    const server = this.#server
    this.#server = this.#address = undefined
    if (server === undefined) return
    const closed = new Promise(resolve => { server.close(resolve) })
    server.closeAllConnections()
    await closed
  }

  async #answer (request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method, url = '' } = request
    if (url.replace(/\?.*$/s, '') !== path) say(response, 404, `not found: the figures are at ${path}`)
    else if (method !== 'GET' && method !== 'HEAD') say(response.setHeader('Allow', 'GET, HEAD'), 405, `use GET ${path}`)
    else {
      try {
        this.#text ??= this.#parts.metrics.text().finally(() => { this.#text = undefined })
        const text = await this.#text
        response.writeHead(200, { 'Content-Type': this.#parts.metrics.contentType, 'Content-Length': Buffer.byteLength(text) }).end(text)
      } catch (error) {
        this.#logger.error(`the figures could not be had: ${errorText(error)}`)
        say(response, 500, errorText(error))
      }
    }
  }
}

function say (response: ServerResponse, status: number, message: string): void {
  const text = `${message}\n`
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8', 'Content-Length': Buffer.byteLength(text) }).end(text)
}
