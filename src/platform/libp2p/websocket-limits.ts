import type { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import type { AbortOptions, Connection, MultiaddrConnection, Transport, Upgrader } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Clock } from '../clock.ts'

/** A message of somebody who has not shown yet that he is a member: what comes before that has some hundred bytes. */
const maxStrangerBytes = 64 * 1024
/** One of a member, who may send all that waits in one. It is what the library allows everybody. */
const maxMemberBytes = 100 * 1024 * 1024
/** One of anybody where there is no secret to show: without its cipher each piece of Noise, of 64 KiB at most, is one. */
const maxOpenBytes = 1024 * 1024
/** A connection that has not become a WebSocket after this is closed. */
const maxOpeningMs = 10_000
/** What libp2p gives for the reason when it ends a connection at once. No library sends it (RFC 6455, 7.4.1): they throw, and the connection stays. */
const abnormalClosure = 1006

interface WebSocket {
  close (code?: number): void
  /** Ends the connection below. */
  terminate (): void
}

/** What libp2p's listener (websockets 10) has inside, with the server of `ws`. */
interface Listener {
  readonly server: EventEmitter
  readonly wsServer: { readonly options: { maxPayload: number } }
  /** Called with each WebSocket that was opened, and the request for it. */
  onWsServerConnection: (websocket: EventEmitter & WebSocket, request: { readonly socket: Socket }) => void
}

/** And its dialling side. */
interface Dialler { _connect: (address: Multiaddr, options: AbortOptions) => Promise<WebSocket> }

/** A WebSocket of `ws` that was dialled. The runtime's own cannot be ended while the other side says nothing. */
interface DialledWebSocket extends EventEmitter, WebSocket {
  binaryType: string
  terminate (): void
  pause (): void
  resume (): void
}
type DialledWebSockets = new (url: string, options: { readonly maxPayload: number, readonly perMessageDeflate: boolean }) => DialledWebSocket

export interface WebSocketLimits {
  readonly clock: Clock
  /** False: nobody can show that he is a member. */
  readonly hasSecret: boolean
}

/**
 * Bounds what somebody without the secret can do: of each message he may send a hundred MiB and
 * never the rest, a connection on which he says nothing would be kept for good, and what is no
 * WebSocket would end the process, for nobody listens for the error. And what is given up, such as
 * who has another secret, is closed.
 */
export function limitWebSockets<Components> (make: (components: Components) => Transport, limits: WebSocketLimits): (components: Components) => Transport {
  return components => {
    const transport = make(components)
    const create = transport.createListener.bind(transport)
    transport.createListener = options => {
      const listener = create(options)
      limit(listener as unknown as Listener, limits)
      return listener
    }
    const dialler = transport as unknown as Dialler
    dialler._connect = async (address, options) => closable(await open(address, options, maxPayload(limits)))
    const dial = transport.dial.bind(transport)
    transport.dial = (address, options) => dial(address, { ...options, upgrader: endingFailures(options.upgrader) })
    return transport
  }
}

function maxPayload ({ hasSecret }: WebSocketLimits): number { return hasSecret ? maxStrangerBytes : maxOpenBytes }

/** Dials. libp2p leaves open what nobody waits for any more. */
async function open (address: Multiaddr, { signal }: AbortOptions, maxPayload: number): Promise<DialledWebSocket> {
  const [{ multiaddrToUri }, { WebSocket }] = await Promise.all([import('@multiformats/multiaddr-to-uri'), import('ws' as string) as Promise<{ readonly WebSocket: DialledWebSockets }>])
  signal?.throwIfAborted()
  const websocket = new WebSocket(multiaddrToUri(address), { maxPayload, perMessageDeflate: false })
  websocket.binaryType = 'arraybuffer'
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  // It closes the connection itself, and libp2p follows that.
  websocket.on('error', reject)
  websocket.once('open', () => {
    // What comes with the answer would find nobody who listens yet.
    websocket.pause()
    resolve()
  })
  const abort = (): void => {
    reject(signal?.reason)
    websocket.terminate()
  }
  signal?.addEventListener('abort', abort, { once: true })
  try {
    await promise
    return websocket
  } finally {
    signal?.removeEventListener('abort', abort)
  }
}

/** Lets what was dialled be read, and ends it when it does not become a connection to a peer, which libp2p leaves to the other side. */
function endingFailures (upgrader: Upgrader): Upgrader {
  const upgradeOutbound = async (connection: MultiaddrConnection, ...options: unknown[]): Promise<Connection> => {
    (connection as unknown as { readonly websocket: DialledWebSocket }).websocket.resume()
    try {
      return await (upgrader.upgradeOutbound as (this: Upgrader, connection: MultiaddrConnection, ...options: unknown[]) => Promise<Connection>).call(upgrader, connection, ...options)
    } catch (error) {
      connection.abort(error as Error)
      throw error
    }
  }
  return Object.create(upgrader, { upgradeOutbound: { value: upgradeOutbound } }) as Upgrader
}

function limit (listener: Listener, limits: WebSocketLimits): void {
  const { clock } = limits
  const opening = new WeakMap<Socket, () => void>()
  listener.wsServer.options.maxPayload = maxPayload(limits)
  listener.server.on('connection', (socket: Socket) => {
    const cancel = clock.after(maxOpeningMs, () => { socket.destroy() })
    opening.set(socket, cancel)
    socket.once('close', cancel)
  })
  const opened = listener.onWsServerConnection.bind(listener)
  listener.onWsServerConnection = (websocket, request) => {
    opening.get(request.socket)?.()
    // It closes the connection itself, and libp2p follows that.
    websocket.on('error', () => {})
    opened(closable(websocket), request)
  }
}

function closable<Socket extends WebSocket> (websocket: Socket): Socket {
  const close = websocket.close.bind(websocket)
  websocket.close = code => {
    if (code === abnormalClosure) websocket.terminate()
    else close(code)
  }
  return websocket
}

/** The other side has shown that it has the secret. Does nothing to connections that are no WebSockets. */
export function liftLimit (connection: MultiaddrConnection): void {
  const { websocket } = connection as { readonly websocket?: { readonly _receiver?: { _maxPayload: number } } }
  if (websocket?._receiver !== undefined) websocket._receiver._maxPayload = maxMemberBytes
}
