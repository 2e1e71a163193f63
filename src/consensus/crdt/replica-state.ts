import { CID } from 'multiformats/cid'
import type { Store } from '../../platform/store.ts'
import { cidOfMultihash } from './delta.ts'
import { disownFolder, Heads } from './heads.ts'
import { multihashKey, replicaKeys } from './keys.ts'
import { readable } from './readable-node.ts'

/** What `state crdt` shows and changes in the store of a peer that does not run (spec/cli.md 1.5). */
export interface ReplicaState {
  /** Sorted by bytes. */
  readonly heads: readonly string[]
  readonly maxHeight: number
  readonly isDirty: boolean
}

export async function readReplicaState (store: Store, namespace: string): Promise<ReplicaState> {
  const keys = replicaKeys(namespace)
  const heads = new Heads(keys)
  await heads.load(store)
  return { heads: heads.cids().map(cid => cid.toString()), maxHeight: heads.maxHeight(), isDirty: await store.get(keys.dirty) !== undefined }
}

/** Makes the next start look for holes and wrong values, and make index, count and digest anew. On disk when it resolves. */
export async function markReplicaDirty (store: Store, namespace: string): Promise<void> {
  await store.batch([{ type: 'put', key: replicaKeys(namespace).dirty, value: new Uint8Array(0) }, disownFolder], { sync: true })
}

export async function markReplicaClean (store: Store, namespace: string): Promise<void> {
  await store.batch([{ type: 'del', key: replicaKeys(namespace).dirty }], { sync: true })
}

/** The DAG in the language of Graphviz, line by line: every node once, from the heads down. Keeps the names of all nodes in memory. */
export async function * replicaDot (store: Store, namespace: string): AsyncGenerator<string> {
  const keys = replicaKeys(namespace)
  const heads = new Heads(keys)
  await heads.load(store)
  const cids = heads.cids().map(cid => cid.toString())
  yield 'digraph CRDTDAG {'
  yield 'subgraph heads {'
  yield * cids
  yield '}'
  const seen = new Set(heads.names())
  const left = cids.map(cid => multihashKey(CID.parse(cid).multihash.bytes)).toReversed()
  for (let name = left.pop(); name !== undefined; name = left.pop()) {
    const block = await store.get(keys.block(name))
    const node = block && readable(name, block)
    if (node === undefined) continue
    const text = cidOfMultihash(name).toString()
    const links = node.links.map(link => link.toString())
    yield `${text} [label="${node.delta.priority} | ${text.slice(-4)}: +${node.delta.elements.length} -${node.delta.tombstones.length}"]`
    yield `${text} -> {${links.map(link => `${link} `).join('')}}`
    yield `subgraph sg_${text} {`
    yield * links
    yield '}'
    for (const link of node.links.toReversed()) {
      const linked = multihashKey(link.multihash.bytes)
      if (seen.has(linked)) continue
      seen.add(linked)
      left.push(linked)
    }
  }
  yield '}'
}
