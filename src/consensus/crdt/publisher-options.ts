import type { ProtobufMessage } from '../../codec/message.ts'
import type { Pin } from '../../domain/pin.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Logger } from '../../platform/logger.ts'
import type { Store } from '../../platform/store.ts'
import type { Pinset } from '../../state/pinset.ts'
import type { DeltaNode } from './delta.ts'
import type { Journal } from './journal.ts'
import type { PinValues } from './pin-values.ts'
import type { Replica } from './replica.ts'
import type { Writer } from './writer.ts'

/** When a delta is made of what waits. */
export interface BatchOptions {
  /** Make a delta when so many changes wait… */
  readonly maxSize: number
  /** …or when the oldest waits for so long. */
  readonly maxAgeMs: number
  /** So many changes may wait for their delta; more are refused, also without batches. Absent: any number. */
  readonly maxQueueSize?: number
}

/** What the publisher of deltas is made of. */
export interface PublisherOptions {
  readonly writer: Writer
  readonly replica: Replica
  readonly store: Store
  readonly journal: Journal
  readonly pinset: Pinset
  readonly codec: ProtobufMessage<Pin>
  /** Those of the writer: what was read for the journal is not read again. */
  readonly values: PinValues
  readonly clock: Clock
  readonly logger: Logger
  readonly batching: BatchOptions | undefined
  /** Whether other peers hear of our deltas: then they are on disk first. */
  readonly isHeard: () => boolean
  /** The highest priority seen in nodes that are not merged yet: what is newer than they must say so. */
  readonly priorityFloor: () => number
  /** A delta of ours is written, and perhaps on disk already. */
  readonly onDelta: (node: DeltaNode, isDurable: boolean) => void
}
