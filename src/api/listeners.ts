import { lstat, readFile, unlink } from 'node:fs/promises'
import type { RequestListener, Server, ServerOptions } from 'node:http'
import type { Server as HttpsServer } from 'node:https'
import { connect, type AddressInfo, type ListenOptions as ListenTarget } from 'node:net'
import { resolve } from 'node:path'
import { ClusterError, errorText } from '../domain/errors.ts'
import type { Multiaddress } from '../domain/peer.ts'
import { timerMs } from '../domain/time.ts'
import { http } from '../platform/http.ts'
import type { ListenOptions } from './api-options.ts'

/** What a header block may exceed the configured size by, the request line included, as in the reference. */
const headerSlackBytes = 4096
/** How often the runtime looks for requests that take too long. */
const timeoutCheckIntervalMs = 1000
/** Suites and curves of the contract (spec/rest-api.md 11), and one suite for ECDSA certificates with TLS 1.2. */
const tlsSuites = [
  'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256', 'TLS_AES_128_GCM_SHA256',
  'ECDHE-RSA-AES256-GCM-SHA384', 'ECDHE-ECDSA-AES256-GCM-SHA384', 'ECDHE-RSA-AES256-SHA', 'AES256-GCM-SHA384', 'AES256-SHA',
].join(':')
const tlsCurves = 'P-521:P-384:P-256'

/** Makes servers, one for each address, all alike. */
export type ServerMaker = () => Server | HttpsServer

/**
 * Reads the certificate, if there is one.
 * @param extra for the runtime, beside what the options say
 * @throws ClusterError `INVALID_CONFIGURATION`
 */
export async function serverMaker (options: ListenOptions, folder: string, listener: RequestListener, extra: Pick<ServerOptions, 'IncomingMessage'> = {}): Promise<ServerMaker> {
  const { readTimeoutMs, readHeaderTimeoutMs, idleTimeoutMs, maxHeaderBytes, sslCertFile, sslKeyFile } = options
  const headersTimeout = readHeaderTimeoutMs > 0 ? readHeaderTimeoutMs : readTimeoutMs
  const httpOptions: ServerOptions = {
    ...extra,
    maxHeaderSize: maxHeaderBytes + headerSlackBytes,
    requestTimeout: timerMs(readTimeoutMs),
    headersTimeout: timerMs(readTimeoutMs > 0 ? Math.min(headersTimeout, readTimeoutMs) : headersTimeout),
    keepAliveTimeout: timerMs(idleTimeoutMs > 0 ? idleTimeoutMs : readTimeoutMs),
    connectionsCheckingInterval: timeoutCheckIntervalMs,
  }
  if (sslCertFile === '' && sslKeyFile === '') return () => http.createServer(httpOptions, listener)
  const { createServer } = await import('node:https')
  try {
    const [cert, key] = await Promise.all([readFile(resolve(folder, sslCertFile)), readFile(resolve(folder, sslKeyFile))])
    const tlsOptions = { cert, key, minVersion: 'TLSv1.2', ciphers: tlsSuites, ecdhCurve: tlsCurves, honorCipherOrder: true } as const
    createServer({ ...httpOptions, ...tlsOptions }, listener)
    return () => createServer({ ...httpOptions, ...tlsOptions }, listener)
  } catch (error) {
    throw new ClusterError('INVALID_CONFIGURATION', `error loading TLS certificate/key: ${errorText(error)}`, { cause: error })
  }
}

/** Makes `server` listen; answers the address with the port that it got. @throws ClusterError `ADDRESS_IN_USE`, `INVALID_CONFIGURATION` */
export async function listenOn (server: Server | HttpsServer, address: Multiaddress): Promise<Multiaddress> {
  const target = listenTarget(address)
  try {
    await listen(server, target)
  } catch (error) {
    if (target.path === undefined || !await isAbandoned(target.path, error)) throw listenError(address, error)
    await unlink(target.path)
    await listen(server, target).catch((again: unknown) => { throw listenError(address, again) })
  }
  const bound = server.address() as AddressInfo | string
  return typeof bound === 'string' ? address : address.replace(/\/tcp\/0$/, `/tcp/${bound.port}`) as Multiaddress
}

/** What the runtime calls a multiaddress such as `/ip4/127.0.0.1/tcp/9094`. @throws ClusterError `INVALID_CONFIGURATION` */
export function listenTarget (address: Multiaddress): ListenTarget {
  const unix = /^\/unix(\/.+)$/.exec(address)?.[1]
  if (unix !== undefined) return { path: unix }
  const [, kind, host, port] = /^\/(ip4|ip6|dns|dns4|dns6)\/([^/]+)\/tcp\/(\d+)$/.exec(address) ?? []
  if (host === undefined) throw new ClusterError('INVALID_CONFIGURATION', `${address} is nothing that HTTP can listen on: use /ip4/<address>/tcp/<port>, /ip6/…, /dns4/… or /unix/<path>`)
  return { host, port: Number(port), ipv6Only: kind === 'ip6' }
}

function listen (server: Server | HttpsServer, target: ListenTarget): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(target, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

/** A socket that a killed process left behind: nobody takes calls there. Nobody does at a file of another kind, too. */
async function isAbandoned (path: string, error: unknown): Promise<boolean> {
  if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') return false
  if ((await lstat(path).catch(() => undefined))?.isSocket() !== true) return false
  return new Promise(resolve => {
    const probe = connect(path)
    probe.once('connect', () => { probe.destroy(); resolve(false) })
    probe.once('error', (failure: NodeJS.ErrnoException) => resolve(failure.code === 'ECONNREFUSED'))
  })
}

function listenError (address: Multiaddress, error: unknown): ClusterError {
  const code = (error as NodeJS.ErrnoException).code
  if (code === 'EADDRINUSE') return new ClusterError('ADDRESS_IN_USE', `listen ${address}: address already in use: stop the program that listens there or configure another address`, { cause: error })
  const reason = code === 'EACCES' ? 'permission denied' : code === 'EADDRNOTAVAIL' ? 'this machine does not have the address' : errorText(error)
  return new ClusterError('INVALID_CONFIGURATION', `listen ${address}: ${reason}`, { cause: error })
}
