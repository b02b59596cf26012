// Bytes that were stored and got no row: released at once or, where the database refuses even that, as soon as it takes it.
import { setTimeout as sleep } from 'node:timers/promises'
import type { OriginalStore, StoredBytes } from '../../record/originals/original-store.ts'

type Releasing = Pick<OriginalStore, 'release'>

const RETRY_MS = 1_000
const AT_ONCE = 500

/** What each store has not taken yet, by hash. */
const unreleased = new WeakMap<Releasing, Map<string, StoredBytes>>()

/**
 * They are collected then, unless someone else uses them. Never rejects: on a full disk, nothing can be written about them until there is
 * room, and without a row nobody would find them before the next start after a crash.
 */
export async function releaseUnused(originals: Releasing, stored: StoredBytes[]): Promise<void> {
  try {
    await originals.release(stored)
  } catch {
    const waiting = unreleased.get(originals)
    const all = waiting ?? new Map<string, StoredBytes>()
    for (const { sha256, size } of stored) all.set(sha256, { sha256, size })
    if (waiting) return
    unreleased.set(originals, all)
    void releaseLater(originals, all)
  }
}

async function releaseLater(originals: Releasing, all: Map<string, StoredBytes>): Promise<void> {
  while (all.size > 0) {
    await sleep(RETRY_MS, undefined, { ref: false })
    const some = [...all.values()].slice(0, AT_ONCE)
    await originals.release(some).then(
      () => some.forEach(({ sha256 }) => all.delete(sha256)),
      () => undefined,
    )
  }
  unreleased.delete(originals)
}
