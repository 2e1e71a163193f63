import type { PeerInformation } from '../../domain/peer.ts'
import type { SimulatedPeer } from '../simulated-peer.ts'
import type { World } from '../world.ts'

const limitMs = 60_000

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
  for (const { id } of listed) if (!world.serving().some(({ self }) => self === id)) found.push(`${asked.name} lists ${world.nameOf(id)}, which is gone`)
  return found
}
