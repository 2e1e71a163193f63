import type { Dispatcher } from 'undici'
import { formatDuration } from '../../codec/duration.ts'
import { ClusterError, errorText } from '../../domain/errors.ts'
import type { Clock } from '../../platform/clock.ts'
import { asClusterError, failedAnswer, lateRefusal, posting, transportFailure } from './failures.ts'
import type { NodeAddress } from './node-address.ts'

/** How long a request may take, and the option that says so. */
export interface Deadline {
  /** 0: without end. */
  readonly ms: number
  readonly option: string
  /** Counted anew whenever something of the answer has come. */
  readonly isForSilence?: boolean
}

/** One call of the RPC. */
export interface RpcRequest {
  /** Command and query, such as `pin/rm?arg=bafy…`. */
  readonly path: string
  /** True for what may take minutes by nature: it gets connections of its own, so that it cannot keep the others waiting. */
  readonly isLasting?: boolean
  readonly signal?: AbortSignal | undefined
  readonly deadline?: Deadline | undefined
  readonly contentType?: string
  readonly body?: AsyncIterable<Uint8Array>
  /** Told of each piece of an answer with status 200; what it throws ends the call. */
  readonly onData?: (chunk: Buffer) => void
}

/** What an exchange needs of the one that sends it. */
export interface ExchangeHost {
  readonly address: NodeAddress
  readonly clock: Clock
  /** Sends, or sends again. */
  send (exchange: Exchange): void
  settled (exchange: Exchange): void
  reached (): void
  unreachable (error: ClusterError): void
}

/** An error's body is read up to this size: messages of the node are a line. */
const maxErrorBytes = 65_536
/** A kept connection that the node has closed meanwhile shows only when the next request goes out. */
const staleConnection = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'])
/** The trailer in which the node reports what went wrong after the answer had begun. */
const errorTrailer = 'x-stream-error'

/** A request on its way, from before it is sent until `done` is settled; ended by `fail` at any time. */
export class Exchange implements Dispatcher.DispatchHandler {
  readonly request: RpcRequest
  /** Resolves at the end of a complete answer with status 200. */
  readonly done: Promise<void>
  readonly #host: ExchangeHost
  #resolve!: () => void
  #reject!: (error: ClusterError) => void
  #controller: Dispatcher.DispatchController | undefined
  #status = 0
  #errorBody: Buffer[] = []
  #errorBytes = 0
  #isSettled = false
  #isRepeated = false
  #isPaused = false
  #cancelDeadline: (() => void) | undefined
  #lastDataMs = 0
  #onAbort: (() => void) | undefined

  constructor (host: ExchangeHost, request: RpcRequest) {
    this.#host = host
    this.request = request
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    const { signal, deadline } = request
    if (signal !== undefined) {
      this.#onAbort = () => { this.fail(cancelled(signal.reason)) }
      signal.addEventListener('abort', this.#onAbort, { once: true })
    }
    if (deadline !== undefined && deadline.ms > 0) this.#watch(deadline, deadline.ms)
  }

  get isSettled (): boolean { return this.#isSettled }

  /** The gate lets the request through. */
  run (): void { this.#host.send(this) }

  /** Ends the call with `error`; nothing happens when it has ended already. */
  fail (error: ClusterError): void {
    if (this.#isSettled) return
    this.#settle()
    this.#reject(error)
    this.#controller?.abort(error)
  }

  /** Lets the node wait before it sends more of its answer. */
  pause (): void {
    if (this.#isPaused) return
    this.#isPaused = true
    this.#controller?.pause()
  }

  resume (): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#lastDataMs = this.#host.clock.monotonic()
    this.#controller?.resume()
  }

  onRequestStart (controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#isSettled) controller.abort(new Error('ended before it began'))
  }

  onResponseStart (_controller: Dispatcher.DispatchController, status: number): void {
    this.#status = status
    this.#host.reached()
  }

  onResponseData (_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#isSettled) return
    if (this.#status !== 200) {
      this.#errorBody.push(chunk)
      this.#errorBytes += chunk.length
      if (this.#errorBytes > maxErrorBytes) this.#failWithAnswer()
      return
    }
    if (this.request.deadline?.isForSilence === true) this.#lastDataMs = this.#host.clock.monotonic()
    try {
      this.request.onData?.(chunk)
    } catch (error) {
      this.fail(asClusterError(error))
    }
  }

  onResponseEnd (_controller: Dispatcher.DispatchController, trailers: Record<string, string | string[] | undefined>): void {
    if (this.#isSettled) return
    const { path } = this.request
    const refused = trailers[errorTrailer]
    if (this.#status !== 200) this.#failWithAnswer()
    else if (refused !== undefined) this.fail(lateRefusal(path, String(refused)))
    else {
      this.#settle()
      this.#resolve()
    }
  }

  onResponseError (_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#isSettled) return
    const isUnanswered = this.#status === 0
    if (isUnanswered && !this.#isRepeated && this.request.body === undefined && staleConnection.has((error as { code?: string }).code ?? '')) {
      this.#isRepeated = true
      this.#controller = undefined
      this.#host.send(this)
      return
    }
    const failure = transportFailure(this.#host.address, this.request.path, error)
    if (isUnanswered) this.#host.unreachable(failure)
    this.fail(failure)
  }

  #failWithAnswer (): void {
    this.fail(failedAnswer(this.request.path, this.#status, Buffer.concat(this.#errorBody, Math.min(this.#errorBytes, maxErrorBytes)).toString()))
  }

  #watch (deadline: Deadline, delayMs: number): void {
    const { clock } = this.#host
    if (deadline.isForSilence === true && this.#lastDataMs === 0) this.#lastDataMs = clock.monotonic()
    this.#cancelDeadline = clock.after(delayMs, () => {
      if (deadline.isForSilence === true) {
        const leftMs = this.#isPaused ? deadline.ms : this.#lastDataMs + deadline.ms - clock.monotonic()
        if (leftMs > 0) { this.#watch(deadline, leftMs); return }
      }
      const failure = new ClusterError('TIMED_OUT', `${posting(this.#host.address, this.request.path)}: the IPFS node did not answer within ${formatDuration(deadline.ms)} (${deadline.option})`)
      if (this.#status === 0) this.#host.unreachable(failure)
      this.fail(failure)
    })
  }

  #settle (): void {
    this.#isSettled = true
    this.#cancelDeadline?.()
    if (this.#onAbort !== undefined) this.request.signal?.removeEventListener('abort', this.#onAbort)
    this.#host.settled(this)
  }
}

/** What a call ends with when its signal does. */
export function cancelled (reason: unknown): ClusterError {
  return reason instanceof ClusterError ? reason : new ClusterError('CANCELLED', `cancelled: ${errorText(reason)}`, { cause: reason })
}
