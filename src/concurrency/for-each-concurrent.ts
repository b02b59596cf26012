// Runs tasks with bounded concurrency.

/**
 * Calls `work` with each item, at most `concurrency` at a time. Rejects with the first error, once no call is under way any more; items that
 * were not begun by then are left.
 */
export async function forEachConcurrent<T>(
  concurrency: number,
  items: Iterable<T> | AsyncIterable<T>,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const source = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]()
  let taking: Promise<unknown> = Promise.resolve()
  let isOver = false
  /** One after the other: an iterator is asked for one at a time. */
  const take = () => (taking = taking.catch(() => undefined).then(() => source.next())) as Promise<IteratorResult<T>>
  async function run() {
    try {
      while (!isOver) {
        const next = await take()
        if (next.done) break
        await work(next.value)
      }
    } finally {
      isOver = true
    }
  }
  const ends = await Promise.allSettled(Array.from({ length: concurrency }, run))
  const failed = ends.find((end) => end.status === 'rejected')
  if (!failed) return
  await source.return?.()
  throw failed.reason
}
