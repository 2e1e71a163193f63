import { cidKey } from '../../domain/cid.ts'
import type { Pin } from '../../domain/pin.ts'
import { expectedStatus, type GlobalPinInfo, type PeerPinStatus, type PinInfo, type StatusTeller } from '../../domain/status.ts'
import { infoOfPin } from '../../tracker/pin-info.ts'
import type { ListedStatus } from '../../tracker/tracker.ts'
import { globalWith, peerPart } from './status-lines.ts'

/** A pin whose status is what it lets expect, with its bytes. */
export type ExpectedStatus = ListedStatus & { readonly pin: Pin, readonly value: Uint8Array }

/** The expected status of a pin on a peer. */
export function expectedInfo (pin: Pin, teller: StatusTeller): PinInfo {
  return infoOfPin(pin, expectedStatus(pin, teller.peer), '', teller.peer, teller)
}

/** What one peer says of a range of pins: of each what the pinset lets expect. */
export class ExpectedRange {
  readonly listed: readonly ExpectedStatus[]
  readonly teller: StatusTeller

  /** @param listed the same list for all peers that say this of the same range */
  constructor (listed: readonly ExpectedStatus[], teller: StatusTeller) {
    this.listed = listed
    this.teller = teller
  }

  /** The `cidKey` of its first pin. */
  get firstKey (): string { return cidKey((this.listed[0] as ExpectedStatus).cid) }

  /** The `cidKey` of its last pin. */
  get lastKey (): string { return cidKey((this.listed.at(-1) as ExpectedStatus).cid) }

  infos (): PinInfo[] { return this.listed.map(({ pin }) => expectedInfo(pin, this.teller)) }
}

/** What all peers say of a range of pins, where it is nothing but what the pinset lets expect. */
export class AgreedRange {
  readonly listed: readonly ExpectedStatus[]
  readonly tellers: readonly StatusTeller[]

  constructor (listed: readonly ExpectedStatus[], tellers: readonly StatusTeller[]) {
    this.listed = listed
    this.tellers = tellers
  }

  statuses (): GlobalPinInfo[] {
    return this.listed.map(({ pin }) => {
      const infos = this.tellers.map(teller => expectedInfo(pin, teller))
      return globalWith(infos[0] as PinInfo, Object.fromEntries(infos.map((info): [string, PeerPinStatus] => [info.peer, peerPart(info)])))
    })
  }
}

/** These statuses if each of them is expected and all are of one identity; undefined otherwise, and for none. */
export function expectedOf (listed: readonly ListedStatus[]): readonly ExpectedStatus[] | undefined {
  const first = listed[0]?.identity
  if (first === undefined) return undefined
  for (const { isExpected, value, identity } of listed) {
    if (!isExpected || value === undefined) return undefined
    if (identity !== first && (identity.ipfsPeerId !== first.ipfsPeerId || identity.ipfsPeerAddresses !== first.ipfsPeerAddresses)) return undefined
  }
  return listed as readonly ExpectedStatus[]
}

/** The statuses one by one. */
export async function * inFull (batches: AsyncIterable<GlobalPinInfo[] | AgreedRange>): AsyncGenerator<GlobalPinInfo[]> {
  for await (const batch of batches) yield Array.isArray(batch) ? batch : batch.statuses()
}
