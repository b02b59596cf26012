// Collects originals that nothing uses any more: they are marked, their bytes are deleted, their rows go.
import { sql, type Kysely } from 'kysely'
import type { Database, Schema } from '../../db/schema.ts'
import { slices } from '../query-parts.ts'
import type { Collectable } from './original-store.ts'

export async function collectableOriginals({ write, now }: Database, graceMs: number, limit: number): Promise<Collectable[]> {
  const before = sql<number>`${now} - ${graceMs}`
  return write.transaction().execute(async (trx) => {
    const due = await trx.selectFrom('originals').select('sha256').where('released_at', '<=', before).limit(limit).execute()
    if (due.length === 0) return []
    const marked = await trx
      .updateTable('originals')
      .set({ collecting_at: now })
      .where(
        'sha256',
        'in',
        due.map((row) => row.sha256),
      )
      // Looked at again: an upload may have come between.
      .where('released_at', '<=', before)
      .where('status', '<>', 'processing')
      .where(({ not, exists, selectFrom }) =>
        not(exists(selectFrom('known_store').select('known_store.id').where('known_store.halted_at', 'is not', null))),
      )
      .returning(['sha256', 'size', 'released_at'])
      .execute()
    const hashes = marked.map((row) => row.sha256)
    if (hashes.length === 0) return []
    const renditions = await trx.selectFrom('renditions').select(['sha256', 'operation']).where('sha256', 'in', hashes).execute()
    const bySha256 = Map.groupBy(renditions, ({ sha256 }) => sha256)
    return marked.map(({ sha256, size, released_at }) => ({
      sha256,
      size,
      releasedAt: released_at ?? 0,
      operations: (bySha256.get(sha256) ?? []).map(({ operation }) => operation),
    }))
  })
}

/** Takes back what `collectableOriginals` marked: the bytes stay. */
export async function keepOriginals(db: Kysely<Schema>, hashes: string[]): Promise<void> {
  for (const slice of slices(hashes)) await db.updateTable('originals').set({ collecting_at: null }).where('sha256', 'in', slice).execute()
}

/** Only what `collectableOriginals` marked. */
export function forgetOriginals(db: Kysely<Schema>, hashes: string[]): Promise<void> {
  return db.transaction().execute(async (trx) => {
    for (const slice of slices(hashes)) {
      await trx.deleteFrom('renditions').where('sha256', 'in', slice).execute()
      await trx.deleteFrom('originals').where('sha256', 'in', slice).where('collecting_at', 'is not', null).execute()
    }
  })
}

export async function knownOriginals(db: Kysely<Schema>, hashes: string[]): Promise<Map<string, number | null>> {
  const known = new Map<string, number | null>()
  for (const slice of slices(hashes)) {
    const rows = await db.selectFrom('originals').select(['sha256', 'released_at']).where('sha256', 'in', slice).execute()
    for (const row of rows) known.set(row.sha256, row.released_at)
  }
  return known
}
