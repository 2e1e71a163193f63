import type { Key } from 'interface-datastore'
import { ProtobufReader } from '../../codec/protobuf.ts'
import { BoundedDatastore } from './bounded-datastore.ts'
import { selectIpnsRecord } from './ipns-record.ts'

/** What other peers may leave here. A record is at most 10 KiB, a note of who has what a few bytes. */
const bounds = { maxEntries: 16_384, maxBytes: 16 * 1024 * 1024 }

/**
 * The records of a Kademlia table, in memory. A record of a name does not take the place of a newer
 * one, which libp2p does not look at.
 */
export class DhtRecords extends BoundedDatastore {
  constructor () { super(bounds) }

  override put (key: Key, value: Uint8Array): Key {
    return this.has(key) && isNewer(this.get(key), value) ? key : super.put(key, value)
  }
}

/** True when both are records of a name, and the first is the newer one. */
function isNewer (held: Uint8Array, offered: Uint8Array): boolean {
  const [a, b] = [ipnsRecordIn(held), ipnsRecordIn(offered)]
  return a !== undefined && b !== undefined && Buffer.compare(a, b) !== 0 && selectIpnsRecord([a, b]) === 0
}

/** What a record of the DHT holds, if its key is a name. */
function ipnsRecordIn (record: Uint8Array): Uint8Array | undefined {
  const reader = new ProtobufReader(record)
  let [key, value]: Array<Uint8Array | undefined> = []
  try {
    while (reader.at < reader.end) {
      const tag = reader.varint()
      if (tag === (1 << 3 | 2)) key = reader.view()
      else if (tag === (2 << 3 | 2)) value = reader.view()
      else reader.skip(tag % 8)
    }
  } catch {
    return undefined // A note of who has what: a moment.
  }
  return key !== undefined && Buffer.from(key.subarray(0, 6)).toString('latin1') === '/ipns/' ? value : undefined
}
