import { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { TransportError, type HttpAnswer } from '../../client/http-transport.ts'
import { ClusterError } from '../../domain/errors.ts'
import { NodeHttpTransport } from './http-transport.ts'

/** As many requests as the reference makes for one URL. */
const maxRequests = 10
const redirects = new Set([301, 302, 303, 307, 308])
/** Some servers answer nobody without a name. */
const headers = { 'accept-encoding': 'gzip', 'user-agent': 'ipfs-cluster-ctl' }

/**
 * What a web server has at `first`, fetched when it is read, by the way that all requests of the
 * program take: through the proxies that `environment` names, with the certificates of the machine.
 * (`fetch` knows neither, nor ports such as 6000 and names in the URL.)
 * @throws ClusterError `INVALID_PATH` with the reference's texts
 */
export async function * download (first: URL, environment: Readonly<Record<string, string | undefined>>): AsyncGenerator<Uint8Array> {
  const transport = new NodeHttpTransport({ verifyCertificates: true, environment })
  let url = first
  for (let requests = 1; ; requests++) {
    const answer = await get(transport, url)
    const location = redirects.has(answer.status) ? answer.header('location') : undefined
    if (location === undefined) {
      if (answer.status < 200 || answer.status > 299) throw failure(`got non-2XX status code ${answer.status}: ${shown(first)}`)
      yield * contentOf(answer)
      return
    }
    const next = URL.parse(location, url)
    if (next === null) throw failure(`Get "${shown(url)}": failed to parse Location header ${JSON.stringify(location)}`)
    if (!/^https?:$/.test(next.protocol)) throw failure(`Get "${shown(next)}": unsupported protocol scheme "${next.protocol.slice(0, -1)}"`)
    if (requests === maxRequests) throw failure(`Get "${shown(next)}": stopped after ${maxRequests} redirects`)
    // Unread it would keep the connection.
    for await (const piece of answer.body) if (piece.length > 0) break
    url = next
  }
}

async function get (transport: NodeHttpTransport, url: URL): Promise<HttpAnswer> {
  try {
    return await transport.send({ method: 'GET', url, socketPath: undefined, headers, body: undefined, signal: undefined })
  } catch (error) {
    throw error instanceof TransportError ? failure(`Get "${shown(url)}": ${error.message}`, error) : error
  }
}

async function * contentOf (answer: HttpAnswer): AsyncGenerator<Uint8Array> {
  if (answer.header('content-encoding')?.toLowerCase() !== 'gzip') {
    yield * answer.body
    return
  }
  const [zipped, unzipped] = [Readable.from(answer.body), createGunzip()]
  zipped.on('error', error => { unzipped.destroy(error) })
  try {
    yield * zipped.pipe(unzipped)
  } finally {
    zipped.destroy()
  }
}

/** The URL without its password. */
function shown (url: URL): string {
  if (url.password === '') return url.href
  const copy = new URL(url)
  copy.password = '***'
  return copy.href
}

function failure (message: string, cause?: unknown): ClusterError {
  return new ClusterError('INVALID_PATH', message, { cause })
}
