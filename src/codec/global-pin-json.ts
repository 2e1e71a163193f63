import { isSameIdentity, type GlobalPinInfo, type PeerPinStatus } from '../domain/status.ts'
import { sortedKeys } from './containers.ts'
import { quoteJson } from './json.ts'

/** Encoders of the parts, each of an object of its own. */
export interface GlobalPinParts {
  /** All but the statuses of the peers. */
  readonly pin: (value: GlobalPinInfo) => string
  /** Name and IPFS node of a peer. */
  readonly identity: (value: PeerPinStatus) => string
  /** What the peer does with the content. */
  readonly state: (value: PeerPinStatus) => string
}

/** What was written of a status. */
interface Written { readonly status: PeerPinStatus, readonly text: string }

/** Peers whose text is kept; more than a listing has. */
const maxKnownPeers = 1_024

/**
 * The JSON of a status on all peers, from that of its parts. In a listing most of it is the same pin
 * after pin: the peers and their IPFS nodes, and often what they do with the content; it is written once.
 */
export function globalPinJson (parts: GlobalPinParts): (value: GlobalPinInfo) => string {
  const known = new Map<string, Written>()
  let lastPeers: readonly string[] = []
  let lastOrder: readonly string[] = []
  let last: Written | undefined

  const identity = (peer: string, status: PeerPinStatus): string => {
    const before = known.get(peer)
    if (before !== undefined && isSameIdentity(before.status, status)) return before.text
    if (known.size >= maxKnownPeers) known.clear()
    const text = `${quoteJson(peer)}:${parts.identity(status).slice(0, -1)},`
    known.set(peer, { status, text })
    return text
  }

  const state = (status: PeerPinStatus): string => {
    if (last === undefined || !isSameState(last.status, status)) last = { status, text: parts.state(status).slice(1) }
    return last.text
  }

  const ordered = (peers: readonly string[]): readonly string[] => {
    if (peers.length !== lastPeers.length || peers.some((peer, i) => peer !== lastPeers[i])) {
      lastPeers = peers
      lastOrder = sortedKeys(Object.fromEntries(peers.map(peer => [peer, true])))
    }
    return lastOrder
  }

  return value => {
    let json = ''
    for (const peer of ordered(Object.keys(value.peerMap))) {
      const status = value.peerMap[peer] as PeerPinStatus
      json += `${json === '' ? '' : ','}${identity(peer, status)}${state(status)}`
    }
    return `${parts.pin(value).slice(0, -1)},"peer_map":{${json}}}`
  }
}

function isSameState (a: PeerPinStatus, b: PeerPinStatus): boolean {
  return a.status === b.status && a.timestamp === b.timestamp && a.error === b.error && a.attemptCount === b.attemptCount && a.priorityPin === b.priorityPin
}
