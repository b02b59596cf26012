// Finds what was made of an image for one of its presets.
import type { Kysely } from 'kysely'
import type { Owner } from '../../access.ts'
import type { Schema } from '../../db/schema.ts'
import { selectImages, toImageWithOutcome } from '../images/image-rows.ts'
import { isOf } from '../query-parts.ts'
import type { FoundRendition } from './rendition-store.ts'

export async function findRendition(db: Kysely<Schema>, id: string, preset: string, owner: Owner): Promise<FoundRendition | null> {
  const row = await selectImages(db)
    .innerJoin('recipe_outputs', (join) =>
      join
        .onRef('recipe_outputs.recipe', '=', 'images.recipe')
        .onRef('recipe_outputs.format', '=', 'images.format')
        .on('recipe_outputs.preset', '=', preset),
    )
    .innerJoin('renditions as made', (join) =>
      join.onRef('made.sha256', '=', 'images.sha256').onRef('made.operation', '=', 'recipe_outputs.operation'),
    )
    .select([
      'recipe_outputs.operation as made_operation',
      'made.width as made_width',
      'made.height as made_height',
      'made.bytes as made_bytes',
    ])
    .where('images.id', '=', id)
    .where('images.status', '=', 'completed')
    .where('made.status', '=', 'completed')
    .where(isOf(owner, 'images'))
    .executeTakeFirst()
  if (!row) return null
  const { made_operation: operation, made_width: width, made_height: height, made_bytes: size } = row
  return { image: toImageWithOutcome(row), rendition: { preset, operation, width, height, size: size ?? 0 } }
}
