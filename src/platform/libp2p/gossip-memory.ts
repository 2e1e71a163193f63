/** A message as gossipsub (17.1) keeps it to tell it on: all parts are views of the packet that it came in. */
interface KeptMessage { from?: Uint8Array, data?: Uint8Array, seqno?: Uint8Array, signature?: Uint8Array, key?: Uint8Array }

interface TimeCache {
  readonly entries: Map<string, unknown>
  put (id: string, value?: unknown): boolean
}

/** What gossipsub remembers of messages, and forgets by time alone. */
interface Memory {
  /** Messages that peers may ask for, in windows of a heartbeat each: `shift` ends the current window and forgets the oldest. */
  readonly mcache: { put (id: unknown, message: KeptMessage, isValidated?: boolean): boolean, shift (): void }
  /** Names of messages, so that none is taken twice. */
  readonly seenCache: TimeCache
  readonly fastMsgIdCache?: TimeCache
}

/** A window ends when it holds so much, of six that there are by default. A heartbeat's messages of hundreds of peers have room. */
const maxWindowBytes = 16 * 1024 * 1024
/** What a message costs beside its data. */
const messageBytes = 1_024
/** Far more than are on their way at a time: what comes back after that is taken for new, and known to whom it concerns. */
const maxSeen = 250_000
/** So many go at once: the way to the oldest entry of a map leads past all that were deleted before it. */
const forgottenAtOnce = maxSeen / 8

/**
 * Bounds the memory of gossipsub by size: any peer can fill it with messages for as long as gossipsub
 * remembers, a minute for messages and half an hour for their names, whether or not anybody wants them.
 */
export function boundGossipMemory (pubsub: object): void {
  const { mcache, seenCache, fastMsgIdCache } = pubsub as Memory
  boundMessages(mcache)
  boundNames(seenCache)
  if (fastMsgIdCache !== undefined) boundNames(fastMsgIdCache)
}

function boundMessages (cache: Memory['mcache']): void {
  const put = cache.put.bind(cache)
  const shift = cache.shift.bind(cache)
  let bytes = 0
  cache.shift = () => {
    bytes = 0
    shift()
  }
  cache.put = (id, message, isValidated) => {
    const isNew = put(id, message, isValidated)
    if (!isNew) return false
    leavePacket(message)
    bytes += (message.data?.length ?? 0) + messageBytes
    if (bytes > maxWindowBytes) cache.shift()
    return true
  }
}

/** A message is not to keep the packet, of which it may be a small part. */
function leavePacket (message: KeptMessage): void {
  for (const part of ['from', 'data', 'seqno', 'signature', 'key'] as const) {
    const bytes = message[part]
    if (bytes !== undefined && bytes.length * 2 < bytes.buffer.byteLength) message[part] = new Uint8Array(bytes)
  }
}

function boundNames (cache: TimeCache): void {
  const put = cache.put.bind(cache)
  cache.put = (id, value) => {
    const isKnown = put(id, value)
    if (cache.entries.size > maxSeen) forgetOldest(cache.entries)
    return isKnown
  }
}

function forgetOldest (entries: Map<string, unknown>): void {
  let left = forgottenAtOnce
  for (const name of entries.keys()) {
    if (left-- === 0) return
    entries.delete(name)
  }
}
