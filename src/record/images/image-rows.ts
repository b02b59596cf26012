// Rows of images and what they become: an image is its row, that of its original, and that of its main rendition.
import { sql, type Kysely, type RawBuilder } from 'kysely'
import type { ImageRow, Schema } from '../../db/schema.ts'
import { ERRORS, type ErrorCode } from '../../error-codes.ts'
import { cutName } from '../../file-name.ts'
import type { Failure, Image, Outcome } from '../../image.ts'
import { decodeName } from '../query-parts.ts'

export function failureOf(row: { code: ErrorCode | null; error: string | null }): Failure | null {
  return row.code === null ? null : { code: row.code, error: row.error ?? ERRORS[row.code] }
}

/** An image shows an outcome only once it has taken part in it. */
export function toImage(row: ImageRow, outcome: Outcome | null, failure: Failure | null): Image {
  return {
    id: row.id,
    batchId: row.batch_id,
    ownerId: row.owner_id,
    batchIndex: row.batch_index,
    // A server of the version before, beside one of this, still writes longer ones.
    name: cutName(decodeName(row.name)),
    format: row.format,
    size: row.size,
    sha256: row.sha256,
    recipe: row.recipe,
    status: row.status,
    uploadedAt: row.uploaded_at,
    finishedAt: row.finished_at,
    outcome: row.status === 'completed' ? outcome : null,
    failure: row.status === 'error' ? failure : null,
  }
}

/** What `selectImages` reads beside an image. */
export interface OutcomeColumns {
  image_operation: string | null
  thumbnail_operation: string | null
  width: number | null
  height: number | null
  bytes: number | null
  original_width: number | null
  original_height: number | null
  thumbhash: string | null
  error: string | null
}

export function outcomeOf(row: Omit<OutcomeColumns, 'error'>): Outcome | null {
  if (row.width === null || row.height === null || row.image_operation === null || row.thumbnail_operation === null) return null
  return {
    image: { operation: row.image_operation, width: row.width, height: row.height, size: row.bytes ?? 0 },
    thumbnail: { operation: row.thumbnail_operation },
    width: row.original_width,
    height: row.original_height,
    thumbhash: row.thumbhash ?? '',
  }
}

export const toImageWithOutcome = (row: ImageRow & OutcomeColumns) => toImage(row, outcomeOf(row), failureOf(row))

/** For RETURNING of an update that joins another table: SQLite takes no `images.*` there, and PostgreSQL's `*` is of both tables. */
export const IMAGE_COLUMNS = [
  'images.id',
  'images.batch_id',
  'images.owner_id',
  'images.batch_index',
  'images.name',
  'images.format',
  'images.size',
  'images.sha256',
  'images.recipe',
  'images.status',
  'images.uploaded_at',
  'images.finished_at',
  'images.code',
] as const satisfies `images.${keyof ImageRow}`[]

export const operationFor = (preset: 'image' | 'thumbnail') => sql<string | null>`(
  select recipe_outputs.operation from recipe_outputs
  where recipe_outputs.recipe = images.recipe and recipe_outputs.format = images.format and recipe_outputs.preset = ${sql.lit(preset)})`

/** What is said of a failure: by the original, or else by the rendition that has this code. */
const errorText = (): RawBuilder<string | null> => sql`case when images.code is null then null
  when originals.code = images.code then originals.error
  else (select min(failed.error) from renditions as failed where failed.sha256 = images.sha256 and failed.code = images.code) end`

/** Images joined to what became of their originals. */
export const selectImages = (db: Kysely<Schema>) =>
  db
    .selectFrom('images')
    .innerJoin('originals', 'originals.sha256', 'images.sha256')
    .leftJoin('renditions', (join) =>
      join.onRef('renditions.sha256', '=', 'images.sha256').on('renditions.operation', '=', operationFor('image')),
    )
    .selectAll('images')
    .select([
      'renditions.operation as image_operation',
      operationFor('thumbnail').as('thumbnail_operation'),
      'renditions.width',
      'renditions.height',
      'renditions.bytes',
      'originals.width as original_width',
      'originals.height as original_height',
      'originals.thumbhash',
      errorText().as('error'),
    ])
