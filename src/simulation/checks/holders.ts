import type { Cid } from '../../domain/cid.ts'
import { isAllocatedTo, type Pin } from '../../domain/pin.ts'
import { pinsetFor } from '../disk-contents.ts'
import type { SimulatedPeer } from '../simulated-peer.ts'
import type { Check } from './check.ts'

/** What the IPFS nodes have pinned is what the pinset asks of them. */
export const holders: Check = {
  promise: 'every IPFS node holds what its peer is to hold, and nothing else',
  atRest: ({ world, pinset }) => world.serving().flatMap(peer => differences(peer, pinsetFor(peer, pinset))),
}

/** What the node of a peer has too many or too few. */
export function differences (peer: SimulatedPeer, pinset: ReadonlyMap<Cid, Pin>): string[] {
  const found: string[] = []
  for (const [cid, pin] of pinset) {
    const type = peer.node.pins.get(cid)
    const isHeld = type === 'recursive' || (type === 'direct' && pin.maxDepth === 0)
    const isWanted = pin.type !== 'meta-pin' && isAllocatedTo(pin, peer.self)
    if (isWanted && isHeld && !peer.node.isComplete(cid)) found.push(`${peer.name} holds ${cid} ("${pin.name}") without some of its blocks`)
    if (isWanted && !isHeld) found.push(`${peer.name} does not hold ${cid} ("${pin.name}")`)
    if (!isWanted && type !== undefined) found.push(`${peer.name} holds ${cid} ("${pin.name}"), which is for others`)
  }
  for (const cid of peer.node.pins.keys()) if (!pinset.has(cid)) found.push(`${peer.name} holds ${cid}, which nobody has pinned`)
  return found
}
