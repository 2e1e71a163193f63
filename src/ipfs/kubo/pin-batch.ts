import type { Cid } from '../../domain/cid.ts'
import { ClusterError } from '../../domain/errors.ts'
import type { Pin } from '../../domain/pin.ts'
import type { CallOptions } from '../../platform/lifecycle.ts'
import type { PinCallOptions } from '../connector.ts'
import { asClusterError, refusedWith } from './failures.ts'
import { inParallel } from './parallel.ts'
import { confirmed, pinAdd, pinAddPath } from './pin-add.ts'
import { pinLines } from './pin-list.ts'
import { pinOne, pinStatusPath, type PinCalls } from './pin-one.ts'
import { unpinOne, unpinPath } from './unpin-one.ts'

/** CIDs in one request: 128 of 62 characters stay below the 16 KiB that HTTP servers allow for a request line. */
const maxBatch = 128
const maxBatchLength = 12_000
/** After so many refusals in one batch the rest is pinned one by one. */
const maxRefusals = 8
const defaultBatchStallMs = 2_000
const defaultBatchTimeMs = 10_000

type Answers = Array<ClusterError | undefined>

/**
 * Pins many recursive pins, a batch with each request; others (direct, to a depth, updates, with
 * origins) each on its own. The node works through a batch in order, so one item can hold up the
 * rest: then what is left comes back as `IPFS_STALLED`.
 */
export async function pinMany (calls: PinCalls, pins: readonly Pin[], options: PinCallOptions): Promise<Answers> {
  const answers: Answers = Array.from({ length: pins.length })
  const ordinary: number[] = []
  const special: number[] = []
  for (const [i, pin] of pins.entries()) (isOrdinary(pin) ? ordinary : special).push(i)
  const cidOf = (i: number): Cid => (pins[i] as Pin).cid
  for (const batch of batches(ordinary, cidOf)) await pinBatch(calls, batch, cidOf, answers, options)
  await inParallel(special, async i => { answers[i] = await outcome(pinOne(calls, pins[i] as Pin, options)) })
  return answers
}

/** Unpins many, a batch with each request; the batch with an item that is not pinned is done again one by one. */
export async function unpinMany (calls: PinCalls, cids: readonly Cid[], options: CallOptions): Promise<Answers> {
  const answers: Answers = Array.from({ length: cids.length })
  const cidOf = (i: number): Cid => cids[i] as Cid
  const deadline = { ms: calls.options.unpinTimeoutMs, option: 'unpin_timeout' }
  for (const batch of batches([...cids.keys()], cidOf)) {
    const path = unpinPath(batch.map(cidOf))
    const failure = batch.length === 1 ? undefined : await outcome(confirmed(calls.rpc, { path, isLasting: true, deadline, signal: options.signal }))
    if (batch.length === 1 || refusedWith(failure) !== undefined) await inParallel(batch, async i => { answers[i] = await outcome(unpinOne(calls, cidOf(i), options)) })
    else if (failure !== undefined) for (const i of batch) answers[i] = failureOfOne(failure, path, unpinPath([cidOf(i)]))
  }
  return answers
}

function isOrdinary (pin: Pin): boolean {
  return pin.maxDepth < 0 && pin.pinUpdate === undefined && (pin.origins === null || pin.origins.length === 0)
}

async function pinBatch (calls: PinCalls, batch: readonly number[], cidOf: (i: number) => Cid, answers: Answers, options: PinCallOptions): Promise<void> {
  let left = batch
  for (let refusals = 0; left.length > 0; refusals++) {
    if (refusals === maxRefusals) {
      await inParallel(left, async i => { answers[i] = await addBatch(calls, [cidOf(i)], options) })
      return
    }
    const isAlone = left.length === 1
    const failure = await addBatch(calls, left.map(cidOf), options)
    if (failure === undefined) return
    const isRefusal = refusedWith(failure) !== undefined
    if (!isRefusal && failure.code !== 'IPFS_STALLED') {
      const path = pinAddPath(left.map(cidOf), -1)
      for (const i of left) answers[i] = failureOfOne(failure, path, pinStatusPath(cidOf(i), 'recursive'))
      return
    }
    if (!isAlone) left = left.slice(await countPinned(calls, left.map(cidOf), options))
    if (!isRefusal) {
      for (const i of left) answers[i] = failure
      return
    }
    const [refused, ...others] = left
    if (refused === undefined) return
    answers[refused] = isAlone ? failure : await addBatch(calls, [cidOf(refused)], options)
    left = others
  }
}

function addBatch ({ rpc, options: { batchStallMs = defaultBatchStallMs, batchTimeMs = defaultBatchTimeMs, pinTimeoutMs } }: PinCalls, cids: readonly Cid[], options: PinCallOptions): Promise<ClusterError | undefined> {
  const stallMs = pinTimeoutMs > 0 ? Math.min(batchStallMs, pinTimeoutMs) : batchStallMs
  const stalled = (blocks: number): ClusterError => new ClusterError('IPFS_STALLED', `pinning ${cids.length === 1 ? cids[0] : `${cids.length} items`} came to a halt after ${blocks} blocks: to be tried one by one`)
  return outcome(pinAdd(rpc, pinAddPath(cids, -1), { stallMs, totalMs: batchTimeMs, stalled }, options))
}

/**
 * How many of `cids` are pinned, counted from the first to the first that is not: the node answers
 * with one line for each until it comes to one that is not pinned.
 */
async function countPinned ({ rpc, options: { batchStallMs = defaultBatchStallMs } }: PinCalls, cids: readonly Cid[], options: CallOptions): Promise<number> {
  const path = `pin/ls?stream=true&arg=${cids.join('&arg=')}&type=recursive`
  let count = 0
  const lines = pinLines(path, pin => { if (pin.cid === cids[count]) count++ })
  try {
    await rpc.start({ path, signal: options.signal, deadline: { ms: batchStallMs, option: 'batch stall' }, onData: chunk => { lines.push(chunk) } }).done
    lines.end()
  } catch (error) {
    // What it said before it failed is true all the same; the rest is tried again.
    if (error instanceof ClusterError && error.code === 'CANCELLED') throw error
  }
  return count
}

/** The failure of a request for many, as the request for one of them alone would have failed. */
function failureOfOne (failure: ClusterError, path: string, pathOfOne: string): ClusterError {
  return new ClusterError(failure.code, failure.message.replaceAll(path, pathOfOne), { cause: failure })
}

function batches (items: readonly number[], cidOf: (i: number) => Cid): number[][] {
  const all: number[][] = []
  let length = Infinity
  for (const item of items) {
    const batch = all.at(-1)
    length += cidOf(item).length + '&arg='.length
    if (batch === undefined || batch.length === maxBatch || length > maxBatchLength) {
      all.push([item])
      length = cidOf(item).length
    } else {
      batch.push(item)
    }
  }
  return all
}

/** The failure of a call as a value; only the end of the whole call is thrown. */
async function outcome (call: Promise<unknown>): Promise<ClusterError | undefined> {
  try {
    await call
    return undefined
  } catch (error) {
    const failure = asClusterError(error)
    if (failure.code === 'CANCELLED') throw failure
    return failure
  }
}
