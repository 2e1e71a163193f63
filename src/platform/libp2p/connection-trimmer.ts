import type { Connection, Libp2p, PeerId } from '@libp2p/interface'
import type { Clock } from '../clock.ts'

export interface TrimmerOptions {
  readonly host: Pick<Libp2p, 'addEventListener' | 'removeEventListener' | 'getConnections'>
  readonly limits: { readonly highWater: number, readonly lowWater: number, readonly gracePeriodMs: number }
  readonly clock: Clock
  /** Peers whose connections are never closed: those that this one trusts by name, and its relays. */
  readonly isKept: (peer: PeerId) => boolean
  /** Has a peer not dialled anew that is about to lose its connection. */
  readonly release: (peer: PeerId) => Promise<void>
}

/** Above the high mark it is looked at most this often what can be closed. */
const trimEveryMs = 10_000

/**
 * Closes connections when there are more than `highWater`, until `lowWater` are left: the youngest
 * that carry least go first, none that is younger than the grace period or of a peer that is kept. libp2p's own limit closes
 * at one mark and knows no grace.
 */
export class ConnectionTrimmer {
  readonly #options: TrimmerOptions
  #cancelTimer: (() => void) | undefined
  readonly #onOpen = (): void => { this.#schedule(0) }

  constructor (options: TrimmerOptions) {
    this.#options = options
    options.host.addEventListener('connection:open', this.#onOpen)
  }

  stop (): void {
    this.#options.host.removeEventListener('connection:open', this.#onOpen)
    this.#cancelTimer?.()
  }

  #schedule (delayMs: number): void {
    const { host, limits, clock } = this.#options
    if (this.#cancelTimer !== undefined || host.getConnections().length <= limits.highWater) return
    this.#cancelTimer = clock.after(delayMs, () => {
      this.#cancelTimer = undefined
      this.#trim()
      // Those in their grace period come later.
      this.#schedule(trimEveryMs)
    })
  }

  #trim (): void {
    const { host, limits, clock, isKept } = this.#options
    const connections = host.getConnections()
    const excess = connections.length - limits.lowWater
    if (connections.length <= limits.highWater) return
    const now = clock.now()
    // One of the future is from before the clock was set back: it would stay for as long.
    const isInGrace = ({ timeline }: Connection): boolean => timeline.open <= now && now - timeline.open < limits.gracePeriodMs
    const closable = connections.filter(connection => !isInGrace(connection) && !isKept(connection.remotePeer)).toSorted(byUse)
    for (const connection of closable.slice(0, excess)) void this.#close(connection)
  }

  async #close (connection: Connection): Promise<void> {
    try {
      await this.#options.release(connection.remotePeer)
      await connection.close()
    } catch (error) {
      connection.abort(error as Error)
    }
  }
}

function byUse (a: Connection, b: Connection): number {
  return a.streams.length - b.streams.length || b.timeline.open - a.timeline.open
}
