import type { Cid } from '../domain/cid.ts'
import { ClusterError } from '../domain/errors.ts'
import type { PeerId } from '../domain/peer.ts'
import type { PinInfo, TrackerStatus } from '../domain/status.ts'
import type { IpfsConnector } from '../ipfs/connector.ts'
import type { CallOptions, Platform } from '../platform/lifecycle.ts'
import type { Store } from '../platform/store.ts'
import type { ChangeLog } from '../state/changes.ts'
import type { StateStore } from '../state/state-store.ts'
import { ChangeReader } from './change-reader.ts'
import { FailedUnpins } from './failed-unpins.ts'
import { IpfsPins } from './ipfs-pins.ts'
import { JobRunner } from './job-runner.ts'
import { NodeHealth } from './node-health.ts'
import { OperationTable } from './operations.ts'
import type { IpfsIdentity, Teller } from './pin-info.ts'
import { Recovery } from './recovery.ts'
import { Scheduler } from './scheduler.ts'
import { StatusListing } from './status-listing.ts'
import type { ListedStatus, PinTracker, RecoverAllOptions } from './tracker.ts'
import type { OperationState } from './transitions.ts'

/**
 * Each peer unpins also what others hold, in a large cluster far more than it pins: while there is no
 * room for it, new pins behind it have to wait.
 */
const leastUnpinQueueSize = 1_000_000

/** The section `pin_tracker.stateless` of the configuration. */
export interface StatelessTrackerOptions {
  readonly maxPinQueueSize: number
  /** Unpins that may wait; {@link leastUnpinQueueSize} at least when left out. */
  readonly maxUnpinQueueSize?: number
  readonly concurrentPins: number
  readonly priorityPinMaxAgeMs: number
  readonly priorityPinMaxRetries: number
}

export interface StatelessTrackerParts {
  readonly pinset: StateStore
  readonly changes: ChangeLog
  readonly ipfs: IpfsConnector
  /** Where it is kept over restarts which unpins have failed. */
  readonly store?: Store | undefined
  readonly self: PeerId
  readonly peername: string
  /** The IPFS node as last seen: asked for every list of statuses, so it must not wait for anything. */
  readonly identity: () => IpfsIdentity
  readonly options: StatelessTrackerOptions
  readonly platform: Platform
}

/**
 * A {@link PinTracker} that keeps only what is going on or has failed in memory: all else is
 * what the pinset and the IPFS node say (spec/components.md 5).
 */
export function statelessTracker (parts: StatelessTrackerParts): PinTracker {
  const { pinset, changes, ipfs, self, platform, options } = parts
  const { clock } = platform
  const stopping = new AbortController()
  const teller: Teller = { self, identity: () => ({ peername: parts.peername, ...parts.identity() }) }
  const health = new NodeHealth(platform.random)
  const ipfsPins = new IpfsPins(ipfs, platform)
  const table = new OperationTable({ maxUnpinQueueSize: Math.max(leastUnpinQueueSize, options.maxPinQueueSize), ...options, maxQueueSize: options.maxPinQueueSize, clock, superseded: operation => { scheduler.superseded(operation) } })
  const failedUnpins = new FailedUnpins({ store: parts.store, table, pinset, self, platform })
  const runner = new JobRunner({ table, health, pinset, ipfs, self, platform, failedUnpins, pinned: pin => { ipfsPins.pinned(pin) } })
  const scheduler: Scheduler = new Scheduler({ table, health, runner, ipfs, platform, slots: options.concurrentPins, changed: () => { reader.acknowledge() } })
  const reader = new ChangeReader({ changes, table, self, platform, queued: () => { scheduler.wake() }, roomToUnpin: signal => scheduler.roomToUnpin(signal) })
  const listing = new StatusListing({ table, pinset, ipfsPins, teller, clock })
  const recovery = new Recovery({ table, pinset, ipfs, listing, scheduler, teller, clock, stopping: stopping.signal })
  addGauges(platform, table)

  return {
    async start (signal) {
      if (signal.aborted) throw new ClusterError('CANCELLED', 'the peer stops before the pin tracker has started')
      await failedUnpins.restore()
      scheduler.start()
      reader.start()
    },
    async stop () {
      stopping.abort()
      await scheduler.stop()
      await failedUnpins.settled()
      await reader.stop()
    },
    status: (cid: Cid, callOptions: CallOptions = {}): Promise<PinInfo> => recovery.status(cid, callOptions),
    statusAll: (filter: TrackerStatus, callOptions: CallOptions = {}): AsyncIterable<PinInfo[]> => listing.all(filter, callOptions),
    listed: (callOptions: CallOptions = {}): AsyncIterable<ListedStatus[]> => listing.listed(0, callOptions),
    recover: (cid: Cid, callOptions: CallOptions = {}): Promise<PinInfo> => recovery.recover(cid, callOptions),
    recoverAll: (recoverOptions: RecoverAllOptions = {}): AsyncIterable<PinInfo> => recovery.recoverAll(recoverOptions),
    queueSize: () => table.count('pin_queued'),
  }
}

function addGauges ({ metrics }: Platform, table: OperationTable): void {
  const count = (...states: OperationState[]): number => states.reduce((sum, state) => sum + table.count(state), 0)
  metrics.gauge('ipfscluster_pins_pin_queued', 'Current number of pins queued for pinning', () => table.count('pin_queued'))
  metrics.gauge('ipfscluster_pins_pinning', 'Current number of pins currently pinning', () => table.count('pinning'))
  metrics.gauge('ipfscluster_pins_pin_error', 'Current number of pins in pin_error state', () => table.count('pin_error'))
  metrics.gauge('ipfscluster_pins_unpinning', 'Current number of items that the IPFS node is to unpin and has not unpinned yet', () => count('unpin_queued', 'unpinning', 'remote_queued', 'remote_unpinning'))
  metrics.gauge('ipfscluster_pins_unpin_error', 'Current number of items that the IPFS node could not unpin', () => count('unpin_error', 'remote_error'))
}
