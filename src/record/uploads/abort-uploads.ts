// Ends uploads that did not arrive whole: finds those whose server is gone, aborts them, removes their rows.
import type { Database } from '../../db/schema.ts'
import type { Image } from '../../image.ts'
import { releaseBytes, removeImages } from '../images/delete-images.ts'
import { toImage } from '../images/image-rows.ts'
import { uncountUsage } from './usage.ts'

const IMAGES_A_TRANSACTION = 1_000

export async function abandonedUploads({ read, now }: Database, isOnlyServer: boolean): Promise<string[]> {
  const rows = await read
    .selectFrom('batches')
    .select('id')
    .where('received_at', 'is', null)
    .where('aborted_at', 'is', null)
    .$if(!isOnlyServer, (query) => query.where('lease_until', '<', now))
    .execute()
  return rows.map((row) => row.id)
}

/** What the batch recorded is aborted, developed or not. */
export function abortUpload({ write, now }: Database, batchId: string): Promise<Image[]> {
  return write.transaction().execute(async (trx) => {
    const { numUpdatedRows } = await trx
      .updateTable('batches')
      .set({ aborted_at: now, lease_until: null })
      .where('id', '=', batchId)
      .where('received_at', 'is', null)
      .executeTakeFirst()
    // Acknowledged after all, or never begun.
    if (!numUpdatedRows) return []
    await uncountUsage(trx, batchId)
    const rows = await trx
      .updateTable('images')
      .set({ status: 'aborted', finished_at: now, code: null })
      .where('batch_id', '=', batchId)
      .returningAll()
      .execute()
    return rows.map((row) => toImage(row, null, null))
  })
}

export async function sweepAborted(database: Database): Promise<number> {
  let swept = 0
  for (;;) {
    const went = await database.write.transaction().execute(async (trx) => {
      const batches = await trx
        .selectFrom('batches')
        .select('id')
        .where('received_at', 'is', null)
        .where('aborted_at', 'is not', null)
        .limit(IMAGES_A_TRANSACTION)
        .execute()
      if (batches.length === 0) return null
      const ids = batches.map((batch) => batch.id)
      const doomed = await trx.selectFrom('images').select('id').where('batch_id', 'in', ids).limit(IMAGES_A_TRANSACTION).execute()
      const rows = await removeImages(
        trx,
        database,
        doomed.map((row) => row.id),
        null,
      )
      await releaseBytes(trx, database, rows, ids)
      return rows.length
    })
    if (went === null) return swept
    swept += went
  }
}
