import { ClusterError, errorText } from '../domain/errors.ts'
import { timerMs } from '../domain/time.ts'
import { ApiError } from './api-error.ts'
import type { ApiHost } from './host.ts'
import { TransportError, UploadError, type HttpAnswer, type HttpTransport } from './http-transport.ts'
import type { Received } from './item-stream.ts'
import type { ApiRequest } from './requests.ts'
import { readText, textLines } from './text-lines.ts'

export interface ClientOptions {
  readonly transport: HttpTransport
  /** Asked in this order until one answers; the one that did is asked first the next time. */
  readonly hosts: readonly ApiHost[]
  readonly credentials?: Credentials | undefined
  /** For a request with its whole answer; 0 for no limit. */
  readonly timeoutMs?: number
  /** Hears of what is sent and received, for the debug log. */
  readonly observer?: RequestObserver | undefined
}

export interface Credentials { readonly username: string, readonly password: string }

export interface RequestObserver {
  attempt (number: number): void
  request (method: string, url: string): void
  answer (body: string): void
  /** No host answered. */
  gaveUp (attempts: number): void
}

/** Longest answer that is one value, in bytes: garbage collection names every block that it removed. */
const maxAnswerBytes = 256 * 1024 * 1024
/** As many as the reference follows. */
const maxRedirects = 10
/** A trailer of the contract: what went wrong after the first values were sent. */
const streamErrorTrailer = 'x-stream-error'

/** Sends requests to the first host that answers and reads the answers. */
export class Requester {
  readonly #options: ClientOptions
  #preferred = 0

  constructor (options: ClientOptions) {
    if (options.hosts.length === 0) throw new ClusterError('INVALID_INPUT', 'the client needs at least one host')
    this.#options = options
  }

  async single<T> (request: ApiRequest<T>, signal?: AbortSignal): Promise<Received<T>> {
    const limited = this.#limit(signal)
    const answer = await this.#send(request, limited)
    const json = await this.#body(answer, limited)
    if (json === '' && request.hasNoContent === true) return { value: request.decode(undefined), json }
    try {
      return { value: decodeText(json, request.decode), json }
    } catch (error) {
      throw new ApiError(answer.status, errorText(error), { cause: error })
    }
  }

  async * stream<T> (request: ApiRequest<T>, signal?: AbortSignal): AsyncGenerator<ReadonlyArray<Received<T>>> {
    const limited = this.#limit(signal)
    const answer = await this.#send(request, limited)
    if (answer.status !== 200 && answer.status !== 204) throw new ApiError(answer.status, 'expected streaming response with code 200/204')
    try {
      for await (const lines of textLines(answer.body)) {
        yield lines.map(json => ({ value: decodeText(json, request.decode), json }))
      }
    } catch (error) {
      throw error instanceof TransportError ? new ClusterError('PEER_UNREACHABLE', reasonOf(error, limited, duringBody), { cause: error }) : error
    }
    const problems = answer.trailer(streamErrorTrailer).filter(text => text !== '')
    if (problems.length > 0) throw new ApiError(500, problems.join('; '))
  }

  /** The answer of the first host that gives one, when it is a success. */
  async #send (request: ApiRequest<unknown>, signal: AbortSignal | undefined): Promise<HttpAnswer> {
    const { hosts, observer } = this.#options
    const first = this.#preferred
    for (let attempt = 0; ; attempt++) {
      observer?.attempt(attempt + 1)
      const index = (first + attempt) % hosts.length
      try {
        const answer = await this.#sendTo(hosts[index] as ApiHost, request, signal)
        this.#preferred = index
        return answer
      } catch (error) {
        if (!(error instanceof ApiError) || error.status !== 0) throw error
        const isFinal = error.cause instanceof UploadError || signal?.aborted === true
        if (!isFinal && attempt + 1 < hosts.length) continue
        observer?.gaveUp(attempt + 1)
        throw error
      }
    }
  }

  async #sendTo (host: ApiHost, request: ApiRequest<unknown>, signal: AbortSignal | undefined): Promise<HttpAnswer> {
    let url = new URL(host.origin.replace(/^http\+unix:/, 'http:') + request.target)
    for (let redirects = 0; ; redirects++) {
      const shown = host.origin + url.pathname + url.search
      this.#options.observer?.request(request.method, shown)
      let answer: HttpAnswer
      try {
        answer = await this.#options.transport.send({
          method: request.method, url, socketPath: host.socketPath, headers: this.#headers(request), body: request.body?.chunks(), signal,
        })
      } catch (error) {
        if (!(error instanceof TransportError)) throw error
        const method = request.method.charAt(0) + request.method.slice(1).toLowerCase()
        throw new ApiError(0, `${method} "${shown}": ${reasonOf(error, signal, 'exceeded while awaiting headers')}`, { cause: error })
      }
      const location = answer.status >= 300 && answer.status < 400 ? answer.header('location') : undefined
      if (location === undefined || request.body !== undefined) {
        if (answer.status >= 400) throw ApiError.fromAnswer(answer.status, await this.#body(answer, signal))
        return answer
      }
      await this.#body(answer, signal)
      const next = new URL(location, url)
      if (next.origin !== url.origin || redirects === maxRedirects) throw new ApiError(answer.status, `redirected to ${next.href}, which is not followed`)
      url = next
    }
  }

  #headers (request: ApiRequest<unknown>): Record<string, string> {
    const { credentials } = this.#options
    return {
      ...request.body === undefined ? {} : { 'content-type': request.body.contentType },
      ...credentials === undefined ? {} : { authorization: `Basic ${base64(`${credentials.username}:${credentials.password}`)}` },
    }
  }

  async #body (answer: HttpAnswer, signal: AbortSignal | undefined): Promise<string> {
    try {
      const text = await readText(answer.body, maxAnswerBytes)
      this.#options.observer?.answer(text)
      return text.trimEnd()
    } catch (error) {
      throw error instanceof TransportError ? new ApiError(answer.status, reasonOf(error, signal, duringBody), { cause: error }) : error
    }
  }

  #limit (signal: AbortSignal | undefined): AbortSignal | undefined {
    const { timeoutMs = 0 } = this.#options
    if (timeoutMs <= 0) return signal
    const timeout = AbortSignal.timeout(timerMs(timeoutMs))
    return signal === undefined ? timeout : AbortSignal.any([signal, timeout])
  }
}

const duringBody = 'or context cancellation while reading body'

/** A time limit is told as one, whatever the transport made of it. */
function reasonOf (error: TransportError, signal: AbortSignal | undefined, timeout: string): string {
  if (signal?.aborted !== true) return error.message
  const reason: unknown = signal.reason
  return reason instanceof Error && reason.name === 'TimeoutError' ? `context deadline exceeded (Client.Timeout ${timeout})` : errorText(reason)
}

function decodeText<T> (json: string, decode: (json: unknown) => T): T {
  try {
    return decode(JSON.parse(json))
  } catch (error) {
    throw new ClusterError('INVALID_WIRE_DATA', `the answer cannot be read: ${errorText(error)}`, { cause: error })
  }
}

function base64 (text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)))
}
