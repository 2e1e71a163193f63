import { createConfiguration } from '../config/create.ts'
import type { Configuration } from '../config/configuration.ts'
import type { PeerId } from '../domain/peer.ts'
import type { SeededRandom } from './seeded-random.ts'

/**
 * What a peer is to the others: one that all trust; a follower, which changes nothing and whom
 * nobody trusts; an outsider, who makes changes that all others are to ignore.
 */
export type Role = 'member' | 'follower' | 'outsider'

/** How often a peer does what it does again and again. */
export interface Periods {
  readonly rebroadcastIntervalMs: number
  readonly repairIntervalMs: number
  readonly pinRecoverIntervalMs: number
  readonly stateSyncIntervalMs: number
  readonly pingIntervalMs: number
}

/** What each peer has its own way. */
export interface PeerSettings extends Periods {
  readonly batching: { readonly maxBatchSize: number, readonly maxBatchAgeMs: number }
  readonly disableRepinning: boolean
}

/** What is set in one simulated cluster. */
export interface ClusterSettings {
  /** Of each peer; those that come later have them as the first ones, in turn. */
  readonly ofPeers: readonly PeerSettings[]
  /** The longest that any peer has. */
  readonly longest: Periods
  readonly replicationFactorMin: number
  readonly replicationFactorMax: number
  readonly trustsAll: boolean
  /** Of each peer. */
  readonly roles: readonly Role[]
  /** Of each peer: whether it speaks only what the Go program does. */
  readonly speaksGo: readonly boolean[]
  /** Operators try both programs: any process of those peers may be either. */
  readonly changesPrograms: boolean
}

/** With fewer there would not be two whom all trust. */
const leastPeersForRoles = 4
/** One in so many peers may leave repairs to the others. */
const peersPerIdle = 3

/** As an operator might have chosen them, with shorter periods, so that an hour holds more. */
export function randomSettings (random: SeededRandom, peers: number): ClusterSettings {
  const settings = commonSettings(random, peers)
  const hasOthers = peers >= leastPeersForRoles && random.chance(0.35)
  const others = hasOthers ? 1 + random.integer(Math.floor(peers / 3)) : 0
  const roles = Array.from({ length: peers }, (_, n): Role => n < peers - others ? 'member' : random.chance(0.6) ? 'follower' : 'outsider')
  const isMixed = random.chance(0.25)
  const speaksGo = roles.map(() => isMixed && random.chance(0.5))
  const changesPrograms = isMixed && random.fork('programs').chance(0.5)
  return { ...settings, trustsAll: settings.trustsAll && !hasOthers, roles, speaksGo, changesPrograms }
}

function commonSettings (random: SeededRandom, peers: number): Omit<ClusterSettings, 'roles' | 'speaksGo' | 'changesPrograms'> {
  const factor = random.chance(0.3) ? -1 : 1 + random.integer(Math.min(3, peers))
  const common = peerSettings(random, [5_000, 15_000])
  const own = random.fork('own')
  // Operators change one machine after the other, and those of others have ideas of their own.
  const ofPeers = own.chance(0.3) ? Array.from({ length: peers }, (_, n) => ({ ...peerSettings(own, [5_000, 15_000, 60_000]), disableRepinning: n % peersPerIdle === peersPerIdle - 1 && own.chance(0.5) })) : Array.from({ length: peers }, () => common)
  return {
    ofPeers,
    longest: ofPeers.reduce<Periods>(longestOf, common),
    replicationFactorMin: factor === -1 ? -1 : Math.max(1, factor - random.integer(2)),
    replicationFactorMax: factor,
    trustsAll: random.chance(0.5),
  }
}

function peerSettings (random: SeededRandom, pingIntervals: readonly number[]): PeerSettings {
  return {
    batching: random.chance(0.5) ? { maxBatchSize: 0, maxBatchAgeMs: 0 } : { maxBatchSize: random.pick([5, 100]), maxBatchAgeMs: random.pick([200, 1_000, 5_000]) },
    rebroadcastIntervalMs: random.pick([10_000, 30_000]),
    repairIntervalMs: random.pick([30_000, 60_000]),
    pinRecoverIntervalMs: random.pick([30_000, 60_000]),
    stateSyncIntervalMs: random.pick([20_000, 30_000]),
    pingIntervalMs: random.pick(pingIntervals),
    disableRepinning: false,
  }
}

function longestOf (a: Periods, b: Periods): Periods {
  return {
    rebroadcastIntervalMs: Math.max(a.rebroadcastIntervalMs, b.rebroadcastIntervalMs),
    repairIntervalMs: Math.max(a.repairIntervalMs, b.repairIntervalMs),
    pinRecoverIntervalMs: Math.max(a.pinRecoverIntervalMs, b.pinRecoverIntervalMs),
    stateSyncIntervalMs: Math.max(a.stateSyncIntervalMs, b.stateSyncIntervalMs),
    pingIntervalMs: Math.max(a.pingIntervalMs, b.pingIntervalMs),
  }
}

const base = createConfiguration({ folder: '/simulated', random: { bytes: length => new Uint8Array(length), integer: () => 0, fraction: () => 0 }, environment: {}, warn: () => {}, datastore: 'leveldb' })

/** The configuration of the peer of that number, which trusts `members` unless all trust all. */
export async function peerConfiguration (settings: ClusterSettings, number: number, role: Role, members: readonly PeerId[]): Promise<Configuration> {
  const initial = await base
  const own = settings.ofPeers[number % settings.ofPeers.length] as PeerSettings
  return {
    ...initial,
    cluster: {
      ...initial.cluster,
      peername: `peer${number}`,
      followerMode: role === 'follower',
      // What an outsider moves nobody else knows: it would lack what the others then give it.
      disableRepinning: role === 'outsider' || own.disableRepinning,
      monitorPingIntervalMs: own.pingIntervalMs,
      pinRecoverIntervalMs: own.pinRecoverIntervalMs,
      stateSyncIntervalMs: own.stateSyncIntervalMs,
      replicationFactorMin: settings.replicationFactorMin,
      replicationFactorMax: settings.replicationFactorMax,
    },
    consensus: {
      ...initial.consensus,
      crdt: {
        ...initial.consensus.crdt,
        trustedPeers: settings.trustsAll ? 'all' : members,
        batching: { ...initial.consensus.crdt.batching, ...own.batching },
        rebroadcastIntervalMs: own.rebroadcastIntervalMs,
        repairIntervalMs: own.repairIntervalMs,
      },
    },
    monitor: { ...initial.monitor, pubsubmon: { ...initial.monitor.pubsubmon, checkIntervalMs: own.pingIntervalMs } },
    informer: { ...initial.informer, tags: { ...initial.informer.tags, tags: { group: `region${number % 2}` } } },
  }
}
