import type { Transport } from '@libp2p/interface'
import { ClusterError, errorText } from '../../domain/errors.ts'
import type { Multiaddress } from '../../domain/peer.ts'
import { readAddress } from './addresses.ts'

/**
 * Where a host listens. One of its addresses is enough, as in the reference: another may belong to
 * a network that is not up yet, or be of IPv6 on a machine without.
 */
export class Listening {
  readonly #on = new Set<string>()
  readonly #failures = new Map<string, unknown>()

  /** The transport, whose listeners are noted. */
  over (transport: Transport): Transport {
    const create = transport.createListener.bind(transport)
    transport.createListener = options => {
      const listener = create(options)
      const listen = listener.listen.bind(listener)
      listener.listen = async address => {
        const text = readAddress(address.toString()) ?? address.toString()
        try {
          await listen(address)
          this.#on.add(text)
        } catch (error) {
          this.#failures.set(text, error)
          throw error
        }
      }
      return listener
    }
    return transport
  }

  /**
   * Says of each of the addresses that is not listened on why.
   * @throws ClusterError `ADDRESS_IN_USE` or `INVALID_CONFIGURATION` when that is so of all
   */
  missing (addresses: readonly Multiaddress[]): readonly string[] {
    const missing = addresses.filter(address => !this.#on.has(address))
    if (missing.length > 0 && missing.length === addresses.length) throw listenFailure(new Map(missing.map(address => [address, this.#failures.get(address)])))
    return missing.map(address => failureText(address, this.#failures.get(address)))
  }
}

/** For a peer that can listen on none of its addresses, with what stood against each. */
export function listenFailure (failures: ReadonlyMap<Multiaddress, unknown>): ClusterError {
  const texts = [...failures].map(([address, failure]) => failureText(address, failure))
  const isInUse = [...failures.values()].some(failure => codeOf(failure) === 'EADDRINUSE')
  return new ClusterError(isInUse ? 'ADDRESS_IN_USE' : 'INVALID_CONFIGURATION', `${texts.join('; ')}; choose another cluster.listen_multiaddress`, { cause: [...failures.values()][0] })
}

function failureText (address: Multiaddress, failure: unknown): string {
  const reason = failure === undefined ? 'nothing listens on such addresses' : reasons.get(codeOf(failure)) ?? errorText(failure)
  return `cannot listen for other peers on ${address}: ${reason}`
}

const reasons = new Map<unknown, string>([
  ['EADDRINUSE', 'another program does'],
  ['EADDRNOTAVAIL', 'this machine does not have the address'],
  ['EACCES', 'permission denied'],
])

function codeOf (failure: unknown): unknown {
  return (failure as { readonly code?: unknown } | undefined)?.code
}
