import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { cidToBytes, parseCid } from '../../domain/cid.ts'
import { ClusterError, errorText } from '../../domain/errors.ts'
import type { Multiaddress } from '../../domain/peer.ts'
import type { Clock } from '../../platform/clock.ts'
import { http } from '../../platform/http.ts'
import type { Logger } from '../../platform/logger.ts'
import type { BlockStore } from './block-store.ts'
import { answerContent, GatewayRefusal, type GatewayRequest } from './gateway-answer.ts'
import { Operations } from './operations.ts'

export interface GatewayOptions {
  /** Where to listen: `/ip4/127.0.0.1/tcp/8080`. */
  readonly address: Multiaddress
  readonly store: BlockStore
  /** A block of the store, else of connected nodes. */
  readonly read: (cid: Uint8Array, signal: AbortSignal) => Promise<Uint8Array>
  readonly walkFolder: string
  readonly clock: Clock
  readonly logger: Logger
  /** Time for one block to come from another node. */
  readonly blockTimeoutMs: number
}

export interface Gateway {
  readonly address: Multiaddress
  /** Without a slash at the end. */
  readonly url: string
  close (): Promise<void>
}

/** Connections at a time: each may hold a few blocks in memory. */
const maxConnections = 256
/** Time for a client to send its request. */
const requestTimeoutMs = 30_000
/** Time for a client to take what was sent before more is sent. */
const drainTimeoutMs = 60_000
/** Longest path, in letters. */
const maxPathLength = 8 * 1024

/**
 * Serves content for reading over HTTP, with GET and HEAD (https://specs.ipfs.tech/http-gateways):
 * `/ipfs/<cid>[/path]`, files, folders, `?format=raw` and `?format=car`.
 * @throws ClusterError `ADDRESS_IN_USE`, `INVALID_CONFIGURATION`
 */
export async function startGateway (options: GatewayOptions): Promise<Gateway> {
  const { host, port } = listenAddress(options.address)
  const operations = new Operations(options.clock)
  const server = http.createServer({ requestTimeout: requestTimeoutMs, headersTimeout: requestTimeoutMs, connectionsCheckingInterval: requestTimeoutMs }, (request, response) => { void answer(request, response, options, operations) })
  server.maxConnections = maxConnections
  await listen(server, host, port, options.address)
  const bound = server.address() as AddressInfo
  const shownHost = bound.family === 'IPv6' ? `[${bound.address}]` : bound.address
  return {
    address: options.address.replace(/\/tcp\/0(?=\/|$)/, `/tcp/${bound.port}`) as Multiaddress,
    url: `http://${shownHost}:${bound.port}`,
    close: async () => {
      const closed = new Promise(resolve => { server.close(resolve) })
      await operations.stop()
      server.closeAllConnections()
      await closed
    },
  }
}

function listenAddress (address: Multiaddress): { host: string, port: number } {
  const match = /^\/(?:ip4|ip6|dns|dns4|dns6)\/([^/]+)\/tcp\/(\d+)(\/http)?$/.exec(address)
  if (match === null) throw new ClusterError('INVALID_CONFIGURATION', `the gateway of the embedded IPFS node cannot listen on ${address}: use an address such as /ip4/127.0.0.1/tcp/8080`)
  return { host: match[1] as string, port: Number(match[2]) }
}

function listen (server: Server, host: string, port: number, address: Multiaddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(error.code === 'EADDRINUSE'
        ? new ClusterError('ADDRESS_IN_USE', `the gateway of the embedded IPFS node cannot listen on ${address}: another program does; choose another address for it`, { cause: error })
        : new ClusterError('INVALID_CONFIGURATION', `the gateway of the embedded IPFS node cannot listen on ${address}: ${errorText(error)}`, { cause: error }))
    })
    server.listen(port, host, resolve)
  })
}

async function answer (request: IncomingMessage, response: ServerResponse, options: GatewayOptions, operations: Operations): Promise<void> {
  const gone = new AbortController()
  response.on('close', () => { gone.abort(new ClusterError('CANCELLED', 'the client has gone')) })
  response.on('error', () => {})
  try {
    await operations.run({ signal: gone.signal, what: 'answering over HTTP' }, async signal => {
      const read = (cid: Uint8Array): Promise<Uint8Array> => operations.run({ signal, timeoutMs: options.blockTimeoutMs, what: 'waiting for a block from other IPFS nodes' }, blockSignal => options.read(cid, blockSignal))
      const content = await answerContent(parseRequest(request), { store: options.store, walkFolder: options.walkFolder, read })
      response.writeHead(content.status, content.headers)
      if (request.method !== 'HEAD') for await (const bytes of content.body) await send(response, bytes, options.clock, signal)
      response.end()
    })
  } catch (error) {
    refuse(response, error, options.logger)
  }
}

function parseRequest (request: IncomingMessage): GatewayRequest {
  if (request.method !== 'GET' && request.method !== 'HEAD') throw new GatewayRefusal(405, 'this gateway is for reading: use GET or HEAD', { allow: 'GET, HEAD' })
  const [path = '', query = ''] = (request.url ?? '/').split(/\?(.*)/s, 2)
  if (path.length > maxPathLength) throw new GatewayRefusal(414, 'the path is too long')
  const parameters = new URLSearchParams(query)
  const accept = request.headers.accept ?? ''
  const format = parameters.get('format') ?? (/application\/vnd\.ipld\.(raw|car)/.exec(accept)?.[1] ?? '')
  const [, namespace = '', root = '', ...names] = path.split('/').map(decode)
  if (namespace === '' && root === '') throw new GatewayRefusal(404, 'this is the gateway of an embedded IPFS node: read content at /ipfs/<cid> or /ipfs/<cid>/path/to/file')
  if (namespace === 'ipns') throw new GatewayRefusal(501, 'this gateway does not resolve IPNS names: give a path that begins with /ipfs/')
  if (namespace !== 'ipfs') throw new GatewayRefusal(404, 'there is nothing here: content is at /ipfs/<cid>')
  try {
    const cid = cidToBytes(parseCid(root))
    return {
      path,
      query,
      cid,
      names: names.filter(name => name !== ''),
      isFolder: path.endsWith('/'),
      format,
      filename: parameters.get('filename') ?? '',
      range: request.headers.range,
      ifRange: String(request.headers['if-range'] ?? '') || undefined,
      ifNoneMatch: request.headers['if-none-match'],
    }
  } catch (error) {
    throw new GatewayRefusal(400, errorText(error))
  }
}

function decode (segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    throw new GatewayRefusal(400, 'the path is not well-formed: % must be followed by two digits of a UTF-8 letter')
  }
}

/** Waits until the client takes more; one that takes nothing for long is left. */
function send (response: ServerResponse, bytes: Uint8Array, clock: Clock, signal: AbortSignal): Promise<void> | undefined {
  signal.throwIfAborted()
  if (response.write(bytes)) return undefined
  return new Promise((resolve, reject) => {
    const leave = (): void => {
      cancelTimer()
      signal.removeEventListener('abort', abort)
      response.off('drain', proceed)
    }
    const proceed = (): void => { leave(); resolve() }
    const abort = (): void => { leave(); reject(signal.reason) }
    const cancelTimer = clock.after(drainTimeoutMs, () => { leave(); reject(new ClusterError('TIMED_OUT', 'the client takes nothing any more')) })
    response.once('drain', proceed)
    signal.addEventListener('abort', abort)
  })
}

function refuse (response: ServerResponse, error: unknown, logger: Logger): void {
  if (response.headersSent || response.destroyed) {
    // The length was promised: only a broken connection tells the client that it was not kept.
    response.destroy()
    return
  }
  const { status, headers } = error instanceof GatewayRefusal ? error : { status: statusOf(error), headers: {} }
  if (status === 500) logger.warn({ error: errorText(error) }, 'the gateway failed')
  const text = Buffer.from(`${errorText(error)}\n`)
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'content-length': text.length, 'x-content-type-options': 'nosniff', ...headers })
  response.end(response.req.method === 'HEAD' ? undefined : text)
}

function statusOf (error: unknown): number {
  switch (error instanceof ClusterError ? error.code : undefined) {
    case 'NOT_FOUND': case 'IPFS_ANSWER': return 404
    case 'INVALID_CID': case 'INVALID_PATH': return 400
    case 'TIMED_OUT': return 504
    case 'CANCELLED': return 503
    case 'STORE_FULL': return 507
    default: return 500
  }
}
