// Originals between their bytes and their images: expected before the bytes are stored, released when no image came of them.
import { sql } from 'kysely'
import type { Database } from '../../db/schema.ts'
import { CalotypeError } from '../../errors.ts'
import { slices } from '../query-parts.ts'
import type { StoredBytes } from './original-store.ts'

export const beingRemoved = () =>
  new CalotypeError('overloaded', 'A file with the same bytes is just being removed. Upload it again in a moment.', {
    retryAfterSeconds: 1,
  })

// Far above what a file takes from its group to its row, on the slowest store.
const EXPECTED_MS = 60 * 60 * 1000

/**
 * Returns for each group when it was done, by the database's clock in milliseconds since 1970: no release that was decided before then
 * applies to bytes that are stored with that time.
 */
export async function expectOriginals({ write, transact, now }: Database, groups: StoredBytes[][]): Promise<number[]> {
  let expectedAt = 0
  for (const slice of slices(rowsOf(groups.flat(), sql<number>`${now} + ${EXPECTED_MS}`))) {
    const hashes = slice.map(({ sha256 }) => sha256)
    const [, [told]] = await transact([
      write
        .insertInto('originals')
        .values(slice)
        .onConflict((conflict) =>
          conflict
            .column('sha256')
            .doUpdateSet({ released_at: sql<number>`${now} + ${EXPECTED_MS}` })
            .where('originals.released_at', '<=', now)
            .where('originals.collecting_at', 'is', null),
        ),
      write
        .selectFrom('originals')
        .select([now.as('at'), sql<number>`count(collecting_at)`.as('collecting')])
        .where('sha256', 'in', hashes),
    ])
    if (!told || Number(told.collecting) > 0) throw beingRemoved()
    expectedAt = Math.max(expectedAt, Number(told.at))
  }
  return groups.map(() => expectedAt)
}

export async function giveUpExpected({ write, now }: Database): Promise<void> {
  await write.updateTable('originals').set({ released_at: now }).where('released_at', '>', now).execute()
}

export async function releaseOriginals({ write, now }: Database, originals: StoredBytes[]): Promise<void> {
  for (const slice of slices(rowsOf(originals, now))) {
    await write
      .insertInto('originals')
      .values(slice)
      // Those that were expected; not those in use, nor those released before.
      .onConflict((conflict) => conflict.column('sha256').doUpdateSet({ released_at: now }).where('originals.released_at', '>', now))
      .execute()
  }
}

/** Sorted, so that two servers lock rows in the same order. */
const rowsOf = (originals: StoredBytes[], released_at: Database['now']) =>
  [...new Map(originals.map(({ sha256, size }) => [sha256, { sha256, size, released_at }])).values()].sort((a, b) =>
    a.sha256 < b.sha256 ? -1 : 1,
  )
