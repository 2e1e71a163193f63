import type { PeerId, PeerInformation } from '../../domain/peer.ts'
import type { SimulatedPeer } from '../simulated-peer.ts'
import type { World } from '../world.ts'

const limitMs = 60_000
/** Somebody whose rhythm is not known may count for so long with a wrong clock, in milliseconds: at first there is nothing to hold against it. */
const firstPingsCountMs = 15 * 60_000
/** In which the rhythm gets known, in milliseconds. */
const rhythmMs = 120_000
/** A ping may be as old as this when it is heard, in milliseconds. */
const oldestPingMs = 10_000

/** What is wrong with the lists of peers: everybody lists all who serve, with what they say of themselves, and nobody else. */
export async function membershipFaults (world: World): Promise<string[]> {
  const found: string[] = []
  for (const peer of world.serving()) {
    const cluster = peer.serving?.cluster
    if (cluster === undefined) continue
    found.push(...listedPeersFaults(world, peer, await world.while(Array.fromAsync(cluster.peers()), limitMs)))
  }
  return found
}

function listedPeersFaults (world: World, asked: SimulatedPeer, listed: readonly PeerInformation[]): string[] {
  const found: string[] = []
  for (const { self, name } of world.serving()) {
    const told = listed.filter(({ id }) => id === self)
    if (told.length !== 1) found.push(`${asked.name} lists ${name} ${told.length} times`)
    else if (told[0]?.error !== '' || told[0].peername !== name) found.push(`${asked.name} lists ${name} as "${told[0]?.peername}", with the error "${told[0]?.error}"`)
  }
  for (const { id } of listed) if (!world.serving().some(({ self }) => self === id) && !mayBeTakenForAlive(world, asked, id)) found.push(`${asked.name} lists ${world.nameOf(id)}, which is gone`)
  return found
}

/** The asked peer has heard only a few pings of the one that is gone, at a time when the clock of one of both was wrong. */
function mayBeTakenForAlive (world: World, asked: SimulatedPeer, gone: PeerId): boolean {
  const heard = world.heard.get(asked.self)?.get(gone)
  const { startedAt = 0, steadySince = Infinity } = asked.process ?? {}
  const rightSince = Math.max(steadySince, world.peer(gone)?.wasSteadySince ?? Infinity)
  return heard !== undefined && world.clock.monotonic() - heard.at < firstPingsCountMs && heard.at - Math.max(startedAt, heard.since) < rhythmMs && heard.at < rightSince + oldestPingMs
}
