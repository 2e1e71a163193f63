import type { Clock } from '../clock.ts'
import type { Logger } from '../logger.ts'

/** Who knocks again and again is named once in this time. */
const quietMs = 10 * 60 * 1000
/** Hosts that are named within that time: one machine may come under as many addresses as it likes (IPv6). */
const maxNamed = 100
/** Hosts that are remembered; the first of more is forgotten, and may be named again. */
const maxHosts = 1_000

/** Logs those who do not have the secret: each host once in a while, with a count of what was left out, and not too many of them. */
export class Strangers {
  readonly #logger: Logger
  readonly #clock: Clock
  readonly #hosts = new Map<string, { readonly loggedAt: number, left: number }>()
  #namedSince = -Infinity
  #named = 0

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
    if (now - this.#namedSince >= quietMs) {
      this.#namedSince = now
      this.#named = 0
    }
    if (this.#named >= maxNamed) return
    this.#named++
    this.#hosts.delete(host)
    if (this.#hosts.size >= maxHosts) this.#hosts.delete(this.#hosts.keys().next().value as string)
    this.#hosts.set(host, { loggedAt: now, left: 0 })
    this.#logger.warn({ address, ...(before !== undefined && before.left > 0 && { repeated: before.left }) }, line)
    if (this.#named === maxNamed) this.#logger.warn(`${maxNamed} hosts seem not to have the cluster secret: others are not named for some minutes`)
  }
}
