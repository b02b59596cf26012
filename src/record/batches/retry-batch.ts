// Tries again what failed of a batch; what was refused of a declared one is needed again.
import type { Owner } from '../../access.ts'
import type { Database } from '../../db/schema.ts'
import type { Image } from '../../image.ts'
import { retryFailed } from '../images/retry-images.ts'
import { holdBatch } from './hold-batch.ts'

export function retryBatch(database: Database, id: string, maxFileBytes: number, owner: Owner): Promise<Image[] | null> {
  return database.write.transaction().execute(async (trx) => {
    const batch = await holdBatch(trx, database, id, owner)
    if (!batch) return null
    if (batch.isDeclared && !batch.isOver && !batch.isCancelled) {
      const { numUpdatedRows } = await trx
        .updateTable('declared_files')
        .set({ status: 'needed', code: null, error: null, finished_at: null })
        .where('batch_id', '=', id)
        .where('status', '=', 'rejected')
        // The others would be refused whatever was sent.
        .where('size', '>', 0)
        .where('size', '<=', maxFileBytes)
        .executeTakeFirst()
      if (numUpdatedRows > 0n) await trx.updateTable('batches').set({ awaits_files: 1 }).where('id', '=', id).execute()
    }
    const failed = await trx
      .selectFrom('images')
      .select('sha256')
      .distinct()
      .where('batch_id', '=', id)
      .where('status', '=', 'error')
      .execute()
    return retryFailed(
      trx,
      database,
      failed.map(({ sha256 }) => sha256),
    )
  })
}
