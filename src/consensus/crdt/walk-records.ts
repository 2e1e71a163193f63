import type { PeerId } from '../../domain/peer.ts'
import type { Store, StoreOperation } from '../../platform/store.ts'
import { prefixEnd } from './encoding.ts'
import { readFew } from './read-few.ts'

/**
 * The unfinished walk as it stands on disk, under keys of our own that the Go program does not
 * read. Every node that is known but not merged has one record, by its multihash:
 *
 * - `fetch`: its block is not here; `isLinked` when a node that is stored follows it, so that it
 *   cannot be left out. Also listed under `fetch/<node>`.
 * - `waits`: its block is stored; it waits for one of the nodes that it follows (`on`), which is not
 *   merged. When that one is merged, the node waits for the next, if there is one left. Who waits
 *   for `on` is found under `wait/<on>`, the first of them alone, so that a chain needs one
 *   read a node; the others (`isListed`) under `wait/<on>/<node>`.
 * - `ready`: stored, and all its ancestors are merged. Also listed under `ready/<node>`.
 * - `hole`: its block could not be had for a long time; what follows it is merged without it. Also
 *   listed under `hole/<node>`.
 * - `bad`: its block is no delta node and never will be; what follows it is merged without it.
 *
 * `drain/<node>` names nodes that are merged (or given up), but still have nodes waiting for them.
 */
export type WalkRecord =
  | { readonly state: 'fetch', readonly isInner: boolean, readonly isLinked: boolean, readonly from: PeerId | undefined }
  | { readonly state: 'waits', readonly isInner: boolean, readonly on: string, readonly isListed: boolean, readonly sizeBytes: number }
  | { readonly state: 'ready', readonly isInner: boolean, readonly sizeBytes: number }
  | { readonly state: 'hole' }
  | { readonly state: 'bad' }

/** How many nodes are in which state, and the highest priority seen among them. */
export interface WalkSummary {
  readonly fetch: number
  readonly waits: number
  readonly ready: number
  readonly hole: number
  readonly bad: number
  readonly highestPriority: number
}

const root = '/flotilla/walk/'
const recordKey = (node: string): string => `${root}node/${node}`
const summaryKey = `${root}summary`
const waitersKey = (on: string): string => `${root}wait/${on}`
const waitPrefix = (on: string): string => `${root}wait/${on}/`
const lists = { fetch: `${root}fetch/`, ready: `${root}ready/`, hole: `${root}hole/`, drain: `${root}drain/` } as const
type ListName = keyof typeof lists

/** Who waits for a node. */
export interface Waiters { readonly first: string | undefined, readonly hasMore: boolean }

const emptySummary: WalkSummary = { fetch: 0, waits: 0, ready: 0, hole: 0, bad: 0, highestPriority: 0 }

/** Reads of the unfinished walk, and its figures. */
export class WalkRecords {
  readonly #store: Store
  #summary = emptySummary

  constructor (store: Store) { this.#store = store }

  /** Reads the figures; the rest stays on disk. */
  async load (): Promise<void> {
    const stored = await this.#store.get(summaryKey)
    this.#summary = stored === undefined ? emptySummary : JSON.parse(decode(stored)) as WalkSummary
  }

  get summary (): WalkSummary { return this.#summary }

  async getMany (nodes: readonly string[]): Promise<Array<WalkRecord | undefined>> {
    return (await readFew(this.#store, nodes.map(recordKey))).map(value => value && decodeRecord(value))
  }

  /** Who waits for `on`; the others than the first by {@link waiting}. */
  waiters (on: string): Waiters {
    const value = this.#store.getSync(waitersKey(on))
    if (value === undefined) return { first: undefined, hasMore: false }
    const [first = '', more = ''] = decode(value).split('+')
    return { first: first === '' ? undefined : first, hasMore: more !== '' }
  }

  /** Up to `limit` nodes of a list, in the order of their names, behind `after`. */
  async listed (list: ListName, limit: number, after = ''): Promise<string[]> {
    const prefix = lists[list]
    const range = { gt: prefix + after, lt: prefixEnd(prefix), limit }
    return (await Array.fromAsync(this.#store.keys(range))).flat().map(key => key.slice(prefix.length))
  }

  /** Up to `limit` nodes that wait for `on`, the first one left out. */
  async waiting (on: string, limit: number): Promise<string[]> {
    const prefix = waitPrefix(on)
    const [keys = []] = await this.#store.keysUnder([prefix], limit)
    return keys.map(key => key.slice(prefix.length))
  }

  change (): WalkChange { return new WalkChange(this.#summary, summary => { this.#summary = summary }) }
}

/** Changes of the unfinished walk: {@link operations} says what to write, {@link apply} follows when that is done. */
export class WalkChange {
  readonly #records = new Map<string, { readonly before: WalkRecord | undefined, after: WalkRecord | undefined }>()
  readonly #waiters = new Map<string, StoreOperation>()
  readonly #drains = new Map<string, boolean>()
  readonly #before: WalkSummary
  readonly #after: { -readonly [K in keyof WalkSummary]: WalkSummary[K] }
  readonly #apply: (summary: WalkSummary) => void

  constructor (before: WalkSummary, apply: (summary: WalkSummary) => void) {
    this.#before = before
    this.#after = { ...before }
    this.#apply = apply
  }

  /** A node's record changes from `before` to `after`; undefined: it has none. */
  set (node: string, before: WalkRecord | undefined, after: WalkRecord | undefined): void {
    if (before !== undefined) this.#after[before.state]--
    if (after !== undefined) this.#after[after.state]++
    const known = this.#records.get(node)
    if (known === undefined) this.#records.set(node, { before, after })
    else known.after = after
  }

  /** Who waits for a node is another now. */
  setWaiters (on: string, { first, hasMore }: Waiters): void {
    const key = waitersKey(on)
    const isEmpty = first === undefined && !hasMore
    this.#waiters.set(on, isEmpty ? { type: 'del', key } : { type: 'put', key, value: encode(`${first ?? ''}+${hasMore ? 'more' : ''}`) })
  }

  /** A node has, or has no longer, others that wait for it though it is out of the way. */
  setDrain (node: string, isLeft: boolean): void { this.#drains.set(node, isLeft) }

  sawPriority (priority: number): void {
    this.#after.highestPriority = Math.max(this.#after.highestPriority, priority)
  }

  operations (): StoreOperation[] {
    const operations = [...this.#records].flatMap(([node, { before, after }]) => recordOperations(node, before, after))
    operations.push(...this.#waiters.values())
    for (const [node, isLeft] of this.#drains) operations.push(isLeft ? { type: 'put', key: lists.drain + node, value: nothing } : { type: 'del', key: lists.drain + node })
    // Nothing unmerged is left: what is merged speaks for itself.
    if (this.#after.fetch + this.#after.waits + this.#after.ready === 0) this.#after.highestPriority = 0
    if (operations.length === 0 && this.#after.highestPriority === this.#before.highestPriority) return []
    return [...operations, { type: 'put', key: summaryKey, value: encode(JSON.stringify(this.#after)) }]
  }

  apply (): void { this.#apply(this.#after) }
}

function recordOperations (node: string, before: WalkRecord | undefined, after: WalkRecord | undefined): StoreOperation[] {
  if (before === undefined && after === undefined) return []
  const left = before && listKey(node, before)
  const entered = after && listKey(node, after)
  const operations: StoreOperation[] = []
  if (left !== undefined && left !== entered) operations.push({ type: 'del', key: left })
  if (entered !== undefined && left !== entered) operations.push({ type: 'put', key: entered, value: nothing })
  operations.push(after === undefined ? { type: 'del', key: recordKey(node) } : { type: 'put', key: recordKey(node), value: encodeRecord(after) })
  return operations
}

function listKey (node: string, record: WalkRecord): string | undefined {
  if (record.state === 'waits') return record.isListed ? waitPrefix(record.on) + node : undefined
  return record.state === 'bad' ? undefined : lists[record.state] + node
}

function encodeRecord (record: WalkRecord): Uint8Array { return encode(JSON.stringify(record)) }
function decodeRecord (value: Uint8Array): WalkRecord { return JSON.parse(decode(value)) as WalkRecord }
function encode (text: string): Uint8Array { return new TextEncoder().encode(text) }
function decode (bytes: Uint8Array): string { return new TextDecoder().decode(bytes) }
const nothing = new Uint8Array(0)
