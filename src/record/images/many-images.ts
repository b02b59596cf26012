// Many images by their ids: read, deleted or tried again in bulk statements, a transaction for a thousand of them.
import type { Kysely } from 'kysely'
import type { Owner } from '../../access.ts'
import { retryConflicts } from '../../db/retry-conflicts.ts'
import type { Database, Schema } from '../../db/schema.ts'
import type { Image } from '../../image.ts'
import { release, removeImages } from '../originals/collect-originals.ts'
import { retryFailed } from './retry-failed.ts'
import { isOf, selectImages, slices, toImage, toImageWithOutcome } from './image-rows.ts'

const IMAGES_A_TRANSACTION = 1_000

/** Each id once and sorted, so that two servers lock rows in the same order. */
const inTransactions = (ids: string[]) => slices([...new Set(ids)].sort(), IMAGES_A_TRANSACTION)

export async function getImages(db: Kysely<Schema>, ids: string[], owner: Owner): Promise<Image[]> {
  const byId = new Map<string, Image>()
  for (const slice of slices(ids)) {
    const rows = await selectImages(db).where('images.id', 'in', slice).where(isOf(owner, 'images')).execute()
    for (const row of rows) byId.set(row.id, toImageWithOutcome(row))
  }
  return ids.flatMap((id) => byId.get(id) ?? [])
}

export async function deleteImages(database: Database, ids: string[], owner: Owner): Promise<Image[]> {
  const gone: Image[] = []
  for (const slice of inTransactions(ids)) {
    const rows = await retryConflicts(() =>
      database.write.transaction().execute(async (trx) => {
        const deleted = await removeImages(trx, database, slice, owner)
        if (deleted.length > 0) await release(trx, database, deleted)
        return deleted
      }),
    )
    gone.push(...rows.map((row) => toImage(row, null, null)))
  }
  return gone
}

/** Of those that failed, with all that failed by the same bytes. */
export async function retryImages(database: Database, ids: string[], owner: Owner): Promise<Image[]> {
  const retried: Image[] = []
  for (const slice of inTransactions(ids)) {
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
