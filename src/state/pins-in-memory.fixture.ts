import type { Cid } from '../domain/cid.ts'
import type { Pin } from '../domain/pin.ts'

/** What pinsets of tests have in common: pins in a map, and how many were read by lists of CIDs. */
export class PinsInMemory {
  readonly pins = new Map<Cid, Pin>()
  reads = 0

  async get (cid: Cid): Promise<Pin | undefined> { return this.pins.get(cid) }
  async getMany (cids: readonly Cid[]): Promise<Array<Pin | undefined>> {
    this.reads += cids.length
    return cids.map(cid => this.pins.get(cid))
  }

  async has (cid: Cid): Promise<boolean> { return this.pins.has(cid) }
  count (): number { return this.pins.size }
  async * clusterDags (): AsyncGenerator<Cid[]> {}
}
