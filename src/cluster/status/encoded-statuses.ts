import { encodeLines } from '../../codec/encode-lines.ts'
import { ExpectedStatusLines } from '../../codec/expected-status-lines.ts'
import { GlobalPinInfoMessage } from '../../codec/messages.ts'
import { isSameIdentity, type GlobalPinInfo, type StatusTeller } from '../../domain/status.ts'
import type { AgreedRange } from './expected-range.ts'

/** Statuses as lines of JSON, as the REST API answers them: those on which all peers agree straight from the stored pins. */
export async function * encodedStatuses (batches: AsyncIterable<GlobalPinInfo[] | AgreedRange>): AsyncGenerator<Uint8Array> {
  let tellers: readonly StatusTeller[] = []
  let expected = new ExpectedStatusLines(tellers)
  for await (const batch of batches) {
    if (Array.isArray(batch)) {
      yield encodeLines(batch, GlobalPinInfoMessage.encodeJson)
      continue
    }
    if (!areSame(batch.tellers, tellers)) expected = new ExpectedStatusLines(tellers = batch.tellers)
    yield * expected.lines(batch.listed.map(({ value }) => value))
  }
}

function areSame (some: readonly StatusTeller[], others: readonly StatusTeller[]): boolean {
  return some.length === others.length && some.every((teller, i) => teller.peer === others[i]?.peer && isSameIdentity(teller, others[i]))
}
