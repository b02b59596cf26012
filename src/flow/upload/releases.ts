// Releases bytes that were stored and got no image: at once or, where the database refuses even that, as soon as it takes it.
import type { OriginalStore, StoredBytes } from '../../record/originals/original-store.ts'

export interface Releases {
  /**
   * Releases originals, so that their bytes are collected unless someone else uses them. Never rejects: on a full disk nothing can be
   * written about them, and what the database refuses is kept for `retry`. What is lost with this process, or is too much to be kept, is
   * released by its row within an hour (`OriginalStore.expect`).
   */
  release(stored: StoredBytes[]): Promise<void>
  /** Tries again what the database refused, as much as it takes; to be called about every second. Never rejects. */
  retry(): Promise<void>
}

/** A hundred bytes or so each. */
const MAX_KEPT = 100_000
const RELEASED_AT_ONCE = 500

export function createReleases({ originals }: { originals: Pick<OriginalStore, 'release'> }): Releases {
  /** What the database has refused, by hash. */
  const kept = new Map<string, StoredBytes>()

  const isReleased = (stored: StoredBytes[]) =>
    originals.release(stored).then(
      () => true,
      () => false,
    )

  return {
    async release(stored) {
      if (await isReleased(stored)) return
      for (const { sha256, size } of stored) if (kept.size < MAX_KEPT) kept.set(sha256, { sha256, size })
    },

    async retry() {
      while (kept.size > 0) {
        const some = [...kept.values()].slice(0, RELEASED_AT_ONCE)
        if (!(await isReleased(some))) return
        for (const { sha256 } of some) kept.delete(sha256)
      }
    },
  }
}
