import type { Metrics, Stream, StreamMessageEvent } from '@libp2p/interface'
import type { Bandwidth } from '../../domain/peer.ts'
import type { Clock } from '../clock.ts'

/** Rates follow the traffic with this delay. */
const averagedOverMs = 5_000
/** Protocols are named by both sides: a peer that invents names fills no memory. */
const maxProtocols = 256
const otherProtocols = 'other'

/** Counts traffic by protocol. */
export class BandwidthCounter {
  readonly #clock: Clock
  readonly #protocols = new Map<string, ProtocolTraffic>()

  constructor (clock: Clock) { this.#clock = clock }

  /** What libp2p reports to. All but streams is left out. */
  readonly metrics: Metrics = countStreams(stream => { this.#track(stream) })

  read (): Record<string, Bandwidth> {
    const now = this.#clock.monotonic()
    return Object.fromEntries([...this.#protocols].map(([protocol, traffic]) => [protocol, traffic.read(now)]))
  }

  #track (stream: Stream): void {
    const traffic = this.#trafficOf(stream.protocol)
    // Not as a listener: libp2p hands out what it holds back as soon as there is one, and whoever
    // the stream is for may not listen yet.
    const dispatch = stream.dispatchEvent.bind(stream)
    stream.dispatchEvent = event => {
      if (event.type === 'message') traffic.incoming.add((event as StreamMessageEvent).data.byteLength, this.#clock.monotonic())
      return dispatch(event)
    }
    const send = stream.send.bind(stream)
    stream.send = data => {
      traffic.outgoing.add(data.byteLength, this.#clock.monotonic())
      return send(data)
    }
  }

  #trafficOf (protocol: string): ProtocolTraffic {
    const name = this.#protocols.has(protocol) || this.#protocols.size < maxProtocols ? protocol : otherProtocols
    let traffic = this.#protocols.get(name)
    if (traffic === undefined) this.#protocols.set(name, traffic = new ProtocolTraffic())
    return traffic
  }
}

class ProtocolTraffic {
  readonly incoming = new Meter()
  readonly outgoing = new Meter()

  read (now: number): Bandwidth {
    return { totalIn: this.incoming.total, totalOut: this.outgoing.total, rateIn: this.incoming.rate(now), rateOut: this.outgoing.rate(now) }
  }
}

/** Bytes, and bytes per second with older ones counting less and less. */
class Meter {
  total = 0
  #recent = 0
  #at = 0

  add (bytes: number, now: number): void {
    this.total += bytes
    this.#age(now)
    this.#recent += bytes
  }

  rate (now: number): number {
    this.#age(now)
    return this.#recent / averagedOverMs * 1_000
  }

  #age (now: number): void {
    this.#recent *= Math.exp((this.#at - now) / averagedOverMs)
    this.#at = now
  }
}

function countStreams (track: (stream: Stream) => void): Metrics {
  const nothing = (): void => {}
  const figure = { update: nothing, increment: nothing, decrement: nothing, reset: nothing, observe: nothing, timer: () => nothing }
  const register = (): typeof figure => figure
  const known: Partial<Metrics> = { trackMultiaddrConnection: nothing, trackProtocolStream: track, createTrace: nothing }
  const registers = { registerMetric: register, registerMetricGroup: register, registerCounter: register, registerCounterGroup: register, registerHistogram: register, registerHistogramGroup: register, registerSummary: register, registerSummaryGroup: register }
  return { ...known, ...registers, traceFunction: (_name: string, work: unknown) => work } as unknown as Metrics
}
