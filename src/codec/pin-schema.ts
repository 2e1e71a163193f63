import { pinTypes, type Pin, type PinMode, type PinOptions, type PinType } from '../domain/pin.ts'
import { nullableList } from './containers.ts'
import type { Kind } from './kind.ts'
import { metadata } from './metadata.ts'
import {
  allocationsParameter, expiryParameter, factorParameter, metadataParameter, modeParameter, originsParameter, shardSizeParameter, textParameter, updateParameter,
} from './query-forms.ts'
import { cid, integer, multiaddress, optional, peerId, text, time, unsigned, words } from './scalars.ts'
import { field, type Fields } from './schema.ts'

const peerIds = nullableList(peerId)

const mode: Kind<PinMode> = words({ zero: 'recursive', words: ['recursive', 'direct'], msgpack: [0, 1], signed: true })
const pinType: Kind<PinType> = words({ zero: 'bad-type', words: pinTypes, msgpack: [1, 2, 4, 8, 16], signed: false, protobuf: true })

/** What a user asks for when pinning (spec/rest-api.md 2.1 and 3, spec/wire.md 5.4 and 6.5). */
export const pinOptionFields: Fields<PinOptions> = {
  replicationFactorMin: field(integer('int32'), { json: 'replication_factor_min', msgpack: 'rn?', protobuf: [6, 1], describe: 'Fewest peers that hold the content; -1 for all.' }, factorParameter('replication-min')),
  replicationFactorMax: field(integer('int32'), { json: 'replication_factor_max', msgpack: 'rx?', protobuf: [6, 2], describe: 'Most peers that hold the content; -1 for all.' }, factorParameter('replication-max')),
  name: field(text, { json: 'name', msgpack: 'n?', protobuf: [6, 3], describe: 'A label for humans.' }, textParameter('name')),
  mode: field(mode, { json: 'mode', msgpack: 'o?', describe: 'Whether everything below the CID is pinned, or its block alone.' }, modeParameter),
  shardSize: field(unsigned, { json: 'shard_size', msgpack: 's?', protobuf: [6, 4], describe: 'Bytes of one shard of a sharded add.' }, shardSizeParameter),
  userAllocations: field(peerIds, { json: 'user_allocations', msgpack: 'ua?', describe: 'Preferred holders; never stored.' }, allocationsParameter),
  expireAt: field(time, { json: 'expire_at', msgpack: 'e?', protobuf: [6, 8], describe: 'The pin is removed after this moment.' }, expiryParameter),
  metadata: field(metadata, { json: 'metadata', msgpack: 'm?', protobuf: [6, 10], olderProtobuf: [6, 6], describe: 'What the user wants to remember with the pin.' }, metadataParameter),
  pinUpdate: field(optional(cid), { json: 'pin_update', msgpack: 'pu?', protobuf: [6, 7], describe: 'The pin that this one replaces.' }, updateParameter),
  origins: field(nullableList(multiaddress), { json: 'origins', msgpack: 'g?', protobuf: [6, 9], describe: 'Addresses of IPFS nodes known to have the content.' }, originsParameter),
}

/** An item of the shared pinset. */
export const pinFields: Fields<Pin> = {
  ...pinOptionFields,
  cid: field(cid, { json: 'cid', msgpack: 'c', protobuf: 1, describe: 'The content.' }),
  type: field(pinType, { json: 'type', msgpack: 't?', protobuf: 2, describe: 'The kind of pin.' }),
  allocations: field(peerIds, { json: 'allocations', msgpack: 'a?', protobuf: 3, describe: 'Peers that hold the content; empty when every peer does.' }),
  maxDepth: field(integer('int32'), { json: 'max_depth', msgpack: 'd?', protobuf: 4, describe: '-1 recursive, 0 direct, n levels.' }),
  reference: field(optional(cid), { json: 'reference', msgpack: 'r?', protobuf: 5, describe: 'A pin that this one belongs to.' }),
  timestamp: field(time, { json: 'timestamp', msgpack: 'i?', protobuf: 7, describe: 'When the pin was submitted.' }),
}
