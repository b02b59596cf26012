// Ends what is missing of a batch: cancelled by someone, or its time is over.
import type { Database } from '../db/schema.ts'
import { CalotypeError } from '../errors.ts'
import type { Image } from '../image.ts'
import { holdBatch } from './arrive.ts'
import { IMAGE_COLUMNS, toImage } from './rows.ts'

// Of the largest batches, 200,000 files: a second or so, in which nobody else writes to an embedded database.
const BATCHES_A_TRANSACTION = 10

/**
 * A development that nobody else wants stays where it is: it has no image that is pending, so it is not claimed, not counted and not
 * queued; a result that still comes changes no image. Bytes that are uploaded again find it, and go on from there.
 */
export function cancelBatch(database: Database, id: string): Promise<Image[] | null> {
  const { write, now } = database
  return write.transaction().execute(async (trx) => {
    const batch = await holdBatch(trx, database, id)
    if (!batch) return null
    if (!batch.isReceived) throw new CalotypeError('still_arriving')
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
    return rows.map((row) => toImage(row, null, null))
  })
}

export async function expireDeclared({ write, now, canSkipLocked }: Database): Promise<number> {
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
      await trx.updateTable('batches').set({ expired_at: now }).where('id', 'in', ids).execute()
      return Number(numUpdatedRows)
    })
    if (went === null) return expired
    expired += went
  }
}
