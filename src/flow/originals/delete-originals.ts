// The one way by which bytes leave the store: by a row that says so, from the store that the rows belong to, and not if they are newer.
import { failpoint } from '../../failpoints.ts'
import { originalKey, renditionKey } from '../../rendition/keys.ts'
import type { Logger } from '../../log.ts'
import type { HaltReason, KnownStore } from '../../record/originals/known-store.ts'
import type { Collectable, OriginalStore } from '../../record/originals/original-store.ts'
import type { BlobStore } from '../../store/blob-store.ts'
import { forEachConcurrent } from '../../concurrency/for-each-concurrent.ts'
import { isNewer, tally, type UnknownOriginal } from './unknown-originals.ts'

export interface DeleteDeps {
  blobs: BlobStore
  originals: Pick<OriginalStore, 'collectable' | 'keep' | 'forget'>
  knownStore: KnownStore
  log: Logger
}

const PAGE = 500
const MAX_LOOKS_AT_ONCE = 8

/** Removes the bytes of originals that were released at least `graceMs` ago, with all that was made of them. Returns how many. */
export async function collect(deps: DeleteDeps, graceMs: number): Promise<number> {
  const { originals } = deps
  let collected = 0
  for (;;) {
    const due = await originals.collectable(graceMs, PAGE)
    if (due.length === 0) return collected
    const deleted = await deleteOriginals(deps, due)
    failpoint('blobs-deleted')
    await originals.forget(deleted)
    collected += deleted.length
  }
}

/**
 * Deletes originals that `collectable` marked. What shows that the rows are not those of this store halts all deletion: another run id,
 * or bytes that were stored after the row released them, as a row of an old copy of the database would. Returns the hashes of those that
 * are gone; the others are kept.
 */
async function deleteOriginals(deps: DeleteDeps, due: Collectable[]): Promise<string[]> {
  const { blobs, knownStore } = deps
  if (!(await knownStore.compare(async (runId) => runId !== null && runId === (await blobs.readRunId())))) {
    await keepAndHalt(deps, due, 'another_store', [])
    return []
  }
  const newer: UnknownOriginal[] = []
  await forEachConcurrent(MAX_LOOKS_AT_ONCE, due, async ({ sha256, releasedAt }) => {
    const found = await blobs.stat(originalKey(sha256))
    if (found && isNewer(found, releasedAt)) newer.push({ sha256, ...found })
  })
  const kept = new Set(newer.map(({ sha256 }) => sha256))
  const going = due.filter(({ sha256 }) => !kept.has(sha256))
  await blobs.delete(
    going.flatMap(({ sha256, operations }) => [originalKey(sha256), ...operations.map((operation) => renditionKey(sha256, operation))]),
  )
  if (newer.length > 0) {
    await keepAndHalt(
      deps,
      due.filter(({ sha256 }) => kept.has(sha256)),
      'unknown_originals',
      newer,
    )
  }
  return going.map(({ sha256 }) => sha256)
}

async function keepAndHalt(
  { originals, knownStore, log }: DeleteDeps,
  kept: Collectable[],
  reason: HaltReason,
  unknown: UnknownOriginal[],
) {
  const figures = tally(unknown)
  await knownStore.halt(reason, figures)
  await originals.keep(kept.map(({ sha256 }) => sha256))
  log.warn({ reason, kept: kept.length, ...figures }, 'deletion of originals is halted; run `calotype doctor`')
}
