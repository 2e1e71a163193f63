import type { Output } from '../command-line/terminal.ts'

/** Text that replaces itself in a terminal. Writes nothing when the output is none. */
export class LiveText {
  readonly #output: Output
  #rows = 0

  constructor (output: Output) {
    this.#output = output
  }

  get isShown (): boolean { return this.#output.isTerminal }

  /** Shows `text`, which ends in a newline, in place of what was shown before. */
  show (text: string): void {
    if (!this.#output.isTerminal) return
    const lines = text.slice(0, -1).split('\n').map(line => [...line].slice(0, this.#columns()).join(''))
    void this.#output.write(`${this.#erase()}${lines.join('\n')}\n`)
    this.#rows = lines.length
  }

  clear (): void {
    if (this.#rows > 0) void this.#output.write(this.#erase())
    this.#rows = 0
  }

  /** One less than there are, because a full line wraps in some terminals. */
  #columns (): number { return Math.max(1, (this.#output.columns ?? 80) - 1) }

  #erase (): string { return this.#rows === 0 ? '' : `\x1b[${this.#rows}A\x1b[J` }
}
