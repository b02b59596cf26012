// Reads images by their ids, or by their place in a batch.
import type { Kysely } from 'kysely'
import type { Owner } from '../../access.ts'
import type { Schema } from '../../db/schema.ts'
import type { Image } from '../../image.ts'
import { isOf, slices } from '../query-parts.ts'
import { selectImages, toImageWithOutcome } from './image-rows.ts'

export async function getImage(db: Kysely<Schema>, id: string, owner: Owner): Promise<Image | null> {
  const row = await selectImages(db).where('images.id', '=', id).where(isOf(owner, 'images')).executeTakeFirst()
  return row ? toImageWithOutcome(row) : null
}

export async function getImageInBatch(db: Kysely<Schema>, batchId: string, index: number, owner: Owner): Promise<Image | null> {
  const row = await selectImages(db)
    .where('images.batch_id', '=', batchId)
    .where('images.batch_index', '=', index)
    .where(isOf(owner, 'images'))
    .executeTakeFirst()
  return row ? toImageWithOutcome(row) : null
}

export async function getImages(db: Kysely<Schema>, ids: string[], owner: Owner): Promise<Image[]> {
  const byId = new Map<string, Image>()
  for (const slice of slices(ids)) {
    const rows = await selectImages(db).where('images.id', 'in', slice).where(isOf(owner, 'images')).execute()
    for (const row of rows) byId.set(row.id, toImageWithOutcome(row))
  }
  return ids.flatMap((id) => byId.get(id) ?? [])
}
