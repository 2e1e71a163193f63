import type { PeerId } from '../domain/peer.ts'
import type { Logger } from '../platform/logger.ts'

/** Things of senders that are remembered as told; then all are forgotten and may be told again. */
const maxRemembered = 4096

/** Warns of what a peer does wrong once, however often it does it. */
export class SenderLog {
  readonly #logger: Logger
  readonly #told = new Set<string>()

  constructor (logger: Logger) { this.#logger = logger }

  /** `what` is a fixed text: together with the peer it is what is told once. */
  warn (peer: PeerId, what: string, detail: string): void {
    const key = `${peer} ${what}`
    if (this.#told.has(key)) return
    if (this.#told.size >= maxRemembered) this.#told.clear()
    this.#told.add(key)
    this.#logger.warn({ peer }, `${what}: ${detail} (told once)`)
  }
}
