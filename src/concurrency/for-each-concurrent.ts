// Runs tasks with bounded concurrency.

/**
 * Calls `work` with each item, at most `concurrency` at a time. After the first error no further item is begun; rejects with it once no call
 * is under way any more.
 */
export async function forEachConcurrent<T>(
  concurrency: number,
  items: Iterable<T> | AsyncIterable<T>,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const source = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]()
  let taking: Promise<unknown> = Promise.resolve()
  let isOver = false
  const errors: unknown[] = []
  /** One after the other: an iterator is asked for one at a time. */
  const take = () => (taking = taking.catch(() => undefined).then(() => source.next())) as Promise<IteratorResult<T>>
  async function run() {
    try {
      while (!isOver) {
        const next = await take()
        if (next.done || isOver) break
        await work(next.value)
      }
    } catch (error) {
      errors.push(error)
    } finally {
      isOver = true
    }
  }
  await Promise.all(Array.from({ length: concurrency }, run))
  if (errors.length === 0) return
  await source.return?.()
  throw errors[0]
}
