// Deletes images: their rows at once, and what was kept for them alone; their bytes are released, to be collected later.
import type { Transaction } from 'kysely'
import type { Owner } from '../../access.ts'
import { retryConflicts } from '../../db/retry-conflicts.ts'
import type { Database, ImageRow, Schema } from '../../db/schema.ts'
import type { Image } from '../../image.ts'
import { awaitsNoFile, hasNoImage } from '../batches/batch-conditions.ts'
import { lockOriginals } from '../originals/lock-originals.ts'
import { isOf, orderedSlices, slices } from '../query-parts.ts'
import { toImage } from './image-rows.ts'

const IMAGES_A_TRANSACTION = 1_000

/** Deletes the rows of images. An upload that takes up their bytes just now has its image by then, and it is seen. */
export async function removeImages(trx: Transaction<Schema>, database: Database, ids: string[], owner: Owner): Promise<ImageRow[]> {
  if (ids.length === 0) return []
  const found = trx.selectFrom('images').select('sha256').where('id', 'in', ids).where(isOf(owner, 'images'))
  await lockOriginals(
    trx,
    database,
    (await found.execute()).map(({ sha256 }) => sha256),
  )
  return trx.deleteFrom('images').where('id', 'in', ids).where(isOf(owner, 'images')).returningAll().execute()
}

type Gone = Pick<ImageRow, 'sha256' | 'batch_id' | 'batch_index'>

/**
 * After images were removed, whose originals are locked: originals without an image are released from now on; declared files go along
 * with their images; batches that have no image left and need none are removed, as are those of `emptied`.
 */
export async function releaseBytes(trx: Transaction<Schema>, { now }: Database, gone: Gone[], emptied: string[] = []) {
  await undeclare(trx, gone)
  for (const slice of orderedSlices(gone.map((row) => row.sha256))) {
    await trx
      .updateTable('originals')
      .set({ released_at: now })
      .where('sha256', 'in', slice)
      .where(({ not, exists, selectFrom }) =>
        not(exists(selectFrom('images').select('images.id').whereRef('images.sha256', '=', 'originals.sha256'))),
      )
      .execute()
  }
  for (const slice of orderedSlices([...emptied, ...gone.map((row) => row.batch_id)])) await removeEmptied(trx, slice)
}

/** Of these batches, those that have ended without an image and to which none can come. */
async function removeEmptied(trx: Transaction<Schema>, ids: string[]) {
  await trx
    .deleteFrom('batches')
    .where('id', 'in', ids)
    .where(({ eb, or }) => or([eb('received_at', 'is not', null), eb('aborted_at', 'is not', null)]))
    .where(hasNoImage)
    .where(awaitsNoFile)
    .execute()
}

/** The declared files of these images are deleted, and their batches have declared so many fewer. */
async function undeclare(trx: Transaction<Schema>, gone: Gone[]) {
  const byBatch = Map.groupBy(gone, (row) => row.batch_id)
  for (const slice of orderedSlices(byBatch.keys())) {
    const declared = await trx.selectFrom('batches').select('id').where('id', 'in', slice).where('declared', 'is not', null).execute()
    for (const { id } of declared) {
      const indexes = byBatch.get(id)!.map((row) => row.batch_index)
      for (const part of slices(indexes)) {
        const files = trx.deleteFrom('declared_files').where('batch_id', '=', id).where('file_index', 'in', part)
        const { numDeletedRows } = await files.executeTakeFirst()
        await trx
          .updateTable('batches')
          .set(({ eb, ref }) => ({ declared: eb(ref('declared'), '-', Number(numDeletedRows)) }))
          .where('id', '=', id)
          .execute()
      }
    }
  }
}

async function deleteWithBytes(trx: Transaction<Schema>, database: Database, ids: string[], owner: Owner): Promise<Image[]> {
  const rows = await removeImages(trx, database, ids, owner)
  if (rows.length > 0) await releaseBytes(trx, database, rows)
  return rows.map((row) => toImage(row, null, null))
}

export async function deleteImage(database: Database, id: string, owner: Owner): Promise<Image | null> {
  const [deleted] = await database.write.transaction().execute((trx) => deleteWithBytes(trx, database, [id], owner))
  return deleted ?? null
}

/** In transactions of a thousand. */
export async function deleteImages(database: Database, ids: string[], owner: Owner): Promise<Image[]> {
  const gone: Image[] = []
  for (const slice of orderedSlices(ids, IMAGES_A_TRANSACTION)) {
    const deleted = await retryConflicts(() => database.write.transaction().execute((trx) => deleteWithBytes(trx, database, slice, owner)))
    gone.push(...deleted)
  }
  return gone
}
