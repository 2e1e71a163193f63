import type { Logger, Loggers } from '../platform/logger.ts'
import type { Trace } from './trace.ts'

/** Puts warnings and errors of a peer's log into the trace; all the rest only when somebody reads it. */
export function traceLoggers (trace: Trace, name: string): Loggers {
  const nothing = (): void => {}
  const write = (level: string) => (component: string) => (first: object | string, message?: string): void => {
    trace.note(name, typeof first === 'string' ? `${level} ${component}: ${first}` : `${level} ${component}: ${message} ${JSON.stringify(first)}`)
  }
  const [warn, error, info] = [write('warns'), write('errs'), write('says')]
  return {
    component: (component): Logger => ({
      debug: nothing,
      info: trace.isRead ? info(component) : nothing,
      warn: warn(component),
      error: error(component),
    }),
  }
}
