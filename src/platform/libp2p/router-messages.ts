import { createSocket, type SocketType } from 'node:dgram'
import type { EventEmitter } from 'node:events'
import ssdp from '@achingbrain/ssdp'

interface SocketPlace { readonly type: SocketType, readonly bind: { readonly port: number, readonly address: string } }

/** All that libp2p looks for. */
const routerType = 'urn:schemas-upnp-org:device:InternetGatewayDevice:2'

/** Descriptions that are asked for at a time: networks have a router or two, and some devices never answer, for which the library waits for ever. */
const maxAsked = 64

/** What the library (4.2) does not tell of its class. */
interface Search extends EventEmitter {
  readonly options: { sockets: readonly SocketPlace[] }
  start (): Promise<void>
}

/**
 * Lets the search for routers survive what comes to it. The library throws out of the events of its
 * sockets: at a message that it does not know, at one that does not say how long it counts, as updates
 * of devices do not (UPnP 1.1, 1.2.4), and where another program has its port. One packet of anybody
 * in the local network, or a media server on the same machine, would end the process.
 */
export async function surviveRouterMessages (): Promise<void> {
  // All searches are made of this class; each that libp2p begins is a new one.
  const search = Object.getPrototypeOf(await ssdp({ start: false })) as Search
  if (Object.hasOwn(search, 'emit')) return
  const { emit, start } = search
  // Of all searches: a description may still be waited for when its search has ended.
  let asked = 0
  search.emit = function (event: string, ...given: unknown[]): boolean {
    // How asking for a description ends.
    if (event === 'error' || event === 'service:discover') asked = Math.max(0, asked - 1)
    // A device that cannot be asked would end the search for others.
    if (event === 'error') return true
    // It would ask every device there is, and wait for one that does not answer for ever.
    if (event === 'ssdp:notify' || event === 'ssdp:search-response') {
      const { NT, ST = NT, USN, LOCATION, NTS, ttl } = given[0] as Readonly<Record<string, unknown>>
      const isOfRouter = ST === routerType && NTS !== 'ssdp:byebye' && (event === 'ssdp:search-response' || NTS !== undefined)
      if (!isOfRouter || USN === undefined || LOCATION === undefined || ttl === undefined || asked >= maxAsked) return false
      asked++
      return emit.call(this, event, ...given)
    }
    if (event !== 'transport:incoming-message') return emit.call(this, event, ...given)
    try {
      return emit.call(this, event, ...given)
    } catch {
      return true
    }
  }
  search.start = async function (this: Search): Promise<void> {
    // It would wait for ever for a socket that cannot be had.
    const places = await Promise.all(this.options.sockets.map(async place => await isFree(place) ? [place] : []))
    this.options.sockets = places.flat()
    await start.call(this)
  }
}

async function isFree ({ type, bind: { port, address } }: SocketPlace): Promise<boolean> {
  const socket = createSocket({ type, ipv6Only: type === 'udp6', reuseAddr: true })
  try {
    return await new Promise<boolean>(resolve => {
      socket.once('error', () => { resolve(false) })
      socket.bind(port, address, () => { resolve(true) })
    })
  } finally {
    socket.close()
  }
}
