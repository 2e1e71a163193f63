import { ClusterError } from '../domain/errors.ts'
import { parseMultiaddress } from '../domain/multiaddress.ts'

/** Where an API listens. */
export interface ApiHost {
  /** Scheme, host and port, as an error message shows them: `http://127.0.0.1:9094`. */
  readonly origin: string
  /** The unix socket to use instead of the network. */
  readonly socketPath: string | undefined
}

/**
 * The host of a multiaddress such as `/ip4/127.0.0.1/tcp/9094`, `/dns4/host/tcp/443`, `/unix/run/api`.
 * What follows the port is not looked at.
 * @throws ClusterError `INVALID_MULTIADDRESS`; `UNSUPPORTED` for libp2p endpoints
 */
export function hostFromMultiaddress (text: string, options: { readonly https: boolean }): ApiHost {
  const address = parseMultiaddress(text)
  const [, network, name, transport, port] = address.split('/')
  if (isPeerAddress(address)) {
    throw new ClusterError('UNSUPPORTED', `${address} is a libp2p endpoint, which this version cannot contact yet: give the HTTP endpoint, for example /ip4/127.0.0.1/tcp/9094`)
  }
  if (network === 'unix') return { origin: 'http+unix://restapi', socketPath: address.slice('/unix'.length) }
  if (name === undefined || !hostNetworks.includes(network ?? '')) throw new ClusterError('INVALID_MULTIADDRESS', `${address} is not a 'thin waist' address`)
  const host = network === 'ip6' ? `[${name}]` : name
  const portText = (transport === 'tcp' || transport === 'udp') && port !== undefined ? `:${port}` : ''
  return { origin: `${options.https ? 'https' : 'http'}://${host}${portText}`, socketPath: undefined }
}

const hostNetworks = ['ip4', 'ip6', 'dns', 'dns4', 'dns6']

/** True for an address of the libp2p endpoint of the API. */
export function isPeerAddress (address: string): boolean {
  return !address.startsWith('/unix/') && /\/(?:p2p|dnsaddr)\//.test(address)
}
