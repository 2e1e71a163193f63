import { ClusterError, errorText } from '../domain/errors.ts'
import type { Startable } from '../platform/lifecycle.ts'
import type { Logger } from '../platform/logger.ts'

/** A part of a peer with a life. */
export interface PeerComponent {
  /** What its start does, as an error names it: `creating libp2p host`. */
  readonly doing: string
  readonly component: Startable
  /** Started after all others though it stops after them: its start takes long and nobody needs it yet. */
  readonly isSlow?: boolean
}

export interface StartOptions {
  readonly signal: AbortSignal
  readonly logger: Logger
  readonly onStarted?: (doing: string) => void
  /** Waited for before the first slow component starts. */
  readonly beforeSlow?: () => Promise<void>
}

/**
 * Starts all, those that are slow at the end. When one fails, those that have started are stopped.
 * @throws ClusterError of the component, with what was done in `details.doing`; the signal's reason
 */
export async function startAll (components: readonly PeerComponent[], options: StartOptions): Promise<void> {
  const { signal, logger, onStarted, beforeSlow } = options
  const started = new Set<PeerComponent>()
  let isSlow = false
  try {
    for (const part of components.toSorted((a, b) => Number(a.isSlow === true) - Number(b.isSlow === true))) {
      if (part.isSlow === true && !isSlow) await beforeSlow?.()
      isSlow = part.isSlow === true
      signal.throwIfAborted()
      await naming(part.doing, () => part.component.start(signal))
      started.add(part)
      onStarted?.(part.doing)
    }
  } catch (error) {
    await stopAll(components.filter(part => started.has(part)), logger)
    throw error
  }
}

/** Stops in the reverse order; one that fails does not keep the others from stopping. Answers what failed. */
export async function stopAll (components: readonly PeerComponent[], logger: Logger): Promise<unknown[]> {
  const failures: unknown[] = []
  for (const { doing, component } of components.toReversed()) {
    try {
      await component.stop()
    } catch (error) {
      logger.error(`${doing}: it did not stop in order: ${errorText(error)}`)
      failures.push(error)
    }
  }
  return failures
}

/** Names what was done in the error that `work` throws. */
export async function naming<T> (doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof ClusterError) || error.details.doing !== undefined) throw error
    throw new ClusterError(error.code, error.message, { cause: error, details: { ...error.details, doing } })
  }
}
