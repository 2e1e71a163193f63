import type { Agent, ClientRequest, IncomingMessage } from 'node:http'
import { TransportError, UploadError, type HttpAnswer, type HttpRequest, type HttpTransport } from '../../client/http-transport.ts'
import { errorText } from '../../domain/errors.ts'
import { isLoopback, webAgentOptions } from '../../platform/web-agent.ts'
import { connectionReason, systemReason } from './system-error.ts'

// A plain import reads every export of the module, among them getters that load all of undici: 45 ms.
const http = process.getBuiltinModule('node:http')

/** As long as the reference waits for a connection. */
const connectTimeoutMs = 30_000

export interface TransportOptions {
  readonly verifyCertificates: boolean
  /** HTTP_PROXY, HTTPS_PROXY and NO_PROXY count, except for loopback hosts. */
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** HTTP and HTTPS over `node:http`, because of trailers and unix sockets, which `fetch` does not have. */
export class NodeHttpTransport implements HttpTransport {
  readonly #options: TransportOptions
  readonly #agents = new Map<string, Agent>()

  constructor (options: TransportOptions) {
    this.#options = options
  }

  async send (request: HttpRequest): Promise<HttpAnswer> {
    const outgoing = await this.#open(request)
    const upload = new Upload(outgoing, request.body)
    const dialTimer = setTimeout(() => { outgoing.destroy(new Error('i/o timeout')) }, connectTimeoutMs)
    let isConnected = false
    outgoing.on('socket', socket => {
      const connected = (): void => {
        isConnected = true
        clearTimeout(dialTimer)
      }
      if (socket.connecting) socket.once(request.url.protocol === 'https:' ? 'secureConnect' : 'connect', connected)
      else connected()
    })
    try {
      return answerOf(await headOf(outgoing), upload)
    } catch (error) {
      throw upload.failure ?? new TransportError(connectionReason(error, request.url, { socketPath: request.socketPath, isConnected }), { cause: error })
    } finally {
      clearTimeout(dialTimer)
    }
  }

  async #open ({ method, url, socketPath, headers, body, signal }: HttpRequest): Promise<ClientRequest> {
    const isHttps = url.protocol === 'https:'
    const { request, Agent } = isHttps ? await import('node:https') : http
    const host = socketPath === undefined ? url.hostname : undefined
    const key = `${url.protocol}${host === undefined || isLoopback(host)}`
    let agent = this.#agents.get(key)
    if (agent === undefined) {
      agent = new Agent({ keepAlive: true, ...await webAgentOptions({ isHttps, host, ...this.#options }) })
      this.#agents.set(key, agent)
    }
    return request(url, {
      method,
      agent,
      headers: { ...headers, ...body === undefined ? {} : { 'transfer-encoding': 'chunked' } },
      ...socketPath === undefined ? {} : { socketPath },
      ...signal === undefined ? {} : { signal },
      ...isHttps ? { rejectUnauthorized: this.#options.verifyCertificates, minVersion: 'TLSv1.2' as const } : {},
    })
  }
}

/** Sends a body no faster than the socket takes it. */
class Upload {
  failure: UploadError | undefined
  readonly #request: ClientRequest

  constructor (request: ClientRequest, body: AsyncIterable<Uint8Array> | undefined) {
    this.#request = request
    if (body === undefined) request.end()
    else void this.#send(body)
  }

  async #send (body: AsyncIterable<Uint8Array>): Promise<void> {
    try {
      for await (const chunk of body) {
        if (this.#request.destroyed) return
        if (!this.#request.write(chunk)) await this.#room()
      }
      this.#request.end()
    } catch (error) {
      this.failure = new UploadError(errorText(error), { cause: error })
      this.#request.destroy(this.failure)
    }
  }

  /** Also resolves when the connection is gone: the reader of the answer learns why. */
  #room (): Promise<void> {
    const request = this.#request
    return new Promise(resolve => {
      const done = (): void => {
        request.off('drain', done)
        request.off('close', done)
        resolve()
      }
      request.on('drain', done)
      request.on('close', done)
      if (request.destroyed) done()
    })
  }
}

function headOf (request: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once('response', resolve)
    // Stays: an error behind the head reaches the reader through the answer.
    request.on('error', reject)
  })
}

function answerOf (incoming: IncomingMessage, upload: Upload): HttpAnswer {
  return {
    status: incoming.statusCode ?? 0,
    header: name => {
      const value = incoming.headers[name]
      return Array.isArray(value) ? value.join(', ') : value
    },
    body: chunksOf(incoming, upload),
    trailer: name => incoming.trailersDistinct[name] ?? [],
  }
}

async function * chunksOf (incoming: IncomingMessage, upload: Upload): AsyncGenerator<Uint8Array> {
  try {
    yield * incoming as AsyncIterable<Uint8Array>
  } catch (error) {
    if (upload.failure !== undefined) throw upload.failure
    const isCut = error instanceof Error && 'code' in error && error.code === 'ECONNRESET'
    throw new TransportError(isCut ? 'unexpected EOF' : systemReason(error), { cause: error })
  }
}
