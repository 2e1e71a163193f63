import type { EventEmitter } from 'node:events'
import { systemClock, type Clock } from '../../platform/clock.ts'
import type { Output } from '../command-line/terminal.ts'

const signalNames = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
/** The reference takes no notice of them. Node.js would open its debugger at the first and end at the second, with nothing stopped. */
const ignoredNames = ['SIGUSR1', 'SIGUSR2'] as const
const ignore = (): void => {}

const line = '!'.repeat(73)
const warning = `


${line}
Shutdown is taking too long! Press Ctrl-c again to manually kill cluster.
Note that this may corrupt the local cluster state.
${line}


`

/** One Ctrl-C comes twice when a launcher passes on what the terminal had sent to the whole group; nobody presses so fast. */
const samePressMs = 100

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
  readonly #clock: Pick<Clock, 'monotonic'>
  readonly #listener = (name: string): void => { void this.#received(name) }
  #count = 0
  #last = { name: '', at: 0 }

  constructor (source: SignalSource, stderr: Output, clock: Pick<Clock, 'monotonic'> = systemClock) {
    this.#source = source
    this.#stderr = stderr
    this.#clock = clock
    for (const name of signalNames) source.on(name, this.#listener)
    for (const name of ignoredNames) source.on(name, ignore)
  }

  /** Aborted by the first signal. */
  get stop (): AbortSignal { return this.#stop.signal }

  [Symbol.dispose] (): void {
    for (const name of signalNames) this.#source.off(name, this.#listener)
    for (const name of ignoredNames) this.#source.off(name, ignore)
  }

  async #received (name: string): Promise<void> {
    const at = this.#clock.monotonic()
    const isSamePress = name === this.#last.name && at - this.#last.at < samePressMs
    this.#last = { name, at }
    if (isSamePress) return
    const count = ++this.#count
    if (count === 1) this.#stop.abort(new Error('the peer was told to stop'))
    if (count === 2) await this.#stderr.write(warning)
    if (count !== 3) return
    await this.#stderr.write('exiting cluster NOW')
    this.#source.exit(1)
  }
}
