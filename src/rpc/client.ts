import { ClusterError, errorText } from '../domain/errors.ts'
import type { PeerId } from '../domain/peer.ts'
import type { CallOptions, Platform } from '../platform/lifecycle.ts'
import type { Counter } from '../platform/metrics.ts'
import type { Network } from '../platform/network.ts'
import { noTracer, traced, tracedItems, type SpanOptions, type Tracer } from '../platform/tracer.ts'
import { answeredError } from './answer-error.ts'
import { CallChannels } from './call-channels.ts'
import { CallPlaces } from './call-places.ts'
import { ChannelCall } from './channel-call.ts'
import type { StreamMethod, UnaryMethod } from './methods.ts'
import { MadeCall } from './made-call.ts'
import { SenderLog } from './sender-log.ts'

/** Replies as they come, and what their sender promises of them. */
export interface Replies<Reply> extends AsyncIterable<Reply[]> {
  /** True when the sender promises the order of `compareCids`; known from the first batch on. */
  readonly isOrdered: () => boolean
}

/** Makes calls to other peers (spec/wire.md 5). Errors of all its methods are {@link ClusterError}s. */
export class RpcClient {
  readonly #network: Network
  readonly #platform: Platform
  readonly #tracer: Tracer
  readonly #senders: SenderLog
  readonly #places: CallPlaces
  readonly #channels: CallChannels
  readonly #unreadable: Counter

  constructor (network: Network, platform: Platform) {
    this.#network = network
    this.#platform = platform
    this.#tracer = platform.tracer ?? noTracer
    this.#places = new CallPlaces(platform.clock)
    this.#channels = new CallChannels(network, platform.clock)
    this.#senders = new SenderLog(platform.loggers.component('p2p-gorpc'))
    this.#unreadable = platform.metrics.counter('ipfscluster_rpc_unreadable_answers', 'Total number of answers of other peers that could not be read')
  }

  /**
   * @throws ClusterError of the other peer, by its text; `NOT_AUTHORIZED` when this peer is not
   * trusted there, `PEER_UNREACHABLE`, `TIMED_OUT` after the time of the method, `INVALID_WIRE_DATA`
   */
  unary<Request, Reply> (method: UnaryMethod<Request, Reply>, peer: PeerId, request: Request, options: CallOptions): Promise<Reply> {
    return traced(this.#tracer, nameOf(method), spanOf(peer), () => this.#reply(method, peer, request, options))
  }

  async #reply<Request, Reply> (method: UnaryMethod<Request, Reply>, peer: PeerId, request: Request, options: CallOptions): Promise<Reply> {
    const { timeoutMs } = method
    const late = (): ClusterError => new ClusterError('TIMED_OUT', `${nameOf(method)} of ${peer} did not get its turn within ${timeoutMs / 1000} seconds: too many other calls wait for that peer`)
    const { signal } = options
    if (signal?.aborted === true) throw cancelled(signal, nameOf(method))
    await this.#places.enter(peer, timeoutMs, late, signal).catch((error: unknown) => { throw signal?.aborted === true ? cancelled(signal, nameOf(method)) : error })
    const call = this.#channels.carries(method, peer)
      ? new ChannelCall(this.#channels, this.#platform.clock, peer, signal)
      : new MadeCall(this.#network, this.#platform.clock, peer, method, signal)
    try {
      return await call.one(method, request)
    } catch (error) {
      throw this.#translated(error, peer, method, call, options)
    } finally {
      call.end()
      this.#places.leave(peer)
    }
  }

  /**
   * The replies in batches as they come. Leaving the loop early ends the call.
   * @throws as {@link unary}; `TIMED_OUT` when nothing has come for the time of the method
   */
  stream<Request, Reply> (method: StreamMethod<Request, Reply>, peer: PeerId, requests: Iterable<Request> | AsyncIterable<Request>, options: CallOptions): Replies<Reply> {
    const call = new MadeCall(this.#network, this.#platform.clock, peer, method, options.signal)
    const replies = tracedItems(this.#tracer, nameOf(method), spanOf(peer), () => this.#replies(call, method, peer, requests, options))
    return { isOrdered: () => call.isOrdered, [Symbol.asyncIterator]: () => replies }
  }

  async * #replies<Request, Reply> (call: MadeCall, method: StreamMethod<Request, Reply>, peer: PeerId, requests: Iterable<Request> | AsyncIterable<Request>, options: CallOptions): AsyncGenerator<Reply[]> {
    try {
      yield * call.many(method, requests)
    } catch (error) {
      throw this.#translated(error, peer, method, call, options)
    } finally {
      call.end()
    }
  }

  /** The error as the caller gets it. */
  #translated (error: unknown, peer: PeerId, method: NamedMethod, call: Pick<MadeCall, 'answer' | 'failure'>, { signal }: CallOptions): unknown {
    const name = nameOf(method)
    if (signal?.aborted === true) return cancelled(signal, name)
    if (call.answer !== undefined) return answeredError(peer, name, call.answer)
    if (call.failure !== undefined) return call.failure
    if (!(error instanceof ClusterError)) return new ClusterError('PEER_UNREACHABLE', `calling ${name} of ${peer} failed: ${errorText(error)}`, { cause: error })
    if (error.code === 'CANCELLED') return new ClusterError('PEER_UNREACHABLE', `peer ${peer} broke off ${name}`, { cause: error })
    if (error.code === 'PEER_UNREACHABLE' || error.code === 'TIMED_OUT') return error
    this.#unreadable.add(1)
    this.#senders.warn(peer, 'the answer of a peer could not be read', `${name}: ${error.message}`)
    return new ClusterError('INVALID_WIRE_DATA', `peer ${peer} answered ${name} with what cannot be read: ${error.message}`, { cause: error })
  }
}

interface NamedMethod { readonly service: string, readonly method: string }

function nameOf ({ service, method }: NamedMethod): string { return `${service}.${method}` }
function spanOf (peer: PeerId): SpanOptions { return { kind: 'client', attributes: { peer } } }

function cancelled ({ reason }: AbortSignal, name: string): ClusterError {
  if (reason instanceof ClusterError) return reason
  const isTimeout = reason instanceof DOMException && reason.name === 'TimeoutError'
  return new ClusterError(isTimeout ? 'TIMED_OUT' : 'CANCELLED', `${name} was given up: ${errorText(reason)}`, { cause: reason })
}
