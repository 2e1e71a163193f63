/** One change of a {@link Store.batch}. */
export type StoreOperation =
  | { readonly type: 'put', readonly key: string, readonly value: Uint8Array }
  | { readonly type: 'del', readonly key: string }

/** A range of keys in byte order; bounds that are absent are open. */
export interface StoreRange {
  readonly gt?: string
  readonly gte?: string
  readonly lt?: string
  readonly lte?: string
  readonly reverse?: boolean
  /** At most so many entries. */
  readonly limit?: number
}

export interface StoreEntry { readonly key: string, readonly value: Uint8Array }

export interface BatchOptions { readonly sync: boolean, readonly opening?: number | undefined }

/** An ordered map on disk. Keys are ASCII text, values bytes. */
export interface Store {
  get (key: string): Promise<Uint8Array | undefined>
  /**
   * As {@link get}, but at once: for single reads on hot paths, which nearly always end in memory
   * (cache, filters). A trip to the store's thread would cost ten times the read.
   * @throws ClusterError also while the store is being opened anew, which {@link get} waits for
   */
  getSync (key: string): Uint8Array | undefined
  getMany (keys: readonly string[]): Promise<Array<Uint8Array | undefined>>
  /**
   * All of the operations or none. With `sync` the promise resolves when they are on disk
   * (fsync); without, they may be lost by a crash, but never in part and never before an
   * operation that came earlier. Of a batch that failed nobody knows whether it is on disk before
   * another one, which may be empty, has succeeded. With `opening` it also fails when the store has
   * been opened anew since {@link openings} was that: what it is built on may be gone.
   */
  batch (operations: readonly StoreOperation[], options: BatchOptions): Promise<void>
  /**
   * Entries of the range as of the call (a snapshot), some hundred at a time. An iteration during
   * which the store is opened anew goes on with what is there then.
   */
  iterate (range: StoreRange): AsyncIterable<StoreEntry[]>
  /** Keys alone; otherwise as {@link iterate}. */
  keys (range: StoreRange): AsyncIterable<string[]>
  /** The keys under each of many prefixes, at most `limitEach` of each, as of the call: one pass for all of them. */
  keysUnder (prefixes: readonly string[], limitEach: number): Promise<string[][]>
  /** Removes all entries of the range. */
  clear (range: StoreRange): Promise<void>
  /**
   * Grows when the store had to be opened anew after a failed batch: what was written without
   * `sync` may be gone then, and the failed batch may be there. Absent: that never happens.
   */
  openings? (): number
  /** Calls `listener` after each opening but the first. */
  onOpenedAnew? (listener: () => void): void
  /**
   * To be called now and then: when nothing was written since the last call, the store makes sure
   * that the Go program could take it over as it is. Absent: there is nothing to do.
   */
  rest? (): Promise<void>
  close (): Promise<void>
}
