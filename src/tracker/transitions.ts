import { TrackerStatus } from '../domain/status.ts'

/**
 * What can be going on for a CID. `absent` is no operation at all: the CID is then as the
 * pinset and the IPFS node say. A `remote_…` operation takes a pin off the IPFS node that other
 * peers hold now.
 */
export const operationStates = [
  'absent', 'pin_queued', 'pinning', 'pin_error', 'unpin_queued', 'unpinning', 'unpin_error', 'remote_queued', 'remote_unpinning', 'remote_error',
] as const
export type OperationState = typeof operationStates[number]
export type PresentState = Exclude<OperationState, 'absent'>

/**
 * What can happen.
 * - `track`, `track_otherwise`, `track_remote`, `untrack`: the pinset changed. `track_otherwise`
 *   is a pin of another depth than the one in work.
 * - `recover`: a user or the recover loop asks for another try.
 * - `requeue`: the IPFS node answers again.
 * - `start`: a worker takes it. Then `succeed`, `fail`, or `give_back` when it goes back to the
 *   queue for the sake of others.
 * - `refuse`: the queue is full.
 */
export const operationEvents = [
  'track', 'track_otherwise', 'track_remote', 'untrack', 'recover', 'requeue', 'start', 'succeed', 'fail', 'give_back', 'refuse',
] as const
export type OperationEvent = typeof operationEvents[number]

/** `replace`: the old operation, if any, is cancelled and a new one begins. `refresh`: it goes on with newer data. */
export type Transition =
  | { readonly effect: 'replace' | 'advance', readonly to: PresentState }
  | { readonly effect: 'refresh' | 'ignore' | 'remove' | 'impossible' }

const replace = (to: PresentState): Transition => ({ effect: 'replace', to })
const advance = (to: PresentState): Transition => ({ effect: 'advance', to })
const refresh: Transition = { effect: 'refresh' }
const ignore: Transition = { effect: 'ignore' }
const remove: Transition = { effect: 'remove' }
const impossible: Transition = { effect: 'impossible' }

const pin = replace('pin_queued')
const unpin = replace('unpin_queued')
const remote = replace('remote_queued')
/** What no worker does to an operation that none of them has. */
const notStarted = { succeed: impossible, fail: impossible, give_back: impossible } as const
/** What only happens while an operation waits. */
const notWaiting = { start: impossible, refuse: impossible, requeue: impossible } as const

/** Every state with every event (spec/components.md 5.2, 5.4): the one place that decides. */
export const transitions: Record<OperationState, Record<OperationEvent, Transition>> = {
  absent: { track: pin, track_otherwise: pin, track_remote: remote, untrack: unpin, recover: pin, ...notWaiting, ...notStarted },
  pin_queued: {
    track: refresh, track_otherwise: refresh, track_remote: remote, untrack: unpin, recover: ignore, requeue: impossible,
    start: advance('pinning'), refuse: advance('pin_error'), ...notStarted,
  },
  pinning: {
    track: refresh, track_otherwise: pin, track_remote: remote, untrack: unpin, recover: ignore, ...notWaiting,
    succeed: remove, fail: advance('pin_error'), give_back: advance('pin_queued'),
  },
  pin_error: {
    track: pin, track_otherwise: pin, track_remote: remote, untrack: unpin, recover: pin, requeue: advance('pin_queued'),
    start: advance('pinning'), refuse: ignore, ...notStarted,
  },
  unpin_queued: {
    track: pin, track_otherwise: pin, track_remote: remote, untrack: refresh, recover: ignore, requeue: impossible,
    start: advance('unpinning'), refuse: advance('unpin_error'), ...notStarted,
  },
  unpinning: {
    track: pin, track_otherwise: pin, track_remote: remote, untrack: refresh, recover: ignore, ...notWaiting,
    succeed: remove, fail: advance('unpin_error'), give_back: advance('unpin_queued'),
  },
  unpin_error: {
    track: pin, track_otherwise: pin, track_remote: remote, untrack: unpin, recover: unpin, requeue: advance('unpin_queued'),
    start: impossible, refuse: ignore, ...notStarted,
  },
  remote_queued: {
    track: pin, track_otherwise: pin, track_remote: refresh, untrack: unpin, recover: ignore, requeue: impossible,
    start: advance('remote_unpinning'), refuse: advance('remote_error'), ...notStarted,
  },
  remote_unpinning: {
    track: pin, track_otherwise: pin, track_remote: refresh, untrack: unpin, recover: ignore, ...notWaiting,
    succeed: remove, fail: advance('remote_error'), give_back: advance('remote_queued'),
  },
  remote_error: {
    track: pin, track_otherwise: pin, track_remote: remote, untrack: unpin, recover: remote, requeue: advance('remote_queued'),
    start: impossible, refuse: ignore, ...notStarted,
  },
}

/** How a state is told to users (spec/components.md 5.2). */
export const statusOfState: Record<OperationState, TrackerStatus> = {
  absent: TrackerStatus.undefined,
  pin_queued: TrackerStatus.pinQueued,
  pinning: TrackerStatus.pinning,
  pin_error: TrackerStatus.pinError,
  unpin_queued: TrackerStatus.unpinQueued,
  unpinning: TrackerStatus.unpinning,
  unpin_error: TrackerStatus.unpinError,
  remote_queued: TrackerStatus.remote,
  remote_unpinning: TrackerStatus.remote,
  remote_error: TrackerStatus.remote,
}

/** What an operation is for. Attempts are carried over between operations of one kind. */
export type OperationKind = 'pin' | 'unpin' | 'remote'

export const kindOfState: Record<PresentState, OperationKind> = {
  pin_queued: 'pin',
  pinning: 'pin',
  pin_error: 'pin',
  unpin_queued: 'unpin',
  unpinning: 'unpin',
  unpin_error: 'unpin',
  remote_queued: 'remote',
  remote_unpinning: 'remote',
  remote_error: 'remote',
}
