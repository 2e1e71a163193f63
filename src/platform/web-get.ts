import type { IncomingMessage } from 'node:http'
import { createGunzip } from 'node:zlib'
import { http } from './http.ts'
import { webAgentOptions } from './web-agent.ts'

/** As long as the reference waits for a connection. */
const connectTimeoutMs = 30_000
/** As many requests as the reference makes for one URL. */
const maxRequests = 10
const redirects = new Set([301, 302, 303, 307, 308])

export interface WebGetOptions {
  readonly environment: Readonly<Record<string, string | undefined>>
  /** How the program names itself: some servers answer nobody without a name. */
  readonly userAgent: string
  readonly signal?: AbortSignal
}

export interface WebAnswer {
  readonly status: number
  /** Read once; leaving the iteration early ends the connection. */
  readonly body: AsyncIterable<Uint8Array>
}

/** A request had no answer, or one that led nowhere. The cause is the error of the network, if that is why. */
export class WebError extends Error {
  /** What was asked for: after a redirect not what the caller gave. */
  readonly url: URL

  constructor (url: URL, reason: unknown) {
    super(typeof reason === 'string' ? reason : (reason as Error).message, typeof reason === 'string' ? undefined : { cause: reason })
    this.name = 'WebError'
    this.url = url
  }
}

/**
 * Asks a web server for what it has at `first` and follows where it leads. (`fetch` knows neither
 * proxies nor the machine's certificates, nor ports such as 6000 and names in the URL.)
 * @throws WebError
 */
export async function webGet (first: URL, options: WebGetOptions): Promise<WebAnswer> {
  let url = first
  for (let requests = 1; ; requests++) {
    if (!/^https?:$/.test(url.protocol)) throw new WebError(url, `unsupported protocol scheme "${url.protocol.slice(0, -1)}"`)
    if (requests > maxRequests) throw new WebError(url, `stopped after ${maxRequests} redirects`)
    const answer = await get(url, options).catch((error: unknown) => { throw new WebError(url, error) })
    const { statusCode: status = 0, headers } = answer
    if (!redirects.has(status) || headers.location === undefined) return { status, body: headers['content-encoding']?.toLowerCase() === 'gzip' ? unzipped(answer) : answer }
    const next = URL.parse(headers.location, url)
    if (next === null) throw new WebError(url, `failed to parse Location header ${JSON.stringify(headers.location)}`)
    answer.destroy()
    url = next
  }
}

async function get (url: URL, { environment, userAgent, signal }: WebGetOptions): Promise<IncomingMessage> {
  const isHttps = url.protocol === 'https:'
  const { request, Agent } = isHttps ? await import('node:https') : http
  const agent = new Agent(await webAgentOptions({ isHttps, host: url.hostname, verifyCertificates: true, environment }))
  return await new Promise((resolve, reject) => {
    const outgoing = request(url, { agent, headers: { 'accept-encoding': 'gzip', 'user-agent': userAgent }, timeout: connectTimeoutMs, ...signal && { signal } })
    outgoing.once('response', resolve)
    outgoing.on('error', reject)
    outgoing.on('timeout', () => { outgoing.destroy(new Error('i/o timeout')) })
    // Once somebody is there it may take any time.
    outgoing.once('socket', socket => { socket.once('connect', () => { outgoing.setTimeout(0) }) })
    outgoing.end()
  })
}

async function * unzipped (answer: IncomingMessage): AsyncGenerator<Uint8Array> {
  const unzip = createGunzip()
  answer.on('error', error => { unzip.destroy(error) })
  try {
    yield * answer.pipe(unzip)
  } finally {
    answer.destroy()
  }
}
