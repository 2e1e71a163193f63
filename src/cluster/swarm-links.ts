import { errorText } from '../domain/errors.ts'
import type { PeerId } from '../domain/peer.ts'
import type { IpfsConnector } from '../ipfs/connector.ts'
import { sleep } from '../platform/clock.ts'
import type { Platform } from '../platform/lifecycle.ts'
import type { PeerCalls } from '../rpc/peer-calls.ts'
import { peerAnswerMs } from './peer-answer.ts'
import { within } from '../platform/deadline.ts'

/** How often new members are looked for, in milliseconds. */
const lookMs = 2_000
/** When a member whose node could not be asked for is tried again, in milliseconds. */
const againMs = 30_000
/** Nodes whose addresses are asked for at the same time. */
const asksAtOnce = 8
/** Addresses of one node that are dialled. */
const maxAddresses = 64

export interface SwarmParts {
  readonly self: PeerId
  readonly members: () => Promise<readonly PeerId[]>
  readonly calls: Pick<PeerCalls, 'id'>
  readonly ipfs: Pick<IpfsConnector, 'connectSwarm'>
  readonly platform: Platform
  /** Before the first connection, in milliseconds. */
  readonly delayMs: number
}

/**
 * Connects this peer's IPFS node to the nodes of all members, so that they need not search for what
 * one of them has: each once when it becomes a member, and again when it comes back. Ends with the signal.
 */
export async function linkSwarms (parts: SwarmParts, signal: AbortSignal): Promise<void> {
  const { self, platform: { clock, loggers } } = parts
  /** Members, and when they are tried again by the monotonic clock: never where it has worked. */
  const again = new Map<PeerId, number>()
  await sleep(clock, parts.delayMs, signal).catch(() => {})
  while (!signal.aborted) {
    try {
      const members = await parts.members()
      const present = new Set(members)
      for (const peer of again.keys()) if (!present.has(peer)) again.delete(peer)
      const fresh = members.filter(peer => peer !== self && clock.monotonic() >= (again.get(peer) ?? 0))
      for (let at = 0; at < fresh.length && !signal.aborted; at += asksAtOnce) {
        await Promise.all(fresh.slice(at, at + asksAtOnce).map(async peer => {
          again.set(peer, await link(parts, peer, signal) ? Infinity : clock.monotonic() + againMs)
        }))
      }
    } catch (error) {
      if (!signal.aborted) loggers.component('cluster').debug(`the IPFS nodes of other peers were not looked for: ${errorText(error)}`)
    }
    await sleep(clock, lookMs, signal).catch(() => {})
  }
}

/** True when there is nothing more to try: addresses that cannot be reached now will not be soon. */
async function link ({ calls, ipfs, platform: { clock, loggers } }: SwarmParts, peer: PeerId, signal: AbortSignal): Promise<boolean> {
  try {
    const { ipfs: node } = await within(clock, peerAnswerMs, { signal }, options => calls.id(peer, options))
    if (node.error !== '' || node.addresses === null) return false
    await ipfs.connectSwarm(node.addresses.slice(0, maxAddresses), { signal })
    return true
  } catch (error) {
    loggers.component('cluster').debug({ peer }, `the IPFS node of ${peer} could not be connected to: ${errorText(error)}`)
    return false
  }
}
