import type { Configuration } from '../config/configuration.ts'
import { ReplicaInspection } from '../consensus/crdt/inspection.ts'
import { openDatastore } from './datastore.ts'

/** The replicated set of a CRDT peer that does not run: what `state crdt` works on. */
export interface CrdtAccess {
  readonly replica: ReplicaInspection
  close (): Promise<void>
}

/**
 * The caller holds the folder's lock.
 * @throws ClusterError as `openDatastore`
 */
export async function openCrdtAccess (configuration: Configuration): Promise<CrdtAccess> {
  const store = await openDatastore(configuration)
  return { replica: new ReplicaInspection(store, configuration.consensus.crdt.datastoreNamespace), close: () => store.close() }
}
