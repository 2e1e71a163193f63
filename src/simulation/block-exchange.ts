import { createHash } from 'node:crypto'
import type { CID } from 'multiformats/cid'
import { sleep } from '../platform/clock.ts'
import type { Link } from './link.ts'
import type { NetworkMember } from './network-member.ts'

/** A peer that does not answer for this long is passed over, in milliseconds. */
const answerTimeoutMs = 3_000
/** When nobody has a block, all are asked again after this unless somebody says that he has it, in milliseconds. */
const askAgainMs = 5_000

export interface BlockRequest {
  readonly member: NetworkMember
  readonly cid: CID
  readonly signal: AbortSignal | undefined
  /** Who is connected, the most likely one first. */
  readonly candidates: () => NetworkMember[]
  readonly wayTo: (other: NetworkMember) => { link: Link, side: 0 | 1 }
}

/** Asks one peer after the other until one sends bytes that are the block. */
export async function fetchFromPeers (request: BlockRequest): Promise<Uint8Array> {
  const { member, cid, signal } = request
  for (;;) {
    for (const other of request.candidates()) {
      signal?.throwIfAborted()
      const bytes = await ask(request, other)
      if (bytes !== undefined && isBlock(cid, bytes)) return bytes
    }
    await waitForBlock(member, cid, signal)
  }
}

/** Undefined also when there is no answer. */
function ask ({ member, cid, signal, wayTo }: BlockRequest, other: NetworkMember): Promise<Uint8Array | undefined> {
  const { link, side } = wayTo(other)
  if (!link.isUp) return Promise.resolve(undefined)
  const toFar = link.carryTo(side)
  const toNear = link.carryTo(side === 0 ? 1 : 0)
  return new Promise((resolve, reject) => {
    const done = (bytes: Uint8Array | undefined): void => {
      cancel()
      forget()
      signal?.removeEventListener('abort', abort)
      resolve(bytes)
    }
    const abort = (): void => { reject(signal?.reason); done(undefined) }
    const forget = link.onLoss(() => { done(undefined) })
    const cancel = member.clock.after(answerTimeoutMs, () => { done(undefined) })
    signal?.addEventListener('abort', abort, { once: true })
    toFar(() => {
      const answer = (bytes: Uint8Array | undefined): void => { toNear(() => { done(bytes) }) }
      if (other.source === undefined) answer(undefined)
      else other.source(cid).then(answer, () => { answer(undefined) })
    })
  })
}

function waitForBlock (member: NetworkMember, cid: CID, signal: AbortSignal | undefined): Promise<void> {
  const name = cid.toString()
  const woken = new AbortController()
  const wake = (): void => { woken.abort() }
  const waiting = member.wants.get(name) ?? new Set()
  member.wants.set(name, waiting.add(wake))
  const either = signal === undefined ? woken.signal : AbortSignal.any([signal, woken.signal])
  return sleep(member.clock, askAgainMs, either)
    .catch((error: unknown) => { if (!woken.signal.aborted) throw error })
    .finally(() => {
      waiting.delete(wake)
      if (waiting.size === 0 && member.wants.get(name) === waiting) member.wants.delete(name)
    })
}

function isBlock (cid: CID, bytes: Uint8Array): boolean {
  return createHash('sha256').update(bytes).digest().equals(cid.multihash.digest)
}
