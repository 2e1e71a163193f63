import { parseCid, type Cid } from '../../domain/cid.ts'
import { parsePeerId } from '../../domain/peer-id.ts'
import type { PeerId } from '../../domain/peer.ts'
import type { Store } from '../../platform/store.ts'

const prefix = '/flotilla/repair/'
const prefixEnd = '/flotilla/repair0'

/** How far the repair of each peer has come, kept over restarts. Without a store nothing is kept. */
export class RepairNotes {
  readonly #store: Store | undefined

  constructor (store: Store | undefined) { this.#store = store }

  /** Peers that were gone, with the last pin that was looked at. What cannot be read is left out. */
  async load (): Promise<Map<PeerId, Cid | undefined>> {
    const notes = new Map<PeerId, Cid | undefined>()
    if (this.#store === undefined) return notes
    for await (const entries of this.#store.iterate({ gte: prefix, lt: prefixEnd })) {
      for (const { key, value } of entries) {
        const text = new TextDecoder().decode(value)
        try {
          notes.set(parsePeerId(key.slice(prefix.length)), text === '' ? undefined : parseCid(text))
        } catch {
          // Not ours: nobody is repaired on its account.
        }
      }
    }
    return notes
  }

  /** Not synced: after a crash some pins are looked at twice. */
  async save (peer: PeerId, after: Cid | undefined): Promise<void> {
    await this.#store?.batch([{ type: 'put', key: prefix + peer, value: new TextEncoder().encode(after ?? '') }], { sync: false })
  }

  async remove (peer: PeerId): Promise<void> {
    await this.#store?.batch([{ type: 'del', key: prefix + peer }], { sync: false })
  }
}
