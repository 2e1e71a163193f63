import type { Dispatcher, Pool } from 'undici'
import { ClusterError } from '../../domain/errors.ts'
import type { Multiaddress } from '../../domain/peer.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Logger } from '../../platform/logger.ts'
import { cancelled, Exchange, type ExchangeHost, type RpcRequest } from './exchange.ts'
import { cutOff, notUnderstood, transportFailure } from './failures.ts'
import { nodeAddress, type NodeAddress } from './node-address.ts'
import { RequestGate } from './request-gate.ts'

/** Connections for calls that are answered at once; more only queue in the node. */
const maxBriefConnections = 32
/** Connections for what waits for disks or other nodes (pins, lists, uploads, blocks, names): above any sensible `concurrent_pins`. */
const maxLastingConnections = 1_024
/** An idle connection is kept so long; a node that wants less says so itself. */
const keepAliveMs = 60_000
const connectTimeoutMs = 10_000
/** Answers that are read as a whole: `swarm/peers` with 100,000 peers is some 30 MB. */
const maxAnswerBytes = 128 * 2 ** 20

/** A request whose answer is read as a whole. */
export type CallRequest = Omit<RpcRequest, 'onData'> & { readonly maxBytes?: number }

/**
 * The RPC of a Kubo node: HTTP over kept connections. Every failure is a ClusterError:
 * `IPFS_UNREACHABLE`, `IPFS_ANSWER`, `TIMED_OUT`, `CANCELLED`.
 * https://docs.ipfs.tech/reference/kubo/rpc/
 */
export class KuboRpc implements ExchangeHost {
  readonly address: NodeAddress
  readonly clock: Clock
  readonly #logger: Logger
  readonly #gate: RequestGate
  readonly #running = new Set<Exchange>()
  #pools: { brief: Pool, lasting: Pool } | undefined
  #isClosed = false

  constructor (options: { address: Multiaddress, clock: Clock, logger: Logger }) {
    this.address = nodeAddress(options.address)
    this.clock = options.clock
    this.#logger = options.logger
    this.#gate = new RequestGate(options.clock, options.logger)
  }

  /** Begins a call. Look after `done` of the result. */
  start (request: RpcRequest): Exchange {
    const exchange = new Exchange(this, request)
    this.#running.add(exchange)
    if (request.signal?.aborted === true) exchange.fail(cancelled(request.signal.reason))
    else if (this.#isClosed) exchange.fail(stopped())
    else if (!this.#gate.enter(exchange)) exchange.fail(new ClusterError('IPFS_UNREACHABLE', `too many requests wait for the IPFS node at ${this.address.shown}, which does not answer`))
    return exchange
  }

  /** The whole answer. */
  async call (request: CallRequest): Promise<Buffer> {
    const chunks: Buffer[] = []
    const maxBytes = request.maxBytes ?? maxAnswerBytes
    let bytes = 0
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length
      if (bytes > maxBytes) throw new ClusterError('IPFS_UNREACHABLE', `the answer of the IPFS node is larger than ${maxBytes} bytes (${request.path})`)
      chunks.push(chunk)
    }
    await this.start({ ...request, onData }).done
    return chunks.length === 1 ? chunks[0] as Buffer : Buffer.concat(chunks, bytes)
  }

  /** The answer as a JSON object. */
  async object (request: CallRequest): Promise<Record<string, unknown>> {
    const text = (await this.call(request)).toString()
    let answer: unknown
    try {
      answer = JSON.parse(text)
    } catch {
      throw text.trim() === '' ? cutOff(request.path) : notUnderstood(request.path, text)
    }
    if (typeof answer !== 'object' || answer === null || Array.isArray(answer)) throw notUnderstood(request.path, text)
    return answer as Record<string, unknown>
  }

  /** Ends all calls and connections. */
  async close (): Promise<void> {
    this.#isClosed = true
    for (const exchange of this.#running) exchange.fail(stopped())
    this.#gate.clear()
    const pools = this.#pools
    this.#pools = undefined
    if (pools !== undefined) await Promise.all([pools.brief.destroy(), pools.lasting.destroy()])
  }

  send (exchange: Exchange): void {
    if (this.#pools !== undefined) { this.#dispatch(this.#pools, exchange); return }
    openPools(this.address).then(
      pools => {
        if (this.#isClosed) exchange.fail(stopped())
        else this.#dispatch(this.#pools ??= pools, exchange)
      },
      (error: unknown) => { exchange.fail(transportFailure(this.address, exchange.request.path, error)) },
    )
  }

  settled (exchange: Exchange): void { this.#running.delete(exchange) }

  reached (): void { this.#gate.succeeded() }

  unreachable (error: ClusterError): void {
    this.#gate.failed()
    this.#logger.error(`error posting to IPFS: ${error.message}`)
  }

  #dispatch (pools: { brief: Pool, lasting: Pool }, exchange: Exchange): void {
    if (exchange.isSettled) return
    const { path, isLasting, body, contentType } = exchange.request
    const request: Dispatcher.DispatchOptions = { path: `/api/v0/${path}`, method: 'POST' }
    if (contentType !== undefined) request.headers = ['content-type', contentType]
    if (body !== undefined) request.body = body as unknown as NonNullable<Dispatcher.DispatchOptions['body']>
    ;(isLasting === true ? pools.lasting : pools.brief).dispatch(request, exchange)
  }
}

function stopped (): ClusterError {
  return new ClusterError('CANCELLED', 'the IPFS connector has stopped')
}

async function openPools ({ origin, socketPath, family }: NodeAddress): Promise<{ brief: Pool, lasting: Pool }> {
  // The package's main module loads fetch, caches, mocks and more, which costs twice the time at the start of a peer.
  const poolModule: string = 'undici/lib/dispatcher/pool.js'
  const { default: PoolClass } = await import(poolModule) as { default: typeof Pool }
  const pool = (connections: number): Pool => new PoolClass(origin, {
    connections,
    pipelining: 1,
    // Deadlines are kept by the exchange, on the injected clock.
    headersTimeout: 0,
    bodyTimeout: 0,
    keepAliveTimeout: keepAliveMs,
    allowH2: false,
    connect: { timeout: connectTimeoutMs, ...(socketPath !== undefined && { socketPath }), ...(family !== undefined && { family }) },
  })
  return { brief: pool(maxBriefConnections), lasting: pool(maxLastingConnections) }
}
