import type { ShardedUpload } from './sharded-uploads.ts'

/** What was added over shards in a world. */
export class ShardedContents {
  readonly #files = new Map<string, ShardedUpload>()
  readonly #half = new Set<string>()

  /** All that was ever begun. */
  get files (): Iterable<ShardedUpload> { return this.#files.values() }

  /** Something is done to it now: until {@link ended} some of its parts may be there and others not. */
  begun (file: ShardedUpload): void {
    this.#files.set(file.root, file)
    this.#half.add(file.root)
  }

  /** It came to its end. What was interrupted stays half. */
  ended (file: ShardedUpload): void { this.#half.delete(file.root) }

  isHalf ({ root }: ShardedUpload): boolean { return this.#half.has(root) }
}
