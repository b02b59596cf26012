// Between rows and images: reading an image needs its row and that of its development.
import { sql, type Kysely } from 'kysely'
import type { Owner } from '../access.ts'
import type { DevelopmentRow, ImageRow, Schema } from '../db/schema.ts'
import { ERRORS } from '../errors.ts'
import { cutName, jsonBytes } from '../file-name.ts'
import type { Failure, Image, Rendition } from '../image.ts'

type Outcome = Pick<DevelopmentRow, 'width' | 'height' | 'image_size' | 'thumbnail_size' | 'thumbhash' | 'code' | 'error'>

// PostgreSQL's text takes every character but NUL. U+FFFF is none at all, so hardly a name has it; one that has comes back as it was.
// Sentences about a file may have what its sender wrote in them, too.
export const encodeName = (name: string) => name.replaceAll('\uFFFF', '\uFFFF1').replaceAll('\0', '\uFFFF0')
export const decodeName = (text: string) => text.replaceAll('\uFFFF0', '\0').replaceAll('\uFFFF1', '\uFFFF')

export function renditionOf(row: Outcome): Rendition | null {
  if (row.width === null || row.height === null) return null
  return {
    width: row.width,
    height: row.height,
    imageSize: row.image_size ?? 0,
    thumbnailSize: row.thumbnail_size ?? 0,
    thumbhash: row.thumbhash ?? '',
  }
}

export function failureOf(row: Pick<Outcome, 'code' | 'error'>): Failure | null {
  return row.code === null ? null : { code: row.code, error: row.error ?? ERRORS[row.code] }
}

/** An image shows the outcome of its development only once it has taken part in it. */
export function toImage(row: ImageRow, rendition: Rendition | null, failure: Failure | null): Image {
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
    rendition: row.status === 'completed' ? rendition : null,
    failure: row.status === 'error' ? failure : null,
  }
}

export const toImageWithOutcome = (row: ImageRow & Outcome) => toImage(row, renditionOf(row), failureOf(row))

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

/** Images joined to what became of their originals. */
export const selectImages = (db: Kysely<Schema>) =>
  db
    .selectFrom('images')
    .innerJoin('developments', (join) =>
      join.onRef('developments.sha256', '=', 'images.sha256').onRef('developments.recipe', '=', 'images.recipe'),
    )
    .selectAll('images')
    .select([
      'developments.width',
      'developments.height',
      'developments.image_size',
      'developments.thumbnail_size',
      'developments.thumbhash',
      'developments.error',
    ])

/**
 * Rows of one owner, or everyone's. Where they are found by their id or in their batch: written so that no index of owners is taken
 * for the better way, and all that someone has walked through.
 */
export const isOf = (owner: Owner, table: 'images' | 'batches') =>
  owner === null ? sql<boolean>`true` : sql<boolean>`${sql.ref(`${table}.owner_id`)} || '' = ${owner}`

/** Likewise, where they are listed: along the index of owners. */
export const isListedFor = (owner: Owner, table: 'images' | 'batches') =>
  owner === null ? sql<boolean>`true` : sql<boolean>`${sql.ref(`${table}.owner_id`)} = ${owner}`

/** Rows a statement of bulk parameters takes: SQLite binds 32,766 values at most, and the widest row here has 13. */
const MAX_BULK_ROWS = 2_000

export function* slices<T>(all: T[], size = MAX_BULK_ROWS): Generator<T[]> {
  for (let at = 0; at < all.length; at += size) yield all.slice(at, at + size)
}

/** Of the names on a page of a list, in JSON: eight times those of a thousand ordinary files. */
const MAX_PAGE_NAMES_BYTES = 512 * 1024

/** The first of these that are a page: `limit` at most, fewer if their names weigh too much, one at least. */
export function fitting<T extends { name: string }>(rows: T[], limit: number): T[] {
  let bytes = 0
  const end = rows.findIndex(({ name }, at) => at === limit || ((bytes += jsonBytes(name)) > MAX_PAGE_NAMES_BYTES && at > 0))
  return end === -1 ? rows : rows.slice(0, end)
}
