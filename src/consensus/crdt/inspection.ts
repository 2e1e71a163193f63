import type { CID } from 'multiformats/cid'
import type { Store } from '../../platform/store.ts'
import { prefixEnd } from './encoding.ts'
import { Heads } from './heads.ts'
import { replicaKeys } from './keys.ts'
import { readable } from './readable-node.ts'

/** How the replica of a peer stands. */
export interface ReplicaReport {
  readonly heads: readonly CID[]
  readonly maxHeight: number
  /** True when holes are known or suspected: the next start looks over the whole DAG. */
  readonly isDirty: boolean
}

/** A node of the DAG and what it follows. */
export interface DagNode {
  readonly cid: CID
  readonly links: readonly CID[]
  readonly priority: number
  /** How many keys it gives a value, and how many it takes from elements. */
  readonly additions: number
  readonly removals: number
}

/** Looks at the replica on a store that nobody else has open; changes nothing but the dirty mark. */
export class ReplicaInspection {
  readonly #store: Store
  readonly #namespace: string

  constructor (store: Store, namespace: string) {
    this.#store = store
    this.#namespace = namespace
  }

  /** @throws ClusterError `STORE_DAMAGED` */
  async report (): Promise<ReplicaReport> {
    const keys = replicaKeys(this.#namespace)
    const heads = new Heads(keys)
    await heads.load(this.#store)
    return { heads: heads.cids(), maxHeight: heads.maxHeight(), isDirty: await this.#store.get(keys.dirty) !== undefined }
  }

  /** All merged nodes, in the order of the store: at constant memory. Those whose block is damaged are left out. */
  async * nodes (): AsyncGenerator<DagNode[]> {
    const keys = replicaKeys(this.#namespace)
    const prefix = keys.block('')
    for await (const entries of this.#store.iterate({ gte: prefix, lt: prefixEnd(prefix) })) {
      const names = entries.map(({ key }) => key.slice(prefix.length))
      const processed = await this.#store.getMany(names.map(name => keys.processed(name)))
      yield entries.flatMap(({ value }, i) => {
        const node = processed[i] === undefined ? undefined : readable(names[i] as string, value)
        if (node === undefined) return []
        const { cid, links, delta: { priority, elements, tombstones } } = node
        return [{ cid, links, priority, additions: elements.length, removals: tombstones.length }]
      })
    }
  }

  /** Sets or takes away the mark that makes the next start look over the whole DAG; on disk when it resolves. */
  async mark (isDirty: boolean): Promise<void> {
    const key = replicaKeys(this.#namespace).dirty
    await this.#store.batch([isDirty ? { type: 'put', key, value: new Uint8Array(0) } : { type: 'del', key }], { sync: true })
  }
}
