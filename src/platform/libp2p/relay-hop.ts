import type { StreamHandler } from '@libp2p/interface'
import type { OutsideComponents } from './outside-components.ts'

export const hopProtocol = '/libp2p/circuit/relay/0.2.0/hop'

/** As the reference: slots, and how long one is kept. Each relayed connection ends after 2 minutes or 128 KiB. */
export const relayLimits = { maxReservations: 128, reservationTtl: 60 * 60_000 }

export interface RelayServer { readonly onHop: StreamHandler, stop (): Promise<void> }

/**
 * Lets peers that cannot be reached be reached through this one, while it can be reached itself:
 * a slot at a peer that nobody reaches would only be announced in vain (as the reference).
 */
export class RelayHop {
  readonly #components: OutsideComponents
  readonly #server: RelayServer
  #isOpen = false

  constructor (components: OutsideComponents, server: RelayServer) {
    this.#components = components
    this.#server = server
  }

  /** Connections that are relayed already stay. */
  async setOpen (isOpen: boolean): Promise<void> {
    if (isOpen === this.#isOpen) return
    this.#isOpen = isOpen
    if (isOpen) await this.#components.registrar.handle(hopProtocol, this.#server.onHop, { runOnLimitedConnection: true })
    else await this.#components.registrar.unhandle(hopProtocol)
  }

  start (): void {}

  async stop (): Promise<void> { await this.#server.stop() }
}
