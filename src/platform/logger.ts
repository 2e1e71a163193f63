/** A logger of one component. Fields such as `cid`, `peer`, `operation` come first, then the text. */
export interface Logger {
  debug (fields: object, message: string): void
  debug (message: string): void
  info (fields: object, message: string): void
  info (message: string): void
  warn (fields: object, message: string): void
  warn (message: string): void
  error (fields: object, message: string): void
  error (message: string): void
}

/** Loggers by component, under the reference's names (spec/cli.md 1.7). */
export interface Loggers {
  component (name: string): Logger
}

const nothing = (): void => {}

/** Throws everything away: for tests and the library. */
export const silentLogger: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing }
export const silentLoggers: Loggers = { component: () => silentLogger }
