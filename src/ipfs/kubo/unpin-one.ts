import type { Cid } from '../../domain/cid.ts'
import type { CallOptions } from '../../platform/lifecycle.ts'
import { refusedWith } from './failures.ts'
import { confirmed } from './pin-add.ts'
import type { PinCalls } from './pin-one.ts'

/** The command and query that unpin `cids`. */
export function unpinPath (cids: readonly Cid[]): string { return `pin/rm?arg=${cids.join('&arg=')}` }

/** Unpins one item; it succeeds when it was not pinned. */
export async function unpinOne ({ rpc, options: { unpinTimeoutMs } }: PinCalls, cid: Cid, options: CallOptions): Promise<void> {
  try {
    await confirmed(rpc, { path: unpinPath([cid]), isLasting: true, deadline: { ms: unpinTimeoutMs, option: 'unpin_timeout' }, signal: options.signal })
  } catch (error) {
    if (refusedWith(error) !== 'not pinned or pinned indirectly') throw error
  }
}
