import type { Clock } from '../platform/clock.ts'

/**
 * Everything that happened in a run, as a hash: equal seeds must give equal hashes, or a failing
 * seed could not be replayed.
 */
export class Trace {
  #low = 0x811c9dc5
  #high = 0x9747b28c
  #events = 0
  readonly #clock: Clock
  readonly #print: ((line: string) => void) | undefined

  /** `print` is given each event as a line. */
  constructor (clock: Clock, print?: (line: string) => void) {
    this.#clock = clock
    this.#print = print
  }

  /** Notes what happened to whom; `more` is only for readers. */
  note (who: string, what: string, more?: string): void {
    this.#events++
    this.#mix(`${this.#clock.monotonic()}${who}${what}`)
    this.tell(who, more === undefined ? what : `${what} ${more}`)
  }

  /** For readers alone: no part of the hash. */
  tell (who: string, what: string): void {
    this.#print?.(`${(this.#clock.monotonic() / 1_000).toFixed(3).padStart(10)} ${who.padEnd(8)} ${what}`)
  }

  /** True when each event is printed. */
  get isRead (): boolean { return this.#print !== undefined }
  get events (): number { return this.#events }
  get hash (): string { return hex(this.#high) + hex(this.#low) }

  #mix (text: string): void {
    let low = this.#low
    let high = this.#high
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i)
      low = Math.imul(low ^ code, 0x01000193)
      high = Math.imul(high ^ code, 0x5bd1e995)
      high ^= high >>> 13
    }
    this.#low = low
    this.#high = high
  }
}

function hex (value: number): string { return (value >>> 0).toString(16).padStart(8, '0') }
