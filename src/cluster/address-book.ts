import { ClusterError, errorText } from '../domain/errors.ts'
import type { Multiaddress } from '../domain/peer.ts'
import { sleep } from '../platform/clock.ts'
import type { Platform } from '../platform/lifecycle.ts'
import type { Network } from '../platform/network.ts'

/** How often it is looked whether other addresses of peers are known than those saved, in milliseconds: a crash shall not cost a peer its cluster. */
const saveMs = 5_000

/** Where the addresses of other peers are kept while this one does not run. */
export interface AddressBook {
  read (): readonly Multiaddress[]
  /** @throws ClusterError `STORE_FAILED` */
  write (addresses: readonly Multiaddress[]): void
}

/** Keeps the address book: once in a while when something has changed, and at the end. Ends with the signal. */
export async function saveAddresses (network: Pick<Network, 'knownPeers' | 'knownAddresses'>, book: AddressBook, { clock, loggers }: Platform, signal: AbortSignal): Promise<void> {
  let saved = ''
  /** What kept the last try from it: a folder that cannot be written is told of once. */
  let told = ''
  do {
    await sleep(clock, saveMs, signal).catch(() => {})
    const addresses = network.knownPeers().flatMap(peer => namesFirst(network.knownAddresses(peer)))
    // Not their order, which tells when each was heard of last.
    const text = addresses.toSorted().join('\n')
    // An empty book helps nobody: the old one may.
    if (text === saved || text === '') continue
    try {
      book.write(addresses)
      saved = text
      told = ''
    } catch (error) {
      const failure = error instanceof ClusterError ? `${error.message}. ${error.advice}` : errorText(error)
      if (failure !== told) loggers.component('pstoremgr').error(`the addresses of other peers could not be saved: ${failure}`)
      told = failure
    }
  } while (!signal.aborted)
}

/** Where an operator has given names, the addresses behind them may change. */
function namesFirst (addresses: readonly Multiaddress[]): readonly Multiaddress[] {
  const names = addresses.filter(address => address.startsWith('/dns'))
  return names.length > 0 ? names : addresses
}
