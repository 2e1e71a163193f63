import type { Output } from '../command-line/terminal.ts'

/**
 * The log lines of `ctl`, in the reference's form on stderr: time, level, logger, place, message
 * (spec/cli.md 0). Without --debug only errors are shown, as there.
 */
export class Log {
  readonly #output: Output
  readonly #isDebug: boolean

  constructor (output: Output, isDebug: boolean) {
    this.#output = output
    this.#isDebug = isDebug
  }

  debug (logger: string, message: string): void { if (this.#isDebug) this.#write('DEBUG', logger, message) }
  warn (logger: string, message: string): void { if (this.#isDebug) this.#write('WARN', logger, message) }
  error (logger: string, message: string): void { this.#write('ERROR', logger, message) }

  #write (level: string, logger: string, message: string): void {
    void this.#output.write(`${new Date().toISOString()}\t${level}\t${logger}\tctl/log.ts\t${message}\n`)
  }
}
