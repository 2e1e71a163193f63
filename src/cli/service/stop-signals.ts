import type { EventEmitter } from 'node:events'
import type { Output } from '../command-line/terminal.ts'

const signalNames = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

const line = '!'.repeat(73)
const warning = `


${line}
Shutdown is taking too long! Press Ctrl-c again to manually kill cluster.
Note that this may corrupt the local cluster state.
${line}


`

/** What of `process` the signals need. */
export interface SignalSource extends Pick<EventEmitter, 'on' | 'off'> {
  exit (code: number): unknown
}

/**
 * The signals that end a daemon: the first one stops it in order, the second one warns, the third
 * one ends the process at once (spec/cli.md 1.4).
 */
export class StopSignals implements Disposable {
  readonly #stop = new AbortController()
  readonly #source: SignalSource
  readonly #stderr: Output
  readonly #listener = (): void => { void this.#received() }
  #count = 0

  constructor (source: SignalSource, stderr: Output) {
    this.#source = source
    this.#stderr = stderr
    for (const name of signalNames) source.on(name, this.#listener)
  }

  /** Aborted by the first signal. */
  get stop (): AbortSignal { return this.#stop.signal }

  [Symbol.dispose] (): void {
    for (const name of signalNames) this.#source.off(name, this.#listener)
  }

  async #received (): Promise<void> {
    const count = ++this.#count
    if (count === 1) this.#stop.abort(new Error('the peer was told to stop'))
    if (count === 2) await this.#stderr.write(warning)
    if (count !== 3) return
    await this.#stderr.write('exiting cluster NOW')
    this.#source.exit(1)
  }
}
