// Backpressure: beyond so many images waiting, uploads are sent away until there is room.
import { CalotypeError } from '../../errors.ts'
import type { WorkStore } from '../../record/work/work-store.ts'

// Once a second is enough: what came since is at most what the network brings in a second.
const COUNT_EVERY_MS = 1_000
const RETRY_AFTER_SECONDS = 30

export interface BackpressureDeps {
  work: Pick<WorkStore, 'countPending'>
}

/** Returns the check for the start of an upload: rejects with `overloaded`, and when to come back. */
export function createBackpressure({ work }: BackpressureDeps, maxPending: number): () => Promise<void> {
  let counted: Promise<number> = Promise.resolve(0)
  let countedAt = -Infinity

  return async () => {
    // Not by the wall clock: set back by an hour, it would keep an old count for as long.
    if (performance.now() - countedAt > COUNT_EVERY_MS) {
      countedAt = performance.now()
      counted = work.countPending()
    }
    if ((await counted) >= maxPending) throw new CalotypeError('overloaded', undefined, { retryAfterSeconds: RETRY_AFTER_SECONDS })
  }
}
