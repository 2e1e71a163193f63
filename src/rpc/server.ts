import { ClusterError } from '../domain/errors.ts'
import type { PeerId } from '../domain/peer.ts'
import { rpcProtocol } from '../domain/version.ts'
import type { Platform, Startable } from '../platform/lifecycle.ts'
import type { Logger } from '../platform/logger.ts'
import type { Counter } from '../platform/metrics.ts'
import type { Network, PeerStream } from '../platform/network.ts'
import { noTracer } from '../platform/tracer.ts'
import type { CallContext } from './call-context.ts'
import { CallLimits, PartialBytes } from './call-limits.ts'
import { callsProtocol } from './channel-frames.ts'
import { ValueReader, ValueWriter } from './framing.ts'
import { endCall, ServedCall } from './served-call.ts'
import type { PeerService } from './peer-service.ts'
import { SenderLog } from './sender-log.ts'
import { handlersOf } from './service-handlers.ts'
import { ServedChannel } from './served-channel.ts'
import { StreamWatch } from './stream-watch.ts'

/** Refused calls that still wait for their caller to read the refusal; those above are reset at once. */
const maxWaitingRefusals = 64
/** Channels of one peer at a time: one is usual, others are of connections that are not known to be lost yet. The oldest makes place. */
const maxChannelsPerPeer = 4
/** What is being answered gets this time to end when the peer stops. */
const stopMs = 5000

export interface PeerServerParts {
  readonly network: Network
  readonly service: PeerService
  readonly isTrusted: (peer: PeerId) => boolean
  readonly platform: Platform
}

/** Answers the calls of other peers (spec/wire.md 5), from its start to its stop. */
export function servePeers (parts: PeerServerParts): Startable {
  return new PeerServer(parts)
}

class PeerServer implements Startable {
  readonly #parts: PeerServerParts
  readonly #context: CallContext
  readonly #limits = new CallLimits()
  readonly #logger: Logger
  readonly #refused: Counter
  readonly #running = new Map<ServedCall, Promise<void>>()
  readonly #channels = new Map<PeerId, Map<ServedChannel, Promise<void>>>()
  #waitingRefusals = 0
  #stopServing: (() => void) | undefined

  constructor (parts: PeerServerParts) {
    const { platform, service, isTrusted } = parts
    const { clock, metrics } = platform
    this.#parts = parts
    this.#logger = platform.loggers.component('p2p-gorpc')
    this.#refused = metrics.counter('ipfscluster_rpc_refused', 'Total number of calls of other peers that were refused')
    this.#context = {
      clock,
      tracer: platform.tracer ?? noTracer,
      isTrusted,
      handlers: handlersOf(service),
      logger: this.#logger,
      senders: new SenderLog(this.#logger),
      partial: new PartialBytes(),
      refused: this.#refused,
      answered: metrics.counter('ipfscluster_rpc_answered', 'Total number of calls of other peers that were answered'),
      unreadable: metrics.counter('ipfscluster_rpc_unreadable', 'Total number of calls of other peers that could not be read'),
    }
    metrics.gauge('ipfscluster_rpc_running', 'Current number of calls of other peers that are being answered', () => this.#limits.total)
  }

  async start (): Promise<void> {
    const { network } = this.#parts
    const ends = [network.handle(rpcProtocol, stream => { this.#accept(stream) }), network.handle(callsProtocol, stream => { this.#acceptChannel(stream) })]
    this.#stopServing = () => { for (const end of ends) end() }
  }

  async stop (): Promise<void> {
    this.#stopServing?.()
    this.#stopServing = undefined
    const channels = [...this.#channels.values()]
    const all = [...this.#running, ...channels.flatMap(ofPeer => [...ofPeer])]
    for (const [call] of all) call.cancel(new ClusterError('CANCELLED', 'this peer stops'))
    const { promise: timeIsUp, resolve } = Promise.withResolvers<void>()
    const cancel = this.#context.clock.after(stopMs, resolve)
    await Promise.race([Promise.all(all.map(([, end]) => end)), timeIsUp])
    cancel()
  }

  #accept (stream: PeerStream): void {
    const refusal = this.#limits.enter(stream.peer)
    if (refusal !== undefined) {
      void this.#refuse(stream, refusal)
      return
    }
    const call = new ServedCall(stream, this.#context)
    this.#running.set(call, call.run().finally(() => {
      this.#limits.leave(stream.peer)
      this.#running.delete(call)
    }))
  }

  #acceptChannel (stream: PeerStream): void {
    const channels = this.#channels.get(stream.peer) ?? new Map<ServedChannel, Promise<void>>()
    this.#channels.set(stream.peer, channels)
    const [oldest] = channels.keys()
    if (channels.size >= maxChannelsPerPeer) oldest?.cancel(new ClusterError('CANCELLED', 'the peer has opened another channel'))
    const channel = new ServedChannel(stream, this.#context, this.#limits)
    channels.set(channel, channel.run().finally(() => {
      channels.delete(channel)
      if (channels.size === 0) this.#channels.delete(stream.peer)
    }))
  }

  async #refuse (stream: PeerStream, reason: string): Promise<void> {
    this.#refused.add(1)
    this.#context.senders.warn(stream.peer, 'calls of a peer are refused', reason)
    if (this.#waitingRefusals >= maxWaitingRefusals) {
      stream.reset()
      return
    }
    this.#waitingRefusals++
    try {
      const writer = new ValueWriter(stream)
      writer.addError({ service: '', method: '' }, reason, 1)
      await endCall(new StreamWatch(stream, this.#context.clock), writer, stream, new ValueReader(stream).drain(maxRefusedBytes))
    } catch {
      stream.reset()
    } finally {
      this.#waitingRefusals--
    }
  }
}

/** What a caller may have sent before it reads that its call is refused. */
const maxRefusedBytes = 1024 * 1024
