import type { Output } from '../command-line/terminal.ts'
import { humanSize } from './humanize.ts'
import { LiveText } from './live-text.ts'

/** More often would cost time and shows a person nothing more. */
const redrawMs = 100
const barColumns = 30

/** A bar of what was sent, on stderr in a terminal. */
export class UploadProgress {
  readonly #text: LiveText
  readonly #startMs = Date.now()
  #sentBytes = 0
  #totalBytes: number | undefined
  #drawnMs = 0

  constructor (output: Output) {
    this.#text = new LiveText(output)
  }

  get isShown (): boolean { return this.#text.isShown }

  setTotal (bytes: number): void { this.#totalBytes = bytes }

  sent (bytes: number): void {
    this.#sentBytes += bytes
    const now = Date.now()
    if (!this.#text.isShown || now - this.#drawnMs < redrawMs) return
    this.#drawnMs = now
    this.#text.show(this.#line(now))
  }

  clear (): void { this.#text.clear() }

  #line (now: number): string {
    const rate = `${humanSize(Math.round(this.#sentBytes / Math.max(1, now - this.#startMs) * 1000))}/s`
    if (this.#totalBytes === undefined) return `${humanSize(this.#sentBytes)} sent, ${rate}\n`
    const share = this.#totalBytes === 0 ? 1 : Math.min(1, this.#sentBytes / this.#totalBytes)
    const bar = '='.repeat(Math.floor(share * barColumns)).padEnd(barColumns, ' ')
    return `[${bar}] ${Math.floor(share * 100)}% ${humanSize(this.#sentBytes)} of ${humanSize(this.#totalBytes)}, ${rate}\n`
  }
}
