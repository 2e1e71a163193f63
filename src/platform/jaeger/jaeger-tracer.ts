import { AsyncLocalStorage } from 'node:async_hooks'
import { createSocket, type Socket } from 'node:dgram'
import { ClusterError, errorText } from '../../domain/errors.ts'
import type { Multiaddress } from '../../domain/peer.ts'
import type { Clock } from '../clock.ts'
import type { Startable } from '../lifecycle.ts'
import type { Logger } from '../logger.ts'
import type { Random } from '../random.ts'
import type { Span, SpanAttributes, SpanOptions, Tracer } from '../tracer.ts'
import { batchOverheadBytes, encodeBatch, encodeProcess, encodeSpan, type SpanPlace } from './span-record.ts'

/** The largest packet that an agent takes. */
const maxPacketBytes = 65_000
/** Spans wait for company for this time at most. */
const flushMs = 1_000
/** Encoded spans that wait: more come in one turn only when something is wrong, and are dropped. */
const maxWaitingBytes = 4 * 1024 * 1024

export interface JaegerOptions {
  /** The agent's UDP address: `/ip4/127.0.0.1/udp/6831`. */
  readonly agent: Multiaddress
  /** Which part of the traces is recorded, from 0 to 1. */
  readonly samplingProbability: number
  readonly service: string
  /** What all spans of this process have in common. */
  readonly attributes: SpanAttributes
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** Sends spans to a Jaeger agent: batches in Thrift's compact protocol over UDP, as the reference does. */
export class JaegerTracer implements Tracer, Startable {
  readonly #options: JaegerOptions
  readonly #target: { readonly host: string, readonly port: number, readonly type: 'udp4' | 'udp6' }
  readonly #process: Uint8Array
  /** The span within which the present code runs; `unsampled` within one that is not recorded. */
  readonly #current = new AsyncLocalStorage<SpanPlace | 'unsampled'>()
  readonly #notRecorded: Span
  #socket: Socket | undefined
  #waiting: Uint8Array[] = []
  #waitingBytes = 0
  #cancelFlush: (() => void) | undefined
  #sequence = 0
  #dropped = 0
  #hasFailed = false

  /** @throws ClusterError `INVALID_CONFIGURATION` */
  constructor (options: JaegerOptions) {
    this.#options = options
    this.#target = agentOf(options.agent)
    this.#process = encodeProcess(options.service, options.attributes)
    this.#notRecorded = { within: work => this.#current.run('unsampled', work), set: () => {}, end: () => {} }
  }

  async start (): Promise<void> {
    const socket = createSocket(this.#target.type)
    socket.on('error', error => { this.#complain(error) })
    // What is traced keeps the process alive, its traces do not.
    socket.unref()
    this.#socket = socket
    this.#options.logger.info(`tracing enabled: spans go to ${this.#options.agent}`)
  }

  async stop (): Promise<void> {
    const socket = this.#socket
    if (socket === undefined) return
    await this.#flush()
    this.#socket = undefined
    await new Promise<void>(resolve => { socket.close(resolve) })
  }

  span (name: string, { kind, attributes, isRoot }: SpanOptions): Span {
    const parent = isRoot === true ? undefined : this.#current.getStore()
    const { random, clock, samplingProbability } = this.#options
    if (parent === 'unsampled' || (parent === undefined && random.fraction() >= samplingProbability)) return this.#notRecorded
    const [spanId, high, low] = new BigInt64Array(new Uint8Array(random.bytes(24)).buffer) as unknown as [bigint, bigint, bigint]
    const place: SpanPlace = parent === undefined
      ? { traceIdHigh: high, traceIdLow: low, spanId, parentSpanId: 0n }
      : { ...parent, spanId, parentSpanId: parent.spanId }
    const known: Record<string, string | number | boolean> = { ...attributes }
    const startedAt = clock.now()
    const startedMs = clock.monotonic()
    return {
      within: work => this.#current.run(place, work),
      set: (attribute, value) => { known[attribute] = value },
      end: error => {
        this.#add(encodeSpan({ place, name: prefixes[kind] + name, startedAt, durationMs: clock.monotonic() - startedMs, attributes: known, error }))
      },
    }
  }

  #add (span: Uint8Array): void {
    if (this.#socket === undefined) return
    if (this.#waitingBytes + span.length > maxWaitingBytes) {
      this.#dropped++
      return
    }
    this.#waiting.push(span)
    this.#waitingBytes += span.length
    this.#cancelFlush ??= this.#options.clock.after(flushMs, () => { void this.#flush() })
  }

  /** Sends what waits; resolves when the system has it. */
  async #flush (): Promise<void> {
    this.#cancelFlush?.()
    this.#cancelFlush = undefined
    const spans = this.#waiting
    this.#waiting = []
    this.#waitingBytes = 0
    if (this.#dropped > 0) this.#options.logger.warn(`${this.#dropped} spans came too fast and were dropped: lower tracing.sampling_prob`)
    this.#dropped = 0
    for (const batch of packets(spans, maxPacketBytes - batchOverheadBytes - this.#process.length)) await this.#send(encodeBatch(this.#process, batch, ++this.#sequence))
  }

  #send (packet: Uint8Array): Promise<void> {
    return new Promise(resolve => {
      const { host, port } = this.#target
      this.#socket?.send(packet, port, host, error => {
        if (error !== null) this.#complain(error)
        resolve()
      })
    })
  }

  /** Traces are an aid: that they do not arrive is said once. */
  #complain (error: Error): void {
    if (!this.#hasFailed) this.#options.logger.warn(`traces cannot be sent to ${this.#options.agent}: ${errorText(error)}`)
    this.#hasFailed = true
  }
}

/** How the reference names calls by their direction. */
const prefixes = { client: 'Sent.', server: 'Recv.', internal: '' } as const

function * packets (spans: readonly Uint8Array[], maxBytes: number): Generator<Uint8Array[]> {
  let batch: Uint8Array[] = []
  let bytes = 0
  for (const span of spans) {
    if (bytes + span.length > maxBytes && batch.length > 0) {
      yield batch
      batch = []
      bytes = 0
    }
    batch.push(span)
    bytes += span.length
  }
  if (batch.length > 0) yield batch
}

function agentOf (address: Multiaddress): { host: string, port: number, type: 'udp4' | 'udp6' } {
  const [, kind, host, port] = /^\/(ip4|ip6|dns|dns4|dns6)\/([^/]+)\/udp\/(\d+)$/.exec(address) ?? []
  if (host === undefined) throw new ClusterError('INVALID_CONFIGURATION', `tracing.jaeger_agent_endpoint ${address} is no address of an agent: use /ip4/<address>/udp/<port>, /ip6/… or /dns4/…`)
  return { host, port: Number(port), type: kind === 'ip6' || kind === 'dns6' ? 'udp6' : 'udp4' }
}
