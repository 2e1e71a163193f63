import type { Cid } from '../../domain/cid.ts'
import { pinsetOn } from '../disk-contents.ts'
import type { SimulatedPeer } from '../simulated-peer.ts'
import type { Check } from './check.ts'

/**
 * That nothing of an outsider's stands in the pinset of the others is part of what was acknowledged:
 * there it is a pin that nobody has asked for.
 */
export const trust: Check = {
  promise: 'who is not trusted follows the others and keeps its own changes to itself',
  atRest: ({ world, values }) => world.serving().filter(({ role }) => role === 'outsider').flatMap(peer => outsiderFaults(peer, pinsetOn(peer.disk).values, values)),
}

/** What an outsider has other than all, although it has not changed it, and what it has not kept of its own. */
export function outsiderFaults (peer: SimulatedPeer, own: ReadonlyMap<Cid, string>, all: ReadonlyMap<Cid, string>): string[] {
  const broken: string[] = []
  const { history } = peer
  for (const [cid, value] of all) if (own.get(cid) !== value && history.of(cid).length === 0) broken.push(`${peer.name} ${own.has(cid) ? 'has another pin of' : 'lacks'} ${cid}`)
  for (const cid of own.keys()) if (!all.has(cid) && history.of(cid).length === 0) broken.push(`${peer.name} has ${cid}, which nobody has pinned`)
  for (const cid of history.cids()) {
    if (all.has(cid)) continue
    const { values, mayBeAbsent } = history.allowed(cid)
    const value = own.get(cid)
    const isExpired = history.of(cid).every(change => change.isUpkeep)
    if (!isExpired && (value === undefined ? !mayBeAbsent : !values.has(value))) broken.push(`${peer.name} has not kept what it was asked to do with ${cid}`)
  }
  return broken
}
