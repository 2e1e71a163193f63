import type { Clock } from '../platform/clock.ts'

/** What nobody can reach any more: promises of a process that is gone. */
export const never = new Promise<never>(() => {})

/**
 * The clock of one process on the world's clock. Its wall clock can be wrong. While the process
 * is paused, timers and whatever else is {@link run} waits; once it is dead nothing of it runs
 * again: what it had begun stays where it was, as with a process that was killed.
 */
export class PeerClock implements Clock {
  readonly #world: Clock
  readonly #waiting: Array<() => void> = []
  readonly #timers = new Set<object>()
  #wallOffsetMs: number
  #isPaused = false
  #isDead = false

  constructor (world: Clock, wallOffsetMs = 0) {
    this.#world = world
    this.#wallOffsetMs = wallOffsetMs
  }

  now (): number { return this.#world.now() + this.#wallOffsetMs }
  monotonic (): number { return this.#world.monotonic() }

  after (delayMs: number, callback: () => void): () => void {
    let isCancelled = false
    const timer = {}
    this.#timers.add(timer)
    const cancel = this.#world.after(delayMs, () => {
      this.#timers.delete(timer)
      this.run(() => { if (!isCancelled) callback() })
    })
    return () => {
      isCancelled = true
      this.#timers.delete(timer)
      cancel()
    }
  }

  soon (callback: () => void): void { this.#world.soon(() => { this.run(callback) }) }

  /** Does it in this process: now, when the process goes on, or never. */
  run (callback: () => void): void {
    if (this.#isDead) return
    if (this.#isPaused) this.#waiting.push(callback)
    else callback()
  }

  get isDead (): boolean { return this.#isDead }
  get isPaused (): boolean { return this.#isPaused }
  /** Timers that are set. */
  get timers (): number { return this.#timers.size }
  get wallOffsetMs (): number { return this.#wallOffsetMs }

  setWallOffset (offsetMs: number): void { this.#wallOffsetMs = offsetMs }

  pause (): void { this.#isPaused = true }

  resume (): void {
    this.#isPaused = false
    // One turn each: in a real process, too, promises settle between two events.
    for (const callback of this.#waiting.splice(0)) this.soon(callback)
  }

  kill (): void {
    this.#isDead = true
    this.#waiting.length = 0
  }
}
