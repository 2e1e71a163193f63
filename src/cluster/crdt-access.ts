import type { Configuration } from '../config/configuration.ts'
import { markReplicaClean, markReplicaDirty, readReplicaState, replicaDot, type ReplicaState } from '../consensus/crdt/replica-state.ts'
import { openDatastore } from './datastore.ts'

/** The replicated set of a CRDT peer that does not run: what `state crdt` works on. */
export interface CrdtAccess {
  /** @throws ClusterError `STORE_DAMAGED` */
  state (): Promise<ReplicaState>
  /** The DAG in the language of Graphviz, line by line. */
  dot (): AsyncIterable<string>
  /** Sets or takes away the mark that makes the next start look over the whole DAG; on disk when it resolves. */
  mark (isDirty: boolean): Promise<void>
  close (): Promise<void>
}

/**
 * The caller holds the folder's lock.
 * @throws ClusterError as `openDatastore`
 */
export async function openCrdtAccess (configuration: Configuration): Promise<CrdtAccess> {
  const { datastoreNamespace } = configuration.consensus.crdt
  const store = await openDatastore(configuration)
  return {
    state: () => readReplicaState(store, datastoreNamespace),
    dot: () => replicaDot(store, datastoreNamespace),
    mark: isDirty => isDirty ? markReplicaDirty(store, datastoreNamespace) : markReplicaClean(store, datastoreNamespace),
    close: () => store.close(),
  }
}
