import { ClusterError } from '../../domain/errors.ts'
import type { Multiaddress } from '../../domain/peer.ts'

/** Where and how the RPC of an IPFS node is reached. */
export interface NodeAddress {
  /** Scheme and host as messages show them (`http://127.0.0.1:5001`, `http+unix://ipfs`). */
  readonly shown: string
  /** Scheme and host for the HTTP client. */
  readonly origin: string
  /** `tcp 127.0.0.1:5001` or `unix /run/ipfs.sock`: what a failed dial names. */
  readonly dial: string
  readonly socketPath: string | undefined
  /** Of the addresses of a name, only those of this IP version. */
  readonly family: 4 | 6 | undefined
}

/**
 * Reads `/ip4|ip6|dns|dns4|dns6/HOST/tcp/PORT[/http|/https|/tls/http]` or `/unix/PATH`.
 * @throws ClusterError `INVALID_CONFIGURATION` for every other form
 */
export function nodeAddress (address: Multiaddress): NodeAddress {
  if (address.startsWith('/unix/')) {
    const path = address.slice('/unix'.length)
    return { shown: 'http+unix://ipfs', origin: 'http://ipfs', dial: `unix ${path}`, socketPath: path, family: undefined }
  }
  const match = /^\/(ip4|ip6|dns|dns4|dns6)\/([^/]+)\/tcp\/(\d+)(\/http|\/https|\/tls\/http)?$/.exec(address)
  if (match === null) {
    throw new ClusterError('INVALID_CONFIGURATION', `ipfshttp.node_multiaddress is ${address}: it must be /ip4, /ip6, /dns, /dns4 or /dns6 with /tcp, or /unix`)
  }
  const [, kind, host, port, scheme] = match as unknown as [string, string, string, string, string | undefined]
  const place = `${kind === 'ip6' ? `[${host}]` : host}:${port}`
  const origin = `${scheme === undefined || scheme === '/http' ? 'http' : 'https'}://${place}`
  return { shown: origin, origin, dial: `tcp ${place}`, socketPath: undefined, family: kind === 'dns4' ? 4 : kind === 'dns6' ? 6 : undefined }
}
