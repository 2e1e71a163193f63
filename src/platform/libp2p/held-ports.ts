import { createServer, type ListenOptions, type Server, type Socket } from 'node:net'
import type { Listener, Transport } from '@libp2p/interface'
import type { Multiaddress } from '../../domain/peer.ts'
import { listenFailure } from './listening.ts'

/** Connections that may wait for the host; later ones are closed. */
const maxWaiting = 256
/** What WebSockets listen on is not held: their server has more to it than a port. */
const plainTcp = /^\/ip([46])\/([^/]+)\/tcp\/(\d+)$/

interface Held { readonly server: Server, readonly waiting: Set<Socket> }

/** What libp2p's TCP listener (11.0) keeps to itself. */
interface TcpListener { readonly server?: Server }

/**
 * Listens on a host's ports while the host is being loaded: whoever dials meanwhile waits for it
 * instead of being refused. A peer of the reference tries only once whom it is told to bootstrap
 * to, and then not for half a minute.
 */
export class HeldPorts {
  readonly #held = new Map<string, Held>()

  /**
   * Takes those of the addresses that are plain TCP. What cannot be taken is left to the host.
   * @throws ClusterError `ADDRESS_IN_USE` when somebody else has one and none can be taken
   */
  async hold (addresses: readonly Multiaddress[]): Promise<void> {
    const failures = new Map<Multiaddress, unknown>()
    for (const address of addresses) {
      const [, version, host, port] = plainTcp.exec(address) ?? []
      if (port === undefined) continue
      try {
        this.#held.set(address, await hold({ host, port: Number(port), ipv6Only: version === '6' }))
      } catch (error) {
        failures.set(address, error)
      }
    }
    if (failures.size < addresses.length) return
    const failure = listenFailure(failures)
    if (failure.code === 'ADDRESS_IN_USE') throw failure
  }

  /** The transport, whose listeners go on with what is held for them. */
  over (transport: Transport): Transport {
    const create = transport.createListener.bind(transport)
    transport.createListener = options => this.#takingOver(create(options))
    return transport
  }

  /** Gives back what no listener has taken over. */
  release (): void {
    for (const held of this.#held.values()) letGo(held)
    this.#held.clear()
  }

  #takingOver (listener: Listener): Listener {
    const { server } = listener as TcpListener
    const listen = listener.listen.bind(listener)
    listener.listen = async address => {
      const held = this.#held.get(address.toString())
      if (held === undefined || server === undefined) return listen(address)
      this.#held.delete(address.toString())
      const bind = server.listen.bind(server)
      // Both servers have one handle then, and what comes goes to the one that took it last: nobody is refused in between.
      server.listen = (_: unknown, listening?: unknown) => bind(held.server, listening as () => void)
      try {
        await listen(address)
      } catch (error) {
        letGo(held)
        throw error
      } finally {
        server.listen = bind
      }
      for (const socket of held.waiting) server.emit('connection', socket)
    }
    return listener
  }
}

async function hold (options: ListenOptions): Promise<Held> {
  const waiting = new Set<Socket>()
  const server = createServer({ noDelay: true, keepAlive: true }, socket => {
    if (waiting.size >= maxWaiting) {
      socket.destroy()
      return
    }
    waiting.add(socket)
    // Its end follows.
    socket.on('error', () => {})
    socket.on('close', () => { waiting.delete(socket) })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options, resolve)
  })
  return { server, waiting }
}

function letGo ({ server, waiting }: Held): void {
  server.close()
  for (const socket of waiting) socket.destroy()
}
