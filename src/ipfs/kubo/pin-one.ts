import { formatDuration } from '../../codec/duration.ts'
import type { Cid } from '../../domain/cid.ts'
import { ClusterError } from '../../domain/errors.ts'
import type { Pin } from '../../domain/pin.ts'
import type { CallOptions } from '../../platform/lifecycle.ts'
import type { IpfsPinType, PinCallOptions } from '../connector.ts'
import { cutOff, refusedWith } from './failures.ts'
import type { KuboRpc } from './kubo-rpc.ts'
import { requestDeadline, type KuboConnectorOptions } from './options.ts'
import { confirmed, pinAdd, pinAddPath, type PatienceForPins } from './pin-add.ts'
import { pinLines } from './pin-list.ts'
import { dialAll } from './swarm.ts'

/** Nodes that are dialled before a pin at most. */
const maxOrigins = 10

/** Parts that the pin calls share. */
export interface PinCalls { readonly rpc: KuboRpc, readonly options: KuboConnectorOptions }

/**
 * Pins one item. What is pinned as wanted already is not pinned again: the node would read the
 * whole DAG once more.
 */
export async function pinOne (calls: PinCalls, pin: Pin, options: PinCallOptions): Promise<void> {
  const { rpc } = calls
  if (await isPinned(calls, pin.cid, pinType(pin), options)) return
  const dialling = new AbortController()
  if (pin.origins !== null && pin.origins.length > 0) dialAll(rpc, pin.origins.slice(0, maxOrigins), requestDeadline(calls.options), dialling.signal).catch(() => {})
  try {
    if (await isUpdated(calls, pin, options)) return
    await pinAdd(rpc, pinAddPath([pin.cid], pin.maxDepth), patienceForOne(calls.options, pin.cid), options)
  } finally {
    dialling.abort(new Error('the pin is over'))
  }
}

export function pinType (pin: Pin): 'recursive' | 'direct' { return pin.maxDepth === 0 ? 'direct' : 'recursive' }

/** How the node holds `cid`. Indirect pins are not looked for: the node would walk all of its pins. */
export async function pinStatus (calls: PinCalls, cid: Cid, options: CallOptions): Promise<IpfsPinType> {
  if (await isPinned(calls, cid, 'recursive', options)) return 'recursive'
  return await isPinned(calls, cid, 'direct', options) ? 'direct' : 'unpinned'
}

/** The path of the first request of a single pin: messages about a node that does not answer name it. */
export function pinStatusPath (cid: Cid, type: 'recursive' | 'direct'): string {
  return `pin/ls?stream=true&arg=${cid}&type=${type}`
}

async function isPinned (calls: PinCalls, cid: Cid, type: 'recursive' | 'direct', options: CallOptions): Promise<boolean> {
  const path = pinStatusPath(cid, type)
  let found: string | undefined
  const lines = pinLines(path, pin => { found ??= pin.type })
  try {
    await calls.rpc.start({ path, signal: options.signal, deadline: requestDeadline(calls.options), onData: chunk => { lines.push(chunk) } }).done
    lines.end()
  } catch (error) {
    if (refusedWith(error)?.endsWith('not pinned') === true) return false
    throw error
  }
  if (found === undefined) throw cutOff(path)
  return found === type
}

/**
 * Lets the node take over from the pin that this one replaces: it fetches only the difference, but
 * without telling its progress. When that takes longer than a pin may stand still, an ordinary pin
 * goes on from the blocks that have come, and shows whether more come.
 */
async function isUpdated (calls: PinCalls, pin: Pin, options: PinCallOptions): Promise<boolean> {
  const from = pin.pinUpdate
  if (from === undefined || pinType(pin) === 'direct') return false
  try {
    if (!await isPinned(calls, from, 'recursive', options)) return false
  } catch (error) {
    if (error instanceof ClusterError && error.code === 'CANCELLED') throw error
    return false
  }
  try {
    const path = `pin/update?arg=${from}&arg=${pin.cid}&unpin=false`
    await confirmed(calls.rpc, { path, isLasting: true, signal: options.signal, deadline: { ms: calls.options.pinTimeoutMs, option: 'pin_timeout' } })
    return true
  } catch (error) {
    if (error instanceof ClusterError && error.code === 'TIMED_OUT') return false
    throw error
  }
}

function patienceForOne ({ pinTimeoutMs }: KuboConnectorOptions, cid: Cid): PatienceForPins {
  return {
    stallMs: pinTimeoutMs,
    stalled: blocks => new ClusterError('IPFS_STALLED', `pinning ${cid} made no progress for ${formatDuration(pinTimeoutMs)} (pin_timeout): ${blocks} blocks came, perhaps no reachable IPFS node has the rest`),
  }
}
