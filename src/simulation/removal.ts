import { ClusterError, errorText } from '../domain/errors.ts'
import type { PeerId } from '../domain/peer.ts'
import type { PeerProcess, SimulatedPeer } from './simulated-peer.ts'
import type { World } from './world.ts'

/** An operator waits for this long, in milliseconds. */
const patienceMs = 120_000

/** Under way: `by` moves what `peer` holds, whether that one lives or not. */
export interface Removal { readonly by: SimulatedPeer, readonly process: PeerProcess | undefined, readonly peer: PeerId }

/**
 * `peers rm`: the asked peer moves what the other one holds, then says that this consensus has no
 * members to remove (spec/components.md 1.8). The removed one goes on, and is given pins again.
 */
export async function removePeer (world: World, by: SimulatedPeer, removed: SimulatedPeer): Promise<'moved' | 'failed'> {
  const cluster = by.serving?.cluster
  if (cluster === undefined) return 'failed'
  const removal: Removal = { by, process: by.process, peer: removed.self }
  world.removals.add(removal)
  const gaveUp = new AbortController()
  const cancel = world.clock.after(patienceMs, () => { gaveUp.abort(new ClusterError('CANCELLED', 'the operator has gone away')) })
  const outcome = await cluster.removePeer(removed.self, { signal: gaveUp.signal }).then(() => 'done', (error: unknown) => error instanceof ClusterError ? error.code : `THREW ${errorText(error)}`)
  cancel()
  world.removals.delete(removal)
  world.trace.note(by.name, `peers rm ${removed.name}: ${outcome}`)
  if (/^(?:done|THREW)/.test(outcome)) world.violate(`${by.name} answered peers rm ${removed.name} with ${outcome}`)
  return outcome === 'UNSUPPORTED' ? 'moved' : 'failed'
}
