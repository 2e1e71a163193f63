import { errorText } from '../domain/errors.ts'
import type { Multiaddress } from '../domain/peer.ts'
import { sleep } from '../platform/clock.ts'
import type { Logger } from '../platform/logger.ts'
import { saveAddresses, type AddressBook } from './address-book.ts'
import type { Peer } from './compose.ts'
import { Connections } from './connections.ts'
import { greetPeers } from './greetings.ts'
import { join } from './join.ts'
import { meetMembers } from './meet-members.ts'
import { publishOnce, publishToNewcomers, pushMetrics } from './metric-loops.ts'
import { recordPresence } from './ping.ts'
import { Responsibility } from './repair/responsibility.ts'
import { expireLoop, recoverLoop, recoverOnce, type UpkeepParts } from './state-sync.ts'
import { linkSwarms } from './swarm-links.ts'

/** How often an IPFS node that does not answer is asked again at the start. */
const ipfsRetryMs = 1_000
/** Every so many tries the log says that the peer waits. */
const retriesPerWarning = 10
/** For so long a start waits for known peers, in milliseconds: they are to be in the list that the log shows. */
const meetingMs = 1_000

export interface LifeOptions {
  /** Peers to join, one after the other; a failure is only logged. */
  readonly bootstrap?: readonly Multiaddress[]
  readonly addressBook?: AddressBook | undefined
  /** How long after its node's first answer the nodes of all peers are connected, in milliseconds; 0: never. */
  readonly connectSwarmsDelayMs: number
  /** Called once, when the IPFS node has answered and the peer does all its work. */
  readonly onReady?: (() => void) | undefined
  /** Called when the peer is no longer a member and should end. */
  readonly onRemoved?: (() => void) | undefined
}

/**
 * What a peer whose components have started does of itself: finds and keeps other peers, waits for
 * its IPFS node, then publishes metrics and keeps the pinset up. Ends with the signal.
 */
export async function livePeer (peer: Peer, options: LifeOptions, signal: AbortSignal): Promise<void> {
  const logger = peer.platform.loggers.component('cluster')
  const { network, calls, consensus, platform, configuration: { cluster: settings } } = peer
  const connections = new Connections({ network, settings, platform })
  const running: Array<Promise<void>> = []
  const run = (what: string, work: Promise<void>): void => {
    running.push(work.catch((error: unknown) => { if (!signal.aborted) logger.error(`${what} has ended, restart the peer: ${errorText(error)}`) }))
  }
  run('recording alerts', peer.alerts.record(peer.monitor, logger, signal))
  run('asking peers who they are', greetPeers({ network, calls, platform, answered: peer.answered, monitor: peer.monitor }, signal))
  // Peers that are all gone must not keep this one from its work.
  const meeting = meetOthers(peer, connections, options, signal)
  run('connecting to known peers', meeting)
  await Promise.race([meeting.catch(() => {}), sleep(platform.clock, meetingMs, signal).catch(() => {})])
  run('joining', joinAll(peer, options.bootstrap ?? [], signal))
  run('connecting to lost peers', connections.keep(signal))
  run('connecting to members', meetMembers({ network, calls, platform, members: () => consensus.peers(), connect: (peers, ending) => connections.connectSome(peers, peers.length, { signal: ending }), enough: settings.connectionManager.lowWater }, signal))
  if (options.addressBook !== undefined) run('saving addresses', saveAddresses(network, options.addressBook, platform, signal))
  await tellMembers(peer, logger)
  await waitForIpfs(peer, logger, signal)
  if (!signal.aborted) {
    logger.info('** IPFS Cluster is READY **')
    options.onReady?.()
    for (const [what, work] of Object.entries(upkeep(peer, options, signal))) run(what, work)
  }
  await Promise.all(running)
}

/** Connects to some of the peers that are known: the others are found through them. */
async function meetOthers ({ monitor, platform: { clock }, configuration: { cluster: settings } }: Peer, connections: Connections, { addressBook }: LifeOptions, signal: AbortSignal): Promise<void> {
  for (const other of await connections.bootstrap(addressBook?.read() ?? [], { signal })) {
    recordPresence(monitor, other, clock.now(), settings.monitorPingIntervalMs)
  }
}

async function joinAll (peer: Peer, addresses: readonly Multiaddress[], signal: AbortSignal): Promise<void> {
  const { network, calls, monitor, platform, informers, ping, cluster, configuration: { cluster: settings } } = peer
  const logger = platform.loggers.component('cluster')
  const sendMetrics = async (): Promise<void> => { for (const informer of [...informers, ping]) await publishOnce(informer, monitor, platform, signal) }
  for (const address of addresses) {
    if (signal.aborted) return
    logger.info(`Bootstrapping to ${address}`)
    try {
      const other = await join({ network, calls, monitor, pingIntervalMs: settings.monitorPingIntervalMs, dialTimeoutMs: settings.dialPeerTimeoutMs, sendMetrics, platform }, address, { signal })
      if (other === undefined) continue
      logger.info(`${cluster.self}: joined ${other}'s cluster`)
      await recoverOnce(upkeepParts(peer, signal), signal)
    } catch (error) {
      if (!signal.aborted) logger.error(`bootstrap to ${address} failed: ${errorText(error)}`)
    }
  }
}

async function tellMembers ({ consensus, cluster }: Peer, logger: Logger): Promise<void> {
  const others = (await consensus.peers()).filter(member => member !== cluster.self)
  logger.info('Cluster Peers (without including ourselves):')
  if (others.length === 0) logger.info('    - No other peers')
  for (const other of others) logger.info(`    - ${other}`)
}

async function waitForIpfs ({ ipfsIdentity, platform: { clock } }: Peer, logger: Logger, signal: AbortSignal): Promise<void> {
  logger.info('Waiting for IPFS to be ready...')
  for (let attempt = 1; !signal.aborted; attempt++) {
    try {
      const { id } = await ipfsIdentity.ask({ signal })
      logger.info(`IPFS is ready. Peer ID: ${id}`)
      return
    } catch (error) {
      if (attempt % retriesPerWarning === 0) logger.warn(`ipfs does not seem to be available after ${attempt} retries: ${errorText(error)}`)
    }
    await sleep(clock, ipfsRetryMs, signal).catch(() => {})
  }
}

function upkeepParts ({ consensus, tracker, cluster, platform }: Peer, signal: AbortSignal): UpkeepParts {
  return { consensus, tracker, responsibility: new Responsibility(cluster.self), platform, unpin: cid => cluster.unpin(cid, { signal, yieldsToOthers: true }) }
}

/** What a ready peer does all the time, by what it is. */
function upkeep (peer: Peer, options: LifeOptions, signal: AbortSignal): Record<string, Promise<void>> {
  const { network, consensus, monitor, informers, ping, calls, ipfs, platform, cluster: { self }, configuration: { cluster: settings } } = peer
  const parts = upkeepParts(peer, signal)
  const pushed = [ping, ...informers]
  return {
    ...Object.fromEntries(pushed.map(informer => [`publishing ${informer.name}`, pushMetrics(informer, monitor, platform, signal)])),
    'publishing to newcomers': publishToNewcomers(pushed, network, monitor, platform, signal),
    'recovering pins': recoverLoop(parts, settings.pinRecoverIntervalMs, signal),
    'repairing pins': peer.repair.run(signal),
    'watching the membership': watchMembership(peer, options, signal),
    ...!settings.followerMode && { 'removing expired pins': expireLoop(parts, settings.stateSyncIntervalMs, signal) },
    ...options.connectSwarmsDelayMs > 0 && { 'connecting IPFS nodes': linkSwarms({ self, members: () => consensus.peers(), calls, ipfs, platform, delayMs: options.connectSwarmsDelayMs }, signal) },
  }
}

/** Ends the peer when the consensus no longer has it (spec/components.md 1.2). */
async function watchMembership ({ consensus, cluster: { self }, platform: { clock, loggers }, configuration: { cluster: settings } }: Peer, { onRemoved }: LifeOptions, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await sleep(clock, settings.peerWatchIntervalMs, signal).catch(() => {})
    if (signal.aborted || (await consensus.peers()).includes(self)) continue
    loggers.component('cluster').info('peer no longer in peerset. Initiating shutdown')
    onRemoved?.()
    return
  }
}
