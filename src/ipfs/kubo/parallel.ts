/** Requests for single items that run at the same time. */
const maxAtOnce = 8

/** Calls `work` for every item, a few at a time; the first failure ends it. */
export async function inParallel<T> (items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const rest = items[Symbol.iterator]()
  const worker = async (): Promise<void> => { for (const item of rest) await work(item) }
  await Promise.all(Array.from({ length: Math.min(maxAtOnce, items.length) }, worker))
}
