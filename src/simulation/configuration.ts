import { createConfiguration } from '../config/create.ts'
import type { Configuration } from '../config/configuration.ts'
import type { PeerId } from '../domain/peer.ts'
import type { SeededRandom } from './seeded-random.ts'

/**
 * What a peer is to the others: one that all trust; a follower, which changes nothing and whom
 * nobody trusts; an outsider, who makes changes that all others are to ignore.
 */
export type Role = 'member' | 'follower' | 'outsider'

/** What all peers of one simulated cluster have in common. */
export interface ClusterSettings {
  readonly batching: { readonly maxBatchSize: number, readonly maxBatchAgeMs: number }
  readonly rebroadcastIntervalMs: number
  readonly repairIntervalMs: number
  readonly pinRecoverIntervalMs: number
  readonly stateSyncIntervalMs: number
  readonly pingIntervalMs: number
  readonly replicationFactorMin: number
  readonly replicationFactorMax: number
  readonly trustsAll: boolean
  /** Of each peer. */
  readonly roles: readonly Role[]
  /** Of each peer: whether it speaks only what the Go program does. */
  readonly speaksGo: readonly boolean[]
}

/** With fewer there would not be two whom all trust. */
const leastPeersForRoles = 4

/** As an operator might have chosen them, with shorter periods, so that an hour holds more. */
export function randomSettings (random: SeededRandom, peers: number): ClusterSettings {
  const settings = commonSettings(random, peers)
  const hasOthers = peers >= leastPeersForRoles && random.chance(0.35)
  const others = hasOthers ? 1 + random.integer(Math.floor(peers / 3)) : 0
  const roles = Array.from({ length: peers }, (_, n): Role => n < peers - others ? 'member' : random.chance(0.6) ? 'follower' : 'outsider')
  const isMixed = random.chance(0.25)
  const speaksGo = roles.map(() => isMixed && random.chance(0.5))
  return { ...settings, trustsAll: settings.trustsAll && !hasOthers, roles, speaksGo }
}

function commonSettings (random: SeededRandom, peers: number): Omit<ClusterSettings, 'roles' | 'speaksGo'> {
  const factor = random.chance(0.3) ? -1 : 1 + random.integer(Math.min(3, peers))
  return {
    batching: random.chance(0.5) ? { maxBatchSize: 0, maxBatchAgeMs: 0 } : { maxBatchSize: random.pick([5, 100]), maxBatchAgeMs: random.pick([200, 1_000, 5_000]) },
    rebroadcastIntervalMs: random.pick([10_000, 30_000]),
    repairIntervalMs: random.pick([30_000, 60_000]),
    pinRecoverIntervalMs: random.pick([30_000, 60_000]),
    stateSyncIntervalMs: random.pick([20_000, 30_000]),
    pingIntervalMs: random.pick([5_000, 15_000]),
    replicationFactorMin: factor === -1 ? -1 : Math.max(1, factor - random.integer(2)),
    replicationFactorMax: factor,
    trustsAll: random.chance(0.5),
  }
}

const base = createConfiguration({ folder: '/simulated', random: { bytes: length => new Uint8Array(length), integer: () => 0, fraction: () => 0 }, environment: {}, warn: () => {}, datastore: 'leveldb' })

/** The configuration of the peer of that number, which trusts `members` unless all trust all. */
export async function peerConfiguration (settings: ClusterSettings, number: number, role: Role, members: readonly PeerId[]): Promise<Configuration> {
  const initial = await base
  return {
    ...initial,
    cluster: {
      ...initial.cluster,
      peername: `peer${number}`,
      followerMode: role === 'follower',
      // What an outsider moves nobody else knows: it would lack what the others then give it.
      disableRepinning: role === 'outsider',
      monitorPingIntervalMs: settings.pingIntervalMs,
      pinRecoverIntervalMs: settings.pinRecoverIntervalMs,
      stateSyncIntervalMs: settings.stateSyncIntervalMs,
      replicationFactorMin: settings.replicationFactorMin,
      replicationFactorMax: settings.replicationFactorMax,
    },
    consensus: {
      ...initial.consensus,
      crdt: {
        ...initial.consensus.crdt,
        trustedPeers: settings.trustsAll ? 'all' : members,
        batching: { ...initial.consensus.crdt.batching, ...settings.batching },
        rebroadcastIntervalMs: settings.rebroadcastIntervalMs,
        repairIntervalMs: settings.repairIntervalMs,
      },
    },
    monitor: { ...initial.monitor, pubsubmon: { ...initial.monitor.pubsubmon, checkIntervalMs: settings.pingIntervalMs } },
    informer: { ...initial.informer, tags: { ...initial.informer.tags, tags: { group: `region${number % 2}` } } },
  }
}
