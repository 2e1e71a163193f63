import type { Logger, Loggers } from '../platform/logger.ts'
import type { Trace } from './trace.ts'

/** Puts warnings and errors of a peer's log into the trace, and tells the rest to who reads it. */
export function traceLoggers (trace: Trace, name: string): Loggers {
  const nothing = (): void => {}
  const write = (level: string, into: (who: string, what: string) => void) => (component: string) => (first: object | string, message?: string): void => {
    into(name, typeof first === 'string' ? `${level} ${component}: ${first}` : `${level} ${component}: ${message} ${JSON.stringify(first)}`)
  }
  const note = (who: string, what: string): void => { trace.note(who, what) }
  const [warn, error, info] = [write('warns', note), write('errs', note), write('says', (who, what) => { trace.tell(who, what) })]
  return {
    component: (component): Logger => ({
      debug: nothing,
      info: trace.isRead ? info(component) : nothing,
      warn: warn(component),
      error: error(component),
    }),
  }
}
