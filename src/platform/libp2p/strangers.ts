import type { Clock } from '../clock.ts'
import type { Logger } from '../logger.ts'

/** Who knocks again and again is named once in this time. */
const quietMs = 10 * 60 * 1000
/** Hosts that are remembered; the first of more is forgotten, and may be named again. */
const maxHosts = 1_000

/** Logs those who do not have the secret: each host once in a while, with a count of what was left out. */
export class Strangers {
  readonly #logger: Logger
  readonly #clock: Clock
  readonly #hosts = new Map<string, { readonly loggedAt: number, left: number }>()

  constructor (logger: Logger, clock: Clock) {
    this.#logger = logger
    this.#clock = clock
  }

  log (address: string, line: string): void {
    const [, , host = address] = address.split('/')
    const before = this.#hosts.get(host)
    const now = this.#clock.monotonic()
    if (before !== undefined && now - before.loggedAt < quietMs) {
      before.left++
      return
    }
    this.#hosts.delete(host)
    if (this.#hosts.size >= maxHosts) this.#hosts.delete(this.#hosts.keys().next().value as string)
    this.#hosts.set(host, { loggedAt: now, left: 0 })
    this.#logger.warn({ address, ...(before !== undefined && before.left > 0 && { repeated: before.left }) }, line)
  }
}
