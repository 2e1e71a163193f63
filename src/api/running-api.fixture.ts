import { once } from 'node:events'
import { request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import type { TestContext } from 'node:test'
import { ErrorMessage } from '../codec/messages.ts'
import { ClusterError } from '../domain/errors.ts'
import type { Multiaddress } from '../domain/peer.ts'
import { systemClock, type Clock } from '../platform/clock.ts'
import type { Platform } from '../platform/lifecycle.ts'
import type { Logger } from '../platform/logger.ts'
import { noMetrics } from '../platform/metrics.ts'
import { systemRandom } from '../platform/random.ts'
import type { ApiOptions } from './api-options.ts'
import { Authentication } from './authentication.ts'
import type { Route } from './route.ts'
import { apiServer, type ApiServer } from './server.ts'

/** The options of an API as `init` writes them, but on any free port. */
export const defaultApiOptions: ApiOptions = {
  httpListenMultiaddress: ['/ip4/127.0.0.1/tcp/0' as Multiaddress],
  sslCertFile: '',
  sslKeyFile: '',
  readTimeoutMs: 0,
  readHeaderTimeoutMs: 5_000,
  writeTimeoutMs: 0,
  idleTimeoutMs: 120_000,
  maxHeaderBytes: 4096,
  httpLogFile: '',
  corsAllowedOrigins: ['*'],
  corsAllowedMethods: ['GET'],
  corsAllowedHeaders: [],
  corsExposedHeaders: ['Content-Type', 'X-Stream-Output', 'X-Chunked-Output', 'X-Content-Length'],
  corsAllowCredentials: true,
  corsMaxAgeMs: 0,
  basicAuthCredentials: undefined,
  headers: {},
}

/** A platform that writes its log into {@link lines}, each as `component level text`. */
export function loggedPlatform (clock: Clock = systemClock): { platform: Platform, lines: string[] } {
  const lines: string[] = []
  const component = (name: string): Logger => {
    const write = (level: string) => (first: object | string, text?: string) => { lines.push(`${name} ${level} ${text ?? String(first)}`) }
    return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') }
  }
  return { platform: { clock, random: systemRandom, metrics: noMetrics, loggers: { component } }, lines }
}

export interface RunningApi {
  readonly api: ApiServer
  readonly port: number
  /** What was logged. */
  readonly lines: string[]
}

export interface ApiFixture {
  readonly routes: readonly Route[]
  readonly options?: Partial<ApiOptions>
  readonly clock?: Clock
  readonly folder?: string
}

/** A server with the rows of a table, stopped when the test ends. Its errors are those of REST. */
export async function startApi (t: TestContext, { routes, options = {}, clock, folder = tmpdir() }: ApiFixture): Promise<RunningApi> {
  const { platform, lines } = loggedPlatform(clock)
  const all = { ...defaultApiOptions, ...options }
  const authentication = all.basicAuthCredentials === undefined ? undefined : new Authentication(all.basicAuthCredentials, platform.clock)
  const statusOf = (error: unknown): number => error instanceof ClusterError && error.code.startsWith('INVALID') ? 400 : 500
  const errors = { statusOf, body: (code: number, message: string) => ErrorMessage.encodeJson({ code, message }) }
  return run(t, apiServer({ name: 'restapi', options: all, folder, routes, errors, authentication, platform }), lines)
}

export async function run (t: TestContext, api: ApiServer, lines: string[]): Promise<RunningApi> {
  t.after(() => api.stop())
  await api.start(new AbortController().signal)
  return { api, lines, port: Number(api.addresses()[0]?.split('/').at(-1)) }
}

export interface Answer {
  readonly status: number
  /** Names in lower case with their lines, but without `date`, `connection` and `keep-alive`. */
  readonly headers: Readonly<Record<string, readonly string[]>>
  /** Name and value of each line, in order. */
  readonly trailers: ReadonlyArray<readonly [string, string]>
  readonly body: string
}

export interface Question {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
}

/** Sends one request and reads the whole answer. */
export function ask (port: number, path: string, { method = 'GET', headers = {}, body }: Question = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path, method, headers: { ...headers }, agent: false }, response => {
      const pieces: Buffer[] = []
      response.on('data', (piece: Buffer) => { pieces.push(piece) }).on('error', reject).on('end', () => {
        const { statusCode: status = 0, rawHeaders, rawTrailers } = response
        resolve({ status, headers: linesByName(rawHeaders), trailers: pairs(rawTrailers), body: Buffer.concat(pieces).toString() })
      })
    }).on('error', reject).end(body)
  })
}

function pairs (raw: readonly string[]): Array<[string, string]> {
  return Array.from({ length: raw.length / 2 }, (_, i) => [raw[2 * i] as string, raw[2 * i + 1] as string])
}

function linesByName (raw: readonly string[]): Record<string, string[]> {
  const lines: Record<string, string[]> = {}
  for (const [name, value] of pairs(raw)) {
    if (!/^(?:date|connection|keep-alive)$/i.test(name)) (lines[name.toLowerCase()] ??= []).push(value)
  }
  return lines
}

/** A connection on which a test says exactly what it wants. */
export async function dial (t: TestContext, port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  t.after(() => { socket.destroy() })
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

/** Sends `text` as it is and reads until the server closes the connection. */
export async function askRaw (t: TestContext, port: number, text: string): Promise<string> {
  const socket = await dial(t, port)
  socket.write(text, 'latin1')
  let answer = ''
  for await (const piece of socket.setEncoding('latin1')) answer += piece as string
  return answer
}

/** Lets other work go on until `condition` holds; the runner ends a test in which it never does. */
export async function eventually (condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(resolve => { setImmediate(resolve) })
}
