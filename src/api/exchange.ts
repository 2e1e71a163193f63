import type { IncomingMessage, ServerResponse } from 'node:http'
import { decodeQuery } from '../codec/query.ts'
import { AssertionError, ClusterError, errorText } from '../domain/errors.ts'
import type { Time } from '../domain/time.ts'
import type { Clock } from '../platform/clock.ts'
import type { Logger } from '../platform/logger.ts'
import type { HeaderLines } from './cors.ts'
import { commonLogLine, type RequestLog } from './request-log.ts'

/** How an API tells errors. */
export interface ErrorStyle {
  statusOf (error: unknown): number
  /** The body, a JSON text without newline. */
  body (status: number, message: string): string
}

/** What the exchanges of a server share. */
export interface ExchangeContext {
  readonly errors: ErrorStyle
  readonly clock: Clock
  readonly logger: Logger
  readonly requestLog: RequestLog
  /** Configured for the answers of handlers. */
  readonly configuredHeaders: HeaderLines
  corsHeaders (request: IncomingMessage): HeaderLines
  /** True when the server takes no more requests. */
  isStopping (): boolean
  ended (exchange: Exchange): void
}

const noQuery: ReadonlyMap<string, string> = new Map()
const noParameters: Readonly<Record<string, string>> = {}
/**
 * How long the rest of an upload that nobody wants is thrown away behind its answer: a connection
 * closed with bytes unread is reset, and the sender may never see the answer.
 */
const lingerMs = 500
/**
 * A client that takes nothing for so long has forgotten its answer, which holds some MiB, and of a list
 * what each peer is asked for it. As long as its connection stands nothing else tells.
 */
const unreadMs = 3_600_000

/** One request and its answer. Every method that answers may be called once; what comes after the client has gone is dropped. */
export class Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly startedAt: Time
  /** The URL as it came. */
  readonly url: string
  readonly context: ExchangeContext
  /** Who asks; empty without authentication. */
  user = ''
  parameters: Readonly<Record<string, string>> = noParameters
  /** False for what is answered before CORS headers have their turn. */
  hasPassedCors = true
  #query: ReadonlyMap<string, string> | undefined
  #cancelled: AbortController | undefined
  #status = 0
  #sentBytes = 0
  #ended = false

  constructor (request: IncomingMessage, response: ServerResponse, context: ExchangeContext) {
    this.request = request
    this.response = response
    this.context = context
    this.url = request.url ?? ''
    this.startedAt = context.clock.now()
  }

  /** The decoded query; of a repeated key the first value. */
  get query (): ReadonlyMap<string, string> {
    if (this.#query !== undefined) return this.#query
    const at = this.url.indexOf('?')
    return this.#query = at < 0 ? noQuery : decodeQuery(this.url.slice(at + 1))
  }

  /** Aborted when the client goes away before the answer ends, or the server stops. */
  get signal (): AbortSignal {
    if (this.#cancelled === undefined) {
      this.#cancelled = new AbortController()
      if (this.response.destroyed) this.cancel('the client went away')
      else this.response.once('close', () => { if (!this.response.writableFinished) this.cancel('the client went away') })
    }
    return this.#cancelled.signal
  }

  /** True when nobody waits for the answer any more. */
  get isAbandoned (): boolean { return this.response.destroyed }

  cancel (reason: string): void {
    this.#cancelled ??= new AbortController()
    this.#cancelled.abort(new ClusterError('CANCELLED', reason))
  }

  /** Answers one JSON value. */
  json (text: string, status = 200, extra: HeaderLines = []): void {
    const body = `${text}\n`
    const sizeBytes = Buffer.byteLength(body)
    this.#status = status
    this.#end(this.#head(['Content-Length', String(sizeBytes), ...extra]), body, sizeBytes)
  }

  /** Answers success without a value. */
  empty (): void {
    this.#status = 204
    this.#end(this.#head([]), '', 0)
  }

  /** Answers an error by its code. */
  fail (error: unknown): void {
    this.examine(error)
    if (this.isAbandoned || this.response.headersSent) this.drop()
    else this.refuse(this.context.errors.statusOf(error), errorText(error))
  }

  /** Ends the process on a broken promise of our own code; tells of what nobody foresaw. */
  examine (error: unknown): void {
    const { clock, logger } = this.context
    if (error instanceof AssertionError) clock.soon(() => { throw error })
    else if (!(error instanceof ClusterError)) logger.error({ stack: error instanceof Error ? error.stack : undefined }, 'a request failed in an unforeseen way')
  }

  /** Answers an error. */
  refuse (status: number, message: string, extra: HeaderLines = []): void {
    this.logError(status, message)
    this.json(this.context.errors.body(status, message), status, extra)
  }

  logError (status: number, message: string): void {
    const text = `sending error response: ${status}: ${message}`
    if (status >= 500) this.context.logger.error(text)
    else this.context.logger.warn(text)
  }

  /** Answers with these headers alone: what comes from the server and not from a handler. */
  bare (status: number, headers: HeaderLines, body = ''): void {
    this.#status = status
    this.#end(headers, body, Buffer.byteLength(body))
  }

  /** Sends the head of an answer that comes in pieces. */
  begin (status: number, extra: HeaderLines): void {
    this.#status = status
    this.response.writeHead(status, this.#head(extra))
  }

  /** False when the client is slow: wait for {@link drained}. */
  write (piece: Uint8Array): boolean {
    this.#sentBytes += piece.byteLength
    return this.response.write(piece)
  }

  /** Resolves when the client has taken what was written, or has gone. */
  drained (): Promise<void> {
    const { response, context: { clock } } = this
    return new Promise(resolve => {
      if (response.destroyed || !response.writableNeedDrain) { resolve(); return }
      const cancel = clock.after(unreadMs, () => { response.destroy() })
      const done = (): void => {
        cancel()
        response.off('drain', done)
        response.off('close', done)
        resolve()
      }
      response.on('drain', done)
      response.on('close', done)
    })
  }

  /** Ends an answer that came in pieces. */
  finish (): void {
    const { response, context: { clock } } = this
    if (this.#isUploading()) this.#linger()
    response.end()
    if (response.writableLength > 0) response.once('close', clock.after(unreadMs, () => { response.destroy() }))
    this.#close()
  }

  /** Gives up on an answer: the client is gone, or must notice that something is missing. */
  drop (): void {
    this.response.destroy()
    this.#close()
  }

  #head (extra: HeaderLines): string[] {
    const { configuredHeaders, isStopping } = this.context
    const cors = this.hasPassedCors ? this.context.corsHeaders(this.request) : []
    const head = [...cors, ...configuredHeaders, 'Content-Type', 'application/json', ...extra]
    return isStopping() ? closing(head) : head
  }

  #end (headers: HeaderLines, body: string, sizeBytes: number): void {
    const { response } = this
    this.#sentBytes = sizeBytes
    if (response.destroyed) this.#close()
    else {
      response.writeHead(this.#status, this.#isUploading() ? closing(headers) : headers as string[])
      if (body !== '') response.write(body)
      this.finish()
    }
  }

  #isUploading (): boolean {
    const { complete, headers } = this.request
    return !complete && (headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0')
  }

  /** The runtime would close the connection with the end of the answer; so the client sees that it ends, and may send on for a moment. */
  #linger (): void {
    const { request, context: { clock } } = this
    const { socket } = request
    socket.destroySoon = () => {
      socket.end()
      socket.once('close', clock.after(lingerMs, () => { socket.destroy() }))
    }
    request.resume()
  }

  #close (): void {
    if (this.#ended) return
    this.#ended = true
    const { requestLog } = this.context
    requestLog.line(commonLogLine(this.request, this.url, this.startedAt, this.#status, this.#sentBytes))
    this.context.ended(this)
  }
}

/** With the line, once, that the connection ends with the answer. */
function closing (headers: HeaderLines): string[] {
  const hasLine = headers.some((name, i) => i % 2 === 0 && name.toLowerCase() === 'connection')
  return hasLine ? [...headers] : [...headers, 'Connection', 'close']
}
