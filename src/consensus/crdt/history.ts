import * as dagPb from '@ipld/dag-pb'
import { ClusterError, errorText } from '../../domain/errors.ts'
import type { PeerId } from '../../domain/peer.ts'
import type { Clock } from '../../platform/clock.ts'
import type { Platform } from '../../platform/lifecycle.ts'
import type { Network, PeerStream } from '../../platform/network.ts'
import type { Store } from '../../platform/store.ts'
import { deltaCid, maxNodeBytes } from './delta.ts'
import { digestBytes, digestOf, multihashKey, multihashOfDigest, type ReplicaKeys } from './keys.ts'
import { readFew } from './read-few.ts'

/**
 * A protocol between our peers that the Go program does not have: nodes with all that they
 * follow, in one stream. A chain of 100,000 nodes would take as many round trips by bitswap,
 * because each node must be there before the next one is known.
 *
 * Request: two lists, each a count (4 bytes) and as many SHA-256 digests: nodes that are wanted,
 * and nodes that are here already with all that they follow. Then the half-close. Answer: blocks,
 * each with its length (4 bytes) in front, every one wanted or followed by an earlier one.
 */
export const historyProtocol = '/flotilla/crdt/history/1.0.0'

/** Digests in one list of a request. */
const maxListed = 1_024
/** Nodes of one answer: who wants more asks again. Bounds what both sides keep in mind. */
const maxNodes = 20_000
/** Answers at the same time, and blocks that each reads at once: together they bound the memory, as a block may have 4 MiB. */
const maxAnswers = 8
/** Of these, at most so many for one peer: who reads slowly must not keep the others waiting. A peer of ours asks for one at a time. */
const maxAnswersOfPeer = 2
/** Peers whose bad requests are logged. */
const maxLoggedPeers = 1_000
const blocksPerRead = 8
/** Bytes written at once: small blocks go together. */
const writeBytes = 64 * 1024
/** A peer that sends nothing for so long is left. */
const silenceMs = 20_000
/**
 * So is one for whose answer this peer has waited for so long, and longer than what came is worth: by
 * bitswap it would have come sooner, and everything else that is to come in this way waits meanwhile.
 */
const patienceMs = 30_000
const worthMsPerNode = 100
const worthMsPerKiB = 50
/** And one that has sent so much in a row that was not needed: of what is needed it has no more. */
const mostUnneeded = { nodes: 256, bytes: 8 * 1024 * 1024 }

export interface HistoryRequest {
  readonly wanted: readonly string[]
  /** Nodes of which all that they follow is here. */
  readonly had: readonly string[]
}

export interface FetchOptions {
  readonly platform: Platform
  readonly signal: AbortSignal
  /** Whether a node is here with all that it follows. */
  readonly isMerged: (node: string) => boolean
}

/** A node that came in an answer. */
export interface HistoryNode { readonly node: string, readonly block: Uint8Array }

/** Answers requests of other peers, until the result is called. */
export function serveHistory ({ network, store, keys, platform }: { readonly network: Network, readonly store: Store, readonly keys: ReplicaKeys, readonly platform: Platform }): () => void {
  const logger = platform.loggers.component('crdt')
  const refused = platform.metrics.counter('ipfscluster_crdt_refused_history', 'Total number of requests for history that were not answered: too many at once, or unreadable')
  const logged = new Set<PeerId>()
  const answers = new Map<PeerStream, PeerId>()
  return network.handle(historyProtocol, stream => {
    const { peer } = stream
    if (answers.size >= maxAnswers || [...answers.values()].filter(other => other === peer).length >= maxAnswersOfPeer) {
      refused.add(1)
      stream.reset()
      return
    }
    answers.set(stream, peer)
    const silence = watchSilence(stream, platform.clock)
    answer(stream, store, keys, () => { silence.progressed() }).catch((error: unknown) => {
      stream.reset()
      const isUnreadable = error instanceof ClusterError && error.code === 'INVALID_WIRE_DATA'
      if (isUnreadable) refused.add(1)
      const isNews = isUnreadable && !logged.has(peer) && logged.size < maxLoggedPeers
      if (isNews) logged.add(peer)
      logger[isNews ? 'warn' : 'debug']({ peer }, `a request for history was not answered to its end: ${errorText(error)}`)
    }).finally(() => {
      silence.end()
      answers.delete(stream)
    })
  })
}

/** Resets a stream on which nothing happens for long: who neither asks nor reads must not hold one of the few answers for ever. */
function watchSilence (stream: PeerStream, clock: Clock): { readonly progressed: () => void, readonly end: () => void } {
  const reset = (): void => { stream.reset() }
  let cancel = clock.after(silenceMs, reset)
  return {
    progressed () {
      cancel()
      cancel = clock.after(silenceMs, reset)
    },
    end: () => { cancel() },
  }
}

async function answer (stream: PeerStream, store: Store, keys: ReplicaKeys, progressed: () => void): Promise<void> {
  const { wanted, had } = decodeRequest(await readAll(stream))
  progressed()
  const seen = new Set([...had, ...wanted])
  const left = [...wanted]
  const output = new BlockWriter(stream)
  for (let sent = 0; left.length > 0 && sent < maxNodes;) {
    const names = left.splice(0, blocksPerRead)
    const blocks = await readFew(store, names.map(name => keys.block(name)))
    for (const block of blocks) {
      if (block === undefined) continue
      sent++
      await output.write(block)
      progressed()
      for (const link of linksOf(block)) {
        if (seen.has(link) || left.length >= maxNodes) continue
        seen.add(link)
        left.push(link)
      }
    }
  }
  await output.flush()
  await stream.closeWrite()
}

/**
 * Asks a peer for nodes with all that they follow. Yields each node once; ends when nothing more is
 * needed, or when the peer has no more, which may be before everything came. The peer knows of what is
 * merged here but the heads: where a node follows what others follow too, it would go on with all that is below.
 * @throws ClusterError `PEER_UNREACHABLE` when it does not speak the protocol, `INVALID_WIRE_DATA`
 * when it sends what was not asked for, `TIMED_OUT` when it sends nothing or too slowly, `CANCELLED`
 */
export async function * fetchHistory (network: Network, peer: PeerId, request: HistoryRequest, { platform, signal, isMerged }: FetchOptions): AsyncGenerator<HistoryNode> {
  const { clock } = platform
  const quiet = new AbortController()
  const either = AbortSignal.any([signal, quiet.signal])
  const timeOut = (): void => { quiet.abort(new ClusterError('TIMED_OUT', `${peer} does not answer`)) }
  let cancel = clock.after(silenceMs, timeOut)
  const stream = await network.open(peer, historyProtocol, { signal: either }).finally(() => { cancel() })
  const reset = (): void => { stream.reset() }
  either.addEventListener('abort', reset, { once: true })
  try {
    cancel = clock.after(silenceMs, timeOut)
    await stream.write(encodeRequest(request))
    await stream.closeWrite()
    const expected = new Set(request.wanted)
    const seen = new Set([...request.had, ...request.wanted])
    const needed = new Set(request.wanted)
    let unneeded = { nodes: 0, bytes: 0 }
    let patience = patienceMs
    let waitingSince = clock.monotonic()
    for await (const block of blocksOf(stream)) {
      cancel()
      patience -= clock.monotonic() - waitingSince
      if (patience < 0) throw new ClusterError('TIMED_OUT', `${peer} answers too slowly`)
      patience = Math.min(patienceMs, patience + worthMsPerNode + block.length / 1024 * worthMsPerKiB)
      const node = multihashOfDigest(digestBytes(block))
      if (seen.size > 4 * maxNodes) return
      if (!expected.delete(node)) throw new ClusterError('INVALID_WIRE_DATA', `${peer} sends nodes that were not asked for`)
      const isNeeded = needed.delete(node)
      unneeded = isNeeded ? { nodes: 0, bytes: 0 } : { nodes: unneeded.nodes + 1, bytes: unneeded.bytes + block.length }
      for (const link of linksOf(block)) {
        if (seen.has(link) || expected.size >= 2 * maxNodes) continue
        seen.add(link)
        expected.add(link)
        if (isNeeded && !isMerged(link)) needed.add(link)
      }
      yield { node, block }
      if (needed.size === 0 || unneeded.nodes >= mostUnneeded.nodes || unneeded.bytes >= mostUnneeded.bytes) return
      waitingSince = clock.monotonic()
      cancel = clock.after(silenceMs, timeOut)
    }
  } catch (error) {
    throw quiet.signal.aborted ? quiet.signal.reason : error
  } finally {
    cancel()
    either.removeEventListener('abort', reset)
    stream.reset()
  }
}

function encodeRequest ({ wanted, had }: HistoryRequest): Uint8Array {
  const lists = [wanted.slice(0, maxListed), had.slice(0, maxListed)].flatMap(list => [count(list.length), ...list.map(name => digestOf(name))])
  return Buffer.concat(lists)
}

function decodeRequest (bytes: Uint8Array): HistoryRequest {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let at = 0
  const list = (): string[] => {
    const length = at + 4 <= bytes.length ? view.getUint32(at) : Infinity
    at += 4
    if (length > maxListed || at + length * 32 > bytes.length) throw malformed('request')
    return Array.from({ length }, () => multihashOfDigest(bytes.subarray(at, at += 32)))
  }
  return { wanted: list(), had: list() }
}

async function readAll (stream: PeerStream): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of stream.incoming) {
    size += chunk.length
    if (size > 2 * (4 + maxListed * 32)) throw malformed('request')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

async function * blocksOf (stream: PeerStream): AsyncGenerator<Uint8Array> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of stream.incoming) {
    rest = rest.length === 0 ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length) : Buffer.concat([rest, chunk])
    let at = 0
    while (rest.length - at >= 4) {
      const length = rest.readUInt32BE(at)
      if (length > maxNodeBytes) throw malformed('block length')
      if (rest.length - at - 4 < length) break
      // A copy: the chunk would be kept in memory as long as any of its blocks.
      yield Uint8Array.prototype.slice.call(rest, at + 4, at + 4 + length)
      at += 4 + length
    }
    rest = rest.subarray(at)
  }
  if (rest.length > 0) throw malformed('block cut off')
}

class BlockWriter {
  readonly #stream: PeerStream
  #waiting: Uint8Array[] = []
  #bytes = 0

  constructor (stream: PeerStream) { this.#stream = stream }

  async write (block: Uint8Array): Promise<void> {
    this.#waiting.push(count(block.length), block)
    this.#bytes += block.length
    if (this.#bytes >= writeBytes) await this.flush()
  }

  async flush (): Promise<void> {
    if (this.#waiting.length === 0) return
    const bytes = Buffer.concat(this.#waiting)
    this.#waiting = []
    this.#bytes = 0
    await this.#stream.write(bytes)
  }
}

/** What a block follows; nothing when it is no node. */
function linksOf (block: Uint8Array): string[] {
  try {
    return dagPb.decode(block).Links.flatMap(({ Hash }) => {
      const cid = deltaCid(Hash)
      return cid === undefined ? [] : [multihashKey(cid.multihash.bytes)]
    })
  } catch {
    return []
  }
}

function count (n: number): Uint8Array {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(n)
  return bytes
}

function malformed (what: string): ClusterError {
  return new ClusterError('INVALID_WIRE_DATA', `malformed ${what} in a stream of history`)
}
