import { errorText } from '../domain/errors.ts'
import { multiaddressPeer } from '../domain/multiaddress.ts'
import type { PeerId } from '../domain/peer.ts'
import { sleep } from '../platform/clock.ts'
import type { Platform } from '../platform/lifecycle.ts'
import type { Network } from '../platform/network.ts'
import type { PeerCalls } from '../rpc/peer-calls.ts'
import { peerAnswerMs } from './peer-answer.ts'
import { within } from '../platform/deadline.ts'

/** How often members without a connection are looked for, in milliseconds. */
const lookMs = 1_000
/** Of two that hear of each other the one whose ID is less connects; the other one after this time, in milliseconds: one of two connections would be for nothing. */
const otherFirstMs = 3_000
/** When a member that could not be connected to is tried again, in milliseconds. */
const againMs = 30_000
/** Peers that are asked where others are. */
const askedPeers = 3
/** Addresses taken from one of them: many for each member of a large cluster. */
const maxAddresses = 4_096

export interface MeetingParts {
  readonly network: Network
  readonly calls: Pick<PeerCalls, 'id'>
  /** Those of whom this peer hears, itself among them. */
  readonly members: () => Promise<readonly PeerId[]>
  /** Connects to some of the peers. */
  readonly connect: (peers: readonly PeerId[], signal: AbortSignal) => Promise<unknown>
  /** With so many connections no more are made. */
  readonly enough: number
  readonly platform: Platform
}

/**
 * Connects this peer to members of whom it only hears through others, and asks those where they
 * are. Ends with the signal.
 */
export async function meetMembers (parts: MeetingParts, signal: AbortSignal): Promise<void> {
  const { network, platform: { clock, loggers } } = parts
  const again = new Map<PeerId, number>()
  while (!signal.aborted) {
    try {
      const members = await parts.members()
      const present = new Set(members)
      for (const peer of again.keys()) if (!present.has(peer)) again.delete(peer)
      const connected = new Set(network.peers())
      const now = clock.monotonic()
      const apart = members.filter(peer => peer !== network.self && !connected.has(peer))
      for (const peer of apart) if (peer < network.self && !again.has(peer)) again.set(peer, now + otherFirstMs)
      const missing = apart.filter(peer => now >= (again.get(peer) ?? 0))
      if (missing.length > 0 && connected.size < parts.enough) {
        for (const peer of missing) again.set(peer, now + againMs)
        if (missing.some(peer => network.knownAddresses(peer).length === 0)) await askAround(parts, present, signal)
        await parts.connect(missing.slice(0, parts.enough - connected.size), signal)
      }
    } catch (error) {
      if (!signal.aborted) loggers.component('cluster').debug(`members without a connection were not looked for: ${errorText(error)}`)
    }
    await sleep(clock, lookMs, signal).catch(() => {})
  }
}

/** Learns from some connected members where the others are. Of strangers nothing is learnt: anybody could name them. */
async function askAround ({ network, calls, platform: { clock, random } }: MeetingParts, members: ReadonlySet<PeerId>, signal: AbortSignal): Promise<void> {
  const candidates = network.peers().filter(peer => members.has(peer))
  const first = candidates.length === 0 ? 0 : random.integer(candidates.length)
  const asked = [...candidates.slice(first), ...candidates.slice(0, first)].slice(0, askedPeers)
  await Promise.all(asked.map(async peer => {
    try {
      const { clusterPeersAddresses } = await within(clock, peerAnswerMs, { signal }, options => calls.id(peer, options))
      const addresses = (clusterPeersAddresses ?? []).slice(0, maxAddresses)
      await network.remember(addresses.filter(address => members.has(multiaddressPeer(address) as PeerId)))
    } catch {
      // Another one may know.
    }
  }))
}
