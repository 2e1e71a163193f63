import type { Clock } from './clock.ts'
import type { Loggers } from './logger.ts'
import type { Metrics } from './metrics.ts'
import type { Random } from './random.ts'
import type { Tracer } from './tracer.ts'

/** A component with a life. */
export interface Startable {
  /** Resolves when the component does its work. Rejecting means that it holds nothing any more. */
  start (signal: AbortSignal): Promise<void>
  /** Resolves when all that the component held is given back. Safe to call twice. */
  stop (): Promise<void>
}

/** What every component is handed; all of it can be simulated. */
export interface Platform {
  readonly clock: Clock
  readonly random: Random
  readonly loggers: Loggers
  readonly metrics: Metrics
  /** Absent: nothing is traced. */
  readonly tracer?: Tracer | undefined
}

/** Per call: every call that can wait takes a signal. */
export interface CallOptions { readonly signal?: AbortSignal | undefined }
