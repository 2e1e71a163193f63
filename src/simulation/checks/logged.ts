import type { PeerId } from '../../domain/peer.ts'
import { isExpiredAt, isPinnedEverywhere, type Pin } from '../../domain/pin.ts'
import { storedForm, type Change } from '../history.ts'
import type { World } from '../world.ts'

/** What is under way when a peer comes back may still be finished for this long, in milliseconds. */
const returnMs = 10_000

/** What is wrong with a change at the moment in which a peer is asked for it; `before` is what that peer had. */
export function loggedFaults (world: World, change: Change, before: Pin | undefined): string[] {
  const { pin, isUpkeep, isMove } = change
  const by = world.nameOf(change.peer)
  if (pin === undefined) return isUpkeep && before !== undefined && !mayRemove(world, change, before) ? [`what is pinned stays: ${by} removes ${before.cid} ("${before.name}") by itself, though its time has not run out`] : []
  const faults = holderFaults(pin, [...world.everyPeer].map(({ self }) => self)).map(fault => `replication is within its bounds: ${by} ${fault}`)
  if (before !== undefined && isMove && !isSameButForHolders(before, pin)) faults.push(`a move changes nothing but holders: ${by} moves ${pin.cid} and makes another pin of it`)
  if (before !== undefined && isUpkeep) faults.push(...moveFaults(world, change, before, pin).map(fault => `moves are bounded by what was affected: ${by} ${fault}`))
  return faults
}

/** Pins go by themselves when their time has run out. A user's unpin may come so late that it no longer counts as his. */
function mayRemove (world: World, { peer, cid }: Change, before: Pin): boolean {
  const process = world.peer(peer)?.process
  return process?.unpins.includes(cid) === true || isExpiredAt(before, (process ?? world).clock.now())
}

function holderFaults (pin: Pin, members: readonly PeerId[]): string[] {
  const { cid, replicationFactorMin, replicationFactorMax } = pin
  const allocations = pin.allocations ?? []
  if (isPinnedEverywhere(pin) || pin.type === 'meta-pin') return allocations.length === 0 ? [] : [`gives ${cid} holders, which is to have none`]
  const faults: string[] = []
  if (allocations.length < replicationFactorMin || allocations.length > replicationFactorMax) faults.push(`gives ${cid} ${allocations.length} holders, from ${replicationFactorMin} to ${replicationFactorMax} are wanted`)
  if (new Set(allocations).size !== allocations.length) faults.push(`gives ${cid} twice to one peer`)
  if (!allocations.every(peer => members.includes(peer))) faults.push(`gives ${cid} to somebody who is no peer of the cluster`)
  return faults
}

function isSameButForHolders (before: Pin, pin: Pin): boolean {
  const { allocations, timestamp } = before
  return storedForm({ ...pin, allocations, timestamp }) === storedForm(before)
}

/** Moves are for pins that lack holders because peers are gone or an operator removes them: who was heard a moment ago keeps what it has. */
function moveFaults (world: World, { peer: by, isMove }: Change, before: Pin, pin: Pin): string[] {
  const now = world.clock.monotonic()
  const steadySince = (peer: PeerId): number => world.peer(peer)?.process?.steadySince ?? Infinity
  const faults: string[] = []
  let counted = 0
  for (const holder of before.allocations ?? []) {
    if (isRemoved(world, by, holder)) continue
    const { at = -Infinity, since = -Infinity } = world.heard.get(by)?.get(holder) ?? {}
    const isThere = now - at < world.pingIntervalOf(holder) && now - since > returnMs
    if (isThere && pin.allocations?.includes(holder) !== true) faults.push(`moves ${pin.cid} away from ${world.nameOf(holder)}, which it heard ${((now - at) / 1_000).toFixed(1)} s ago`)
    // A process that has just started has not heard what the one before it had, and may make little of a wrong clock.
    if (holder === by || (isThere && at > Math.max(steadySince(by), steadySince(holder)))) counted++
  }
  if (isMove && counted >= before.replicationFactorMin) faults.push(`moves ${pin.cid}, of which ${counted} holders are there`)
  return faults
}

function isRemoved ({ removals }: World, by: PeerId, holder: PeerId): boolean {
  return removals.values().some(removal => removal.by.self === by && removal.by.process === removal.process && removal.peer === holder)
}
