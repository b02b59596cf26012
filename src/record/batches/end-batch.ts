// Ends a batch: cancelled by someone, or its time is over; and removes those that ended without an image.
import { sql, type Transaction } from 'kysely'
import type { Owner } from '../../access.ts'
import { retryConflicts } from '../../db/retry-conflicts.ts'
import type { Database, Schema } from '../../db/schema.ts'
import { CalotypeError } from '../../errors.ts'
import type { Image } from '../../image.ts'
import { holdBatch } from './hold-batch.ts'
import { awaitsNoFile, hasNoImage } from './batch-conditions.ts'
import { IMAGE_COLUMNS, toImage } from '../images/image-rows.ts'

// Of the largest batches, 200,000 files: a second or so, in which nobody else writes to an embedded database.
const BATCHES_A_TRANSACTION = 10

/** Of these batches, which have just ended, those that were declared and have no image: none comes any more. */
async function markEmpty(trx: Transaction<Schema>, { now }: Database, ids: string[]): Promise<void> {
  await trx
    .updateTable('batches')
    .set({ empty_since: now })
    .where('id', 'in', ids)
    .where('declared', 'is not', null)
    .where('empty_since', 'is', null)
    .where(hasNoImage)
    .execute()
}

/**
 * Work that nobody else wants stays where it is: it has no image that is pending, so it is not claimed, not counted and not
 * queued; a result that still comes changes no image. Bytes that are uploaded again find it, and go on from there.
 */
export function cancelBatch(database: Database, id: string, owner: Owner): Promise<Image[] | null> {
  const { write, now } = database
  return write.transaction().execute(async (trx) => {
    const batch = await holdBatch(trx, database, id, owner)
    if (!batch) return null
    if (!batch.isReceived) throw new CalotypeError('still_arriving')
    if (!batch.isCancelled) await trx.updateTable('batches').set({ cancelled_at: now, awaits_files: 0 }).where('id', '=', id).execute()
    await trx
      .updateTable('declared_files')
      .set({ status: 'aborted', finished_at: now })
      .where('batch_id', '=', id)
      .where('status', '=', 'needed')
      .execute()
    const rows = await trx
      .updateTable('images')
      .set({ status: 'aborted', finished_at: now })
      .where('batch_id', '=', id)
      .where('status', 'in', ['pending', 'processing'])
      .returning(IMAGE_COLUMNS)
      .execute()
    await markEmpty(trx, database, [id])
    return rows.map((row) => toImage(row, null, null))
  })
}

export async function expireDeclared(database: Database): Promise<number> {
  const { write, now, canSkipLocked } = database
  let expired = 0
  for (;;) {
    const went = await write.transaction().execute(async (trx) => {
      const batches = await trx
        .selectFrom('batches')
        .select('id')
        .where('expires_at', 'is not', null)
        .where('expired_at', 'is', null)
        .where('expires_at', '<=', now)
        .limit(BATCHES_A_TRANSACTION)
        // Another server has them in hand, or a file of theirs arrives: looked at again at the next turn.
        .$if(canSkipLocked, (query) => query.forUpdate().skipLocked())
        .execute()
      const ids = batches.map((batch) => batch.id)
      if (ids.length === 0) return null
      const { numUpdatedRows } = await trx
        .updateTable('declared_files')
        .set({ status: 'expired', finished_at: now })
        .where('batch_id', 'in', ids)
        .where('status', '=', 'needed')
        .executeTakeFirst()
      await trx.updateTable('batches').set({ expired_at: now, awaits_files: 0 }).where('id', 'in', ids).execute()
      await markEmpty(trx, database, ids)
      return Number(numUpdatedRows)
    })
    if (went === null) return expired
    expired += went
  }
}

/** Batches that have all their files, or why they have not, await none. Told here and not with the last file, which should cost no more. */
export async function closeComplete({ write, canSkipLocked }: Database): Promise<void> {
  const complete = write
    .selectFrom('batches')
    .select('id')
    .where('awaits_files', '=', 1)
    .where(awaitsNoFile)
    // One that somebody tries again is looked at once more.
    .$if(canSkipLocked, (query) => query.forUpdate().skipLocked())
  await write.updateTable('batches').set({ awaits_files: 0 }).where('id', 'in', complete).execute()
}

/** Batches that are empty for so long; their files go along with them. */
export function sweepEmpty(database: Database, ageMs: number): Promise<number> {
  const { now, canSkipLocked } = database
  return removeBatches(database, (trx) =>
    trx
      .selectFrom('batches')
      .select('id')
      .where('empty_since', '<=', sql<number>`${now} - ${ageMs}`)
      .where(hasNoImage)
      .limit(BATCHES_A_TRANSACTION)
      // Those another server has in hand it removes itself.
      .$if(canSkipLocked, (query) => query.forUpdate().skipLocked())
      .execute(),
  )
}

export function forgetDeclared(database: Database): Promise<number> {
  return removeBatches(database, (trx) =>
    trx
      .selectFrom('batches')
      .select('id')
      .where('declared', 'is not', null)
      .where(hasNoImage)
      .orderBy('id')
      .limit(BATCHES_A_TRANSACTION)
      .$if(database.canSkipLocked, (query) => query.forUpdate())
      .execute(),
  )
}

/** A transaction for so many as `hold` finds, until there are none. */
async function removeBatches({ write }: Database, hold: (trx: Transaction<Schema>) => Promise<{ id: string }[]>): Promise<number> {
  let removed = 0
  for (;;) {
    const went = await retryConflicts(() =>
      write.transaction().execute(async (trx) => {
        const ids = (await hold(trx)).map((batch) => batch.id)
        if (ids.length === 0) return null
        // Looked at again, now that they are held: an image may have come before.
        const { numDeletedRows } = await trx.deleteFrom('batches').where('id', 'in', ids).where(hasNoImage).executeTakeFirst()
        return Number(numDeletedRows)
      }),
    )
    if (went === null) return removed
    removed += went
  }
}
