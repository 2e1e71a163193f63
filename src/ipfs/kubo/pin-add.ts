import type { Cid } from '../../domain/cid.ts'
import type { ClusterError } from '../../domain/errors.ts'
import type { CallOptions } from '../../platform/lifecycle.ts'
import { cutOff, notUnderstood } from './failures.ts'
import { lineObject, LineSplitter } from './json-lines.ts'
import type { CallRequest, KuboRpc } from './kubo-rpc.ts'

/** When a pin/add is given up, and with which error. */
export interface PatienceForPins {
  /** Without a further block; 0: for ever. */
  readonly stallMs: number
  /** In all; undefined: no matter. */
  readonly totalMs?: number | undefined
  stalled (blocks: number): ClusterError
}

/** The command and query that pin `cids`; -1 levels for all of them, 0 for the block alone. */
export function pinAddPath (cids: readonly Cid[], maxDepth: number): string {
  const depth = maxDepth === 0 ? 'recursive=false' : maxDepth < 0 ? 'recursive=true' : `max-depth=${maxDepth}&recursive=true`
  return `pin/add?arg=${cids.join('&arg=')}&${depth}&progress=true`
}

/**
 * Pins with one request. The node tells every half second how many blocks it has; only its final
 * `Pins` line is a success, not the mere end of its answer.
 */
export async function pinAdd (rpc: KuboRpc, path: string, patience: PatienceForPins, options: CallOptions & { readonly onProgress?: ((blocks: number) => void) | undefined }): Promise<void> {
  const { clock } = rpc
  let blocks = 0
  let grownAtMs = clock.monotonic()
  let isConfirmed = false
  const lines = new LineSplitter(path, (bytes, start, end) => {
    const { Progress: progress, Pins: pins } = lineObject(path, bytes, start, end)
    if (Array.isArray(pins)) isConfirmed = true
    if (progress === undefined) return
    if (typeof progress !== 'number') throw notUnderstood(path, bytes.toString('utf8', start, end))
    if (progress <= blocks) return
    blocks = progress
    grownAtMs = clock.monotonic()
    options.onProgress?.(blocks)
  })
  const exchange = rpc.start({ path, isLasting: true, signal: options.signal, onData: chunk => { lines.push(chunk) } })

  const giveUpAtMs = grownAtMs + (patience.totalMs ?? Infinity)
  const leftMs = (): number => Math.min(patience.stallMs > 0 ? grownAtMs + patience.stallMs : Infinity, giveUpAtMs) - clock.monotonic()
  let cancelWatch = (): void => {}
  const watch = (): void => {
    const delayMs = leftMs()
    if (delayMs === Infinity) return
    cancelWatch = clock.after(delayMs, () => {
      if (leftMs() > 0) watch()
      else exchange.fail(patience.stalled(blocks))
    })
  }
  watch()
  try {
    await exchange.done
    lines.end()
    if (!isConfirmed) throw cutOff(path)
  } catch (error) {
    // The node may break the connection behind its confirmation; what it confirmed stands.
    if (!isConfirmed) throw error
  } finally {
    cancelWatch()
  }
}

/** Calls what answers with the list of its `Pins`, which alone is a success. */
export async function confirmed (rpc: KuboRpc, request: CallRequest): Promise<void> {
  const answer = await rpc.object(request)
  if (!Array.isArray(answer.Pins)) throw notUnderstood(request.path, JSON.stringify(answer))
}
