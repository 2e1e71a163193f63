import type { StreamHandler } from '@libp2p/interface'
import type { OutsideComponents } from './outside-components.ts'
import { limitRelay, type CircuitOpener, type Slots } from './relay-limits.ts'

export const hopProtocol = '/libp2p/circuit/relay/0.2.0/hop'

export interface RelayServer extends CircuitOpener { readonly onHop: StreamHandler, readonly reservationStore: Slots, stop (): Promise<void> }

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
    limitRelay(server, components.events)
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
