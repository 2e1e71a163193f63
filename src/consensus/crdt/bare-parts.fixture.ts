import { PinMessage } from '../../codec/messages.ts'
import { memoryStore } from '../../platform/memory-store.ts'
import type { Store } from '../../platform/store.ts'
import { virtualClock } from '../../platform/virtual-clock.ts'
import { StoredChangeLog } from '../../state/change-log.ts'
import { Pinset } from '../../state/pinset.ts'
import { replicaKeys, type ReplicaKeys } from './keys.ts'
import { PinValues } from './pin-values.ts'
import { Replica } from './replica.ts'
import { WalkRecords } from './walk-records.ts'
import { Writer } from './writer.ts'

/** The parts of a peer with an empty set, unless the store is that of another one. */
export function bareParts (store: Store = memoryStore()): { store: Store, keys: ReplicaKeys, replica: Replica, writer: Writer, records: WalkRecords } {
  const keys = replicaKeys('/c')
  const replica = new Replica(store, keys)
  const pinset = new Pinset({ store, clock: virtualClock(), codec: PinMessage, valuePrefix: '/c/s/k/' })
  const writer = new Writer({ store, replica, pinset, changes: new StoredChangeLog(store, virtualClock(), cids => pinset.getMany(cids)), values: new PinValues(PinMessage) })
  return { store, keys, replica, writer, records: new WalkRecords(store) }
}
