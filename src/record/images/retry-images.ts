// Tries failed images again, with every other image that failed by the same bytes.
import type { Transaction } from 'kysely'
import type { Owner } from '../../access.ts'
import { retryConflicts } from '../../db/retry-conflicts.ts'
import type { Database, Schema } from '../../db/schema.ts'
import { ERRORS } from '../../error-codes.ts'
import { CalotypeError } from '../../errors.ts'
import type { Image } from '../../image.ts'
import { lockOriginals } from '../originals/lock-originals.ts'
import { isOf, orderedSlices } from '../query-parts.ts'
import { toImage } from './image-rows.ts'

const IMAGES_A_TRANSACTION = 1_000

/** What failed of these originals is `pending` again, with all images that failed by it, whoever has them. Returns the images. */
export async function retryFailed(trx: Transaction<Schema>, database: Database, hashes: string[]): Promise<Image[]> {
  const images: Image[] = []
  for (const asked of orderedSlices(hashes)) {
    const slice = await withoutDamaged(trx, asked)
    if (slice.length === 0) continue
    await lockOriginals(trx, database, slice)
    await trx
      .updateTable('originals')
      .set({ status: 'pending' })
      .where('sha256', 'in', slice)
      .where('status', 'in', ['failed', 'idle'])
      .execute()
    await trx.updateTable('renditions').set({ status: 'pending' }).where('sha256', 'in', slice).where('status', '=', 'error').execute()
    const rows = await trx
      .updateTable('images')
      .set({ status: 'pending', finished_at: null, code: null })
      .where('sha256', 'in', slice)
      .where('status', '=', 'error')
      .returningAll()
      .execute()
    images.push(...rows.map((row) => toImage(row, null, null)))
  }
  return images
}

/** Damaged bytes may well be decoded, into a picture that nobody sent. */
async function withoutDamaged(trx: Transaction<Schema>, hashes: string[]): Promise<string[]> {
  const rows = trx.selectFrom('originals').select('sha256').where('sha256', 'in', hashes).where('code', '=', 'original_damaged')
  const damaged = new Set((await rows.where('status', '=', 'failed').execute()).map(({ sha256 }) => sha256))
  return hashes.filter((sha256) => !damaged.has(sha256))
}

export function retryImage(database: Database, id: string, owner: Owner): Promise<Image[] | null> {
  return database.write.transaction().execute(async (trx) => {
    const image = await trx.selectFrom('images').selectAll().where('id', '=', id).where(isOf(owner, 'images')).executeTakeFirst()
    if (!image) return null
    if (image.status !== 'error') throw new CalotypeError('not_retryable')
    const retried = await retryFailed(trx, database, [image.sha256])
    if (retried.length === 0) throw new CalotypeError('not_retryable', ERRORS.original_damaged)
    return retried
  })
}

/** Of those that failed, with all that failed by the same bytes; in transactions of a thousand. */
export async function retryImages(database: Database, ids: string[], owner: Owner): Promise<Image[]> {
  const retried: Image[] = []
  for (const slice of orderedSlices(ids, IMAGES_A_TRANSACTION)) {
    const images = await retryConflicts(() =>
      database.write.transaction().execute(async (trx) => {
        const failed = trx.selectFrom('images').select('sha256').where('id', 'in', slice).where('status', '=', 'error')
        const rows = await failed.where(isOf(owner, 'images')).execute()
        return retryFailed(
          trx,
          database,
          rows.map(({ sha256 }) => sha256),
        )
      }),
    )
    retried.push(...images)
  }
  return retried
}
