import type { RunDaemon } from '../../cluster/daemon.ts'
import { systemClock } from '../../platform/clock.ts'
import type { OpenCrdt } from './state-crdt.ts'
import type { OpenState } from './state.ts'

/** The heavy parts of a peer. */
export interface PeerParts {
  readonly runDaemon: RunDaemon
  readonly openState: OpenState
  readonly openCrdt: OpenCrdt
}

/** Loaded by the commands that need them. */
export const peerParts: PeerParts = {
  async runDaemon (options) {
    const { runPeer } = await import('../../peer.ts')
    const running = await runPeer(options)
    // Not before the API answers: to load it takes some milliseconds of a start, in which few buffers are used.
    const { collectBuffersWithHeap } = await import('../../platform/buffer-memory.ts')
    collectBuffersWithHeap()
    const { collectAtRest, thisProcess } = await import('../../platform/rest-collection.ts')
    const endCollecting = collectAtRest(systemClock, thisProcess())
    return { stopped: running.stopped.finally(endCollecting) }
  },
  async openState (peer, log) {
    const { openStateAccess } = await import('../../cluster/state-access.ts')
    return await openStateAccess(peer.configuration, { identity: peer.identity, loggers: await log.loggers() })
  },
  async openCrdt (configuration) {
    const { openCrdtAccess } = await import('../../cluster/crdt-access.ts')
    return await openCrdtAccess(configuration)
  },
}
