// Lists and counts images: pages by keyset (the last page costs what the first does), by what a filter finds.
import { sql, type OrderByDirection, type RawBuilder } from 'kysely'
import type { Owner } from '../../access.ts'
import { compared, decodeCursor, encodeCursor, type Place } from '../../db/keyset.ts'
import type { Database, NamesFound } from '../../db/schema.ts'
import { patternOf } from '../../db/name-search.ts'
import { countKept } from '../admin/read-counts.ts'
import { encodeName, fitting, isListedFor, isOf } from '../query-parts.ts'
import { selectImages, toImageWithOutcome } from './image-rows.ts'
import type { ImageFilter } from './image-filter.ts'
import type { ListQuery, Page, Sort } from './image-store.ts'

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
const decodePlace = (text: string, column: SortColumn): Place => decodeCursor(text, column === 'name' ? 'string,string' : 'number,string')

const columnsOf = (column: SortColumn): [string, string] => [`images.${column}`, 'images.id']
const isPast = (column: SortColumn, direction: OrderByDirection, place: Place) =>
  compared(columnsOf(column), direction === 'desc' ? '<' : '>', place)
const isUpTo = (column: SortColumn, direction: OrderByDirection, place: Place) =>
  compared(columnsOf(column), direction === 'desc' ? '>=' : '<=', place)

/**
 * What is found otherwise: by its names, or in its batch. As in `isOf`, written so that no index of these is taken for the better way.
 * PostgreSQL knows by itself how many rows have which value.
 */
const isAmong = ({ isRemote }: Database, column: 'status' | 'format', value: string) =>
  isRemote ? sql<boolean>`${sql.ref(`images.${column}`)} = ${value}` : sql<boolean>`${sql.ref(`images.${column}`)} || '' = ${value}`

/** What lists show and counts count, but for names. `sort`: the index of its order is walked; null: others find the rows. A long period is not what they are found by. */
function filtered(database: Database, filter: ImageFilter, sees: Owner, sort: Sort | null, isLongPeriod = false): RawBuilder<boolean> {
  const { status, format, batch, code, from, to } = filter
  const owner = sees ?? filter.owner ?? null
  // Those that failed for one reason have an index of their own: of all images they are few.
  const walks = sort !== null && batch === undefined && code === undefined
  const byTime = sort === 'newest' || sort === 'oldest'
  const conditions: RawBuilder<boolean>[] = [walks ? isListedFor(owner, 'images') : isOf(owner, 'images')]
  if (status) {
    // Nearly all are completed: the order's own index finds a page of them at once. Of the others there may be few, and these have theirs.
    const isRare = status !== 'completed'
    const hasIndex = walks && (isRare || (byTime && owner === null))
    conditions.push(hasIndex ? sql<boolean>`images.status = ${status}` : isAmong(database, 'status', status))
    if (isRare) conditions.push(sql<boolean>`images.status <> 'completed'`)
  }
  if (format) {
    const hasIndex = walks && byTime && owner === null && status === undefined
    conditions.push(hasIndex ? sql<boolean>`images.format = ${format}` : isAmong(database, 'format', format))
  }
  if (batch) conditions.push(sql<boolean>`images.batch_id = ${batch}`)
  if (code)
    conditions.push(sort !== null && batch === undefined ? sql<boolean>`images.code = ${code}` : sql<boolean>`images.code || '' = ${code}`)
  // Of somebody else than who is seen: none.
  if (sees !== null && filter.owner !== undefined) conditions.push(isOf(filter.owner, 'images'))
  const at = isLongPeriod && walks ? sql`(images.uploaded_at + 0)` : sql`images.uploaded_at`
  if (from !== undefined) conditions.push(sql<boolean>`${at} >= ${from}`)
  if (to !== undefined) conditions.push(sql<boolean>`${at} < ${to}`)
  return sql<boolean>`(${sql.join(conditions, sql` and `)})`
}

/** Part of a name, any case. */
const isNamed = (q: string) => sql<boolean>`lower(images.name) like lower(${patternOf(encodeName(q))}) escape '\\'`

// About as long as a page takes that is all there is, either way.
const MOST_NAMES_FOUND = 4_000
const MOST_NAMES_LOOKED_AT = 4_000

/** The rows that may have this part of a name, if the index knows them and they are not too many. */
async function findFew({ read, findNames }: Database, q: string): Promise<NamesFound | null> {
  const found = findNames?.(encodeName(q)) ?? null
  if (found === null) return null
  const { rows } = await sql<{ count: number }>`
    select count(*) as count from (${found.rows} limit ${sql.lit(MOST_NAMES_FOUND + 1)}) as found`.execute(read)
  return Number(rows[0]!.count) > MOST_NAMES_FOUND ? null : found
}

const isFound = ({ key, rows }: NamesFound) => sql<boolean>`${key} in (${rows})`

/** The place of the last image that is looked at for its name; null: the list ends before. */
async function lastLookedAt({ read }: Database, conditions: RawBuilder<boolean>, sort: Sort): Promise<Place | null> {
  const [column, direction] = SORTS[sort]
  const by = sql.raw(direction)
  const { rows } = await sql<{ value: string | number; id: string }>`
    select ${sql.ref(`images.${column}`)} as value, images.id from images where ${conditions}
    order by ${sql.ref(`images.${column}`)} ${by}, images.id ${by} limit 1 offset ${sql.lit(MOST_NAMES_LOOKED_AT - 1)}`.execute(read)
  const [last] = rows
  return last ? [last.value, last.id] : null
}

// Sorted as quickly as the order's index is walked up to a page of them, among a million.
const SHORT_PERIOD_IMAGES = 4_000

async function isLongPeriod({ read }: Database, { from, to }: ImageFilter): Promise<boolean> {
  if (from === undefined && to === undefined) return false
  const { rows } = await sql<{ count: number }>`
    select count(*) as count from (select 1 from images where uploaded_at >= ${from ?? 0} and uploaded_at < ${to ?? Number.MAX_SAFE_INTEGER}
    limit ${sql.lit(SHORT_PERIOD_IMAGES + 1)}) as within_period`.execute(read)
  return Number(rows[0]!.count) > SHORT_PERIOD_IMAGES
}

/** A page; of a search for what many have in their names, or that no index knows, as much as is found among the next so many images. */
export async function listImages(database: Database, { sort, limit, cursor, q, ...filter }: ListQuery, owner: Owner): Promise<Page> {
  const [column, direction] = SORTS[sort]
  const from = cursor === undefined ? null : decodePlace(cursor, column)
  const searches = q !== undefined && q !== ''
  const few = searches && filter.batch === undefined ? await findFew(database, q) : null
  const isLong = column !== 'uploaded_at' && (await isLongPeriod(database, filter))
  const listed = filtered(database, filter, owner, few ? null : sort, isLong)
  const rest = from === null ? listed : sql<boolean>`${listed} and ${isPast(column, direction, from)}`
  const until = searches && !few && filter.batch === undefined ? await lastLookedAt(database, rest, sort) : null
  const rows = await selectImages(database.read)
    .where(rest)
    .$if(searches, (query) => query.where(isNamed(q!)))
    .$if(few !== null, (query) => query.where(isFound(few!)))
    .$if(until !== null, (query) => query.where(isUpTo(column, direction, until!)))
    .orderBy(`images.${column}`, direction)
    .orderBy('images.id', direction)
    // One more than asked for tells whether there is a next page.
    .limit(limit + 1)
    .execute()
  const page = fitting(rows, limit)
  const last = page.at(-1)
  const next: Place | null = rows.length > page.length && last ? [last[column], last.id] : until
  return { images: page.map(toImageWithOutcome), next: next && encodeCursor(next) }
}

/** By owner, status and code alone it is known; otherwise it is counted. */
export async function countImages(database: Database, filter: ImageFilter, owner: Owner): Promise<number> {
  const { q, status, format, batch, code, from, to } = filter
  const isKept = !q && !format && !batch && from === undefined && to === undefined && (owner === null || filter.owner === undefined)
  if (isKept) return countKept(database.read, owner ?? filter.owner ?? null, status ? [status] : null, code)
  const few = q && !batch ? await findFew(database, q) : null
  const { images } = await database.read
    .selectFrom('images')
    .select(({ fn }) => fn.countAll<number>().as('images'))
    .where(filtered(database, filter, owner, few ? null : 'newest'))
    .$if(Boolean(q), (query) => query.where(isNamed(q!)))
    .$if(few !== null, (query) => query.where(isFound(few!)))
    .executeTakeFirstOrThrow()
  return Number(images)
}
