import { compareCids, type Cid } from '../domain/cid.ts'
import type { Pin } from '../domain/pin.ts'
import type { ChangeLog, PinsetChange } from '../state/changes.ts'
import { PinsInMemory } from '../state/pins-in-memory.fixture.ts'
import type { PinsetQuery, StateStore } from '../state/state-store.ts'

/** Pinset and change log in memory; its cursor outlives the tracker as the one on disk does. */
export class MemoryPinset extends PinsInMemory implements StateStore, ChangeLog {
  cursor = 0
  failRead: Error | undefined
  #log: PinsetChange[] = []
  #wake: (() => void) | undefined

  put (pin: Pin): void {
    this.pins.set(pin.cid, pin)
    this.#append(pin.cid, pin)
  }

  remove (cid: Cid): void {
    this.pins.delete(cid)
    this.#append(cid, undefined)
  }

  get last (): number { return this.#log.length }

  #append (cid: Cid, pin: Pin | undefined): void {
    this.#log.push({ sequence: this.#log.length + 1, cid, pin })
    this.#wake?.()
  }

  async * read ({ signal }: { readonly signal: AbortSignal }): AsyncGenerator<PinsetChange[]> {
    let next = this.cursor
    while (!signal.aborted) {
      if (this.failRead !== undefined) {
        const error = this.failRead
        this.failRead = undefined
        throw error
      }
      if (next < this.#log.length) {
        const batch = this.#log.slice(next, next + 1_000)
        next += batch.length
        yield batch
      } else {
        await new Promise<void>(resolve => {
          this.#wake = resolve
          signal.addEventListener('abort', () => { resolve() }, { once: true })
        })
      }
    }
  }

  acknowledge (sequence: number): void {
    if (sequence > this.#log.length) throw new Error(`acknowledged ${sequence} of ${this.#log.length}`)
    this.cursor = Math.max(this.cursor, sequence)
  }

  async * list (query: PinsetQuery): AsyncGenerator<Pin[]> {
    const sorted = [...this.pins.values()].toSorted((a, b) => compareCids(a.cid, b.cid))
    for (let at = 0; at < sorted.length; at += 100) {
      if (query.signal?.aborted === true) return
      yield sorted.slice(at, at + 100)
    }
  }

  async * allocatedTo (): AsyncGenerator<Cid[]> {}
}
