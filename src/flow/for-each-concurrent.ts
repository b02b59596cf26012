// Does something with each of many, so many at once.

/** Rejects with the first error, once none is under way any more; what was not begun then is left. */
export async function atOnce<T>(limit: number, items: Iterable<T> | AsyncIterable<T>, work: (item: T) => Promise<void>): Promise<void> {
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
  const ends = await Promise.allSettled(Array.from({ length: limit }, run))
  const failed = ends.find((end) => end.status === 'rejected')
  if (!failed) return
  await source.return?.()
  throw failed.reason
}
