// Reads images: one, a page by keyset (the last page costs what the first does), what waits.
import { sql, type Expression, type ExpressionBuilder, type Kysely, type OrderByDirection, type SqlBool } from 'kysely'
import type { Owner } from '../access.ts'
import type { Schema } from '../db/schema.ts'
import type { ErrorCode } from '../errors.ts'
import type { Image } from '../image.ts'
import { decodeCursor, encodeCursor } from './cursor.ts'
import type { ImageFilter, ListQuery, Page, Sort, Work } from './image-store.ts'
import { encodeName, failureOf, isListedFor, isOf, selectImages, slices, toImageWithOutcome } from './rows.ts'

type SortColumn = 'uploaded_at' | 'name' | 'size'

const SORTS = {
  newest: ['uploaded_at', 'desc'],
  oldest: ['uploaded_at', 'asc'],
  name: ['name', 'asc'],
  '-name': ['name', 'desc'],
  size: ['size', 'asc'],
  '-size': ['size', 'desc'],
} satisfies Record<Sort, [SortColumn, OrderByDirection]>

/** The sort column's value and the id of the last image of a page. */
const decodePlace = (text: string, column: SortColumn) =>
  decodeCursor(text, column === 'name' ? 'string,string' : 'number,string') as [value: string | number, id: string]

const beyond =
  (column: SortColumn, direction: OrderByDirection, [value, id]: [value: string | number, id: string]) =>
  (eb: ExpressionBuilder<Schema, 'images'>) =>
    eb(eb.refTuple(`images.${column}`, 'images.id'), direction === 'desc' ? '<' : '>', eb.tuple(value, id))

/** What lists show and counts count. */
function matching(eb: ExpressionBuilder<Schema, 'images'>, filter: ImageFilter, owner: Owner) {
  const { q, status, format, batch, code, from, to } = filter
  const conditions: Expression<SqlBool>[] = [batch ? isOf(owner, 'images') : isListedFor(owner, 'images')]
  if (q) {
    const pattern = `%${q.replace(/[\\%_]/g, '\\$&')}%`
    conditions.push(sql<boolean>`lower(images.name) like lower(${encodeName(pattern)}) escape '\\'`)
  }
  if (status) conditions.push(eb('images.status', '=', status))
  if (format) conditions.push(eb('images.format', '=', format))
  if (batch) conditions.push(eb('images.batch_id', '=', batch))
  if (filter.owner !== undefined) conditions.push(batch ? isOf(filter.owner, 'images') : isListedFor(filter.owner, 'images'))
  if (code) conditions.push(eb('images.status', '=', 'error'), failedBy(eb, code))
  if (from !== undefined) conditions.push(eb('images.uploaded_at', '>=', from))
  if (to !== undefined) conditions.push(eb('images.uploaded_at', '<', to))
  return eb.and(conditions)
}

const failedBy = ({ exists, selectFrom }: ExpressionBuilder<Schema, 'images'>, code: ErrorCode) =>
  exists(
    selectFrom('developments as failed')
      .select('failed.sha256')
      .whereRef('failed.sha256', '=', 'images.sha256')
      .whereRef('failed.recipe', '=', 'images.recipe')
      .where('failed.code', '=', code),
  )

export async function listImages(db: Kysely<Schema>, { sort, limit, cursor, ...filter }: ListQuery, owner: Owner): Promise<Page> {
  const [column, direction] = SORTS[sort]
  let query = selectImages(db)
    .where((eb) => matching(eb, filter, owner))
    .orderBy(`images.${column}`, direction)
    .orderBy('images.id', direction)
    // One more than asked for tells whether there is a next page.
    .limit(limit + 1)
  if (cursor) query = query.where(beyond(column, direction, decodePlace(cursor, column)))
  const rows = await query.execute()
  const images = rows.slice(0, limit).map(toImageWithOutcome)
  const last = rows[limit - 1]
  return { images, next: rows.length > limit && last ? encodeCursor([last[column], last.id]) : null }
}

export async function countImages(db: Kysely<Schema>, filter: ImageFilter, owner: Owner): Promise<number> {
  const { images } = await db
    .selectFrom('images')
    .select(({ fn }) => fn.countAll<number>().as('images'))
    .where((eb) => matching(eb, filter, owner))
    .executeTakeFirstOrThrow()
  return Number(images)
}

export async function workOf(db: Kysely<Schema>, ids: string[]): Promise<Map<string, Work>> {
  const work = new Map<string, Work>()
  for (const slice of slices(ids)) {
    const rows = await db
      .selectFrom('images')
      .innerJoin('developments', (join) =>
        join.onRef('developments.sha256', '=', 'images.sha256').onRef('developments.recipe', '=', 'images.recipe'),
      )
      .select(['images.id', 'attempts', 'started_at', 'developments.finished_at', 'worker', 'code', 'error'])
      .where('images.id', 'in', slice)
      .execute()
    for (const { id, attempts, started_at: startedAt, finished_at: finishedAt, worker, ...row } of rows)
      work.set(id, { attempts, startedAt, finishedAt, worker, failure: failureOf(row) })
  }
  return work
}

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

/** Work that waits, oldest first. */
export async function pendingJobs(db: Kysely<Schema>, limit: number, cursor?: string) {
  let query = db
    .selectFrom('images')
    .select(['id', 'sha256', 'batch_id', 'batch_index', 'uploaded_at'])
    .where('status', '=', 'pending')
    .orderBy('uploaded_at')
    .orderBy('id')
    .limit(limit)
  if (cursor) query = query.where(beyond('uploaded_at', 'asc', decodePlace(cursor, 'uploaded_at')))
  const rows = await query.execute()
  const last = rows.length === limit ? rows.at(-1) : undefined
  return {
    jobs: rows.map((row) => ({ sha256: row.sha256, batchId: row.batch_id, place: row.batch_index })),
    next: last ? encodeCursor([last.uploaded_at, last.id]) : null,
  }
}

export async function countPending(db: Kysely<Schema>): Promise<number> {
  const { images } = await db
    .selectFrom('images')
    .select(({ fn }) => fn.countAll<number>().as('images'))
    .where('status', 'in', ['pending', 'processing'])
    .executeTakeFirstOrThrow()
  return Number(images)
}
