// Reads the ledger: batches with their counts in one snapshot each, and the files of one by where they stand.
import { sql, type Expression, type ExpressionBuilder, type Kysely, type SqlBool } from 'kysely'
import type { Owner } from '../../access.ts'
import { compared, decodeCursor, encodeCursor, toPage } from '../../db/keyset.ts'
import type { BatchesTable } from '../../db/tables/journey-tables.ts'
import type { DeclaredFileRow, Schema } from '../../db/schema.ts'
import { ERRORS } from '../../error-codes.ts'
import { FILE_STATUSES, isFinal, STATUSES, type FileStatus, type Status } from '../../image.ts'
import type { Batch, BatchesQuery, BatchFile, FilesQuery } from './batch-store.ts'
import { selectImages, toImageWithOutcome } from '../images/image-rows.ts'
import { decodeName, fitting, isListedFor, isOf } from '../query-parts.ts'
import { parseRejected, type Rejected } from '../uploads/rejected.ts'

type Row = Pick<BatchesTable, (typeof COUNTED)[number]> & {
  rejected: string | null
  status: FileStatus | null
  files: number | null
  last: number | null
}

type BatchPage = Omit<BatchesQuery, 'cursor'> & { before: [createdAt: number, id: string] | null }

/** Batches that are not open have none of these. Each is found along an index of what is not final, of which there is little. */
const openBatches = (db: Kysely<Schema>) =>
  db
    .selectFrom('images')
    .select('batch_id')
    .where('images.status', 'in', ['pending', 'processing'])
    .unionAll(db.selectFrom('declared_files').select('batch_id').where('declared_files.status', '=', 'needed'))
    .unionAll(db.selectFrom('batches as arriving').select('id as batch_id').where('received_at', 'is', null))

function matching(eb: ExpressionBuilder<Schema, 'batches'>, db: Kysely<Schema>, { state, owner, from, to, before }: BatchPage) {
  const conditions: Expression<SqlBool>[] = []
  if (state === 'open') conditions.push(eb('id', 'in', openBatches(db)))
  if (state === 'done') conditions.push(eb('id', 'not in', openBatches(db)))
  if (state === 'failed') conditions.push(eb('id', 'in', db.selectFrom('images').select('batch_id').where('images.status', '=', 'error')))
  if (owner !== undefined) conditions.push(isListedFor(owner, 'batches'))
  if (from !== undefined) conditions.push(eb('created_at', '>=', from))
  if (to !== undefined) conditions.push(eb('created_at', '<', to))
  if (before) conditions.push(compared(['created_at', 'id'], '<', before))
  return eb.and(conditions)
}

const COUNTED = ['id', 'kind', 'owner_id', 'created_at', 'received_at', 'expires_at', 'declared', 'rejected_files'] as const
// Thousands of names, read only where nobody has counted them: by a server of the version before, beside one of this.
const UNCOUNTED = sql<string | null>`case when rejected_files is null then rejected end`.as('rejected')

/** A page of batches, each with its counts: one statement, so that they add up whatever is written meanwhile. */
const selectBatches = (db: Kysely<Schema>, page: { id: string } | BatchPage, owner: Owner) =>
  db
    .with('page', (with_) => {
      const batches = with_.selectFrom('batches').select(COUNTED).select(UNCOUNTED)
      if ('id' in page) return batches.where('id', '=', page.id).where(isOf(owner, 'batches'))
      return batches
        .where(isListedFor(owner, 'batches'))
        .where((eb) => matching(eb, db, page))
        .orderBy('created_at', 'desc')
        .orderBy('id', 'desc')
        .limit(page.limit)
    })
    .with('counts', (with_) =>
      with_
        .selectFrom('page')
        // So written, SQLite looks at the counts of these batches, and not at those of all.
        .crossJoin('kept_files')
        .whereRef('kept_files.batch_id', '=', 'page.id')
        .select(({ fn }) => ['batch_id', 'status', fn.sum<number>('files').as('files'), fn.max('last_at').as('last')])
        .groupBy(['batch_id', 'status'])
        .having(({ fn }) => fn.sum<number>('files'), '<>', 0),
    )
    .selectFrom('page')
    .leftJoin('counts', 'counts.batch_id', 'page.id')
    .selectAll('page')
    .select(['counts.status', 'counts.files', 'counts.last'])
    .orderBy('page.created_at', 'desc')
    .orderBy('page.id', 'desc')

function toBatch(rows: Row[]): Batch {
  const { id, kind, owner_id, created_at, received_at, expires_at, declared, rejected, rejected_files } = rows[0]!
  const counts = Object.fromEntries(FILE_STATUSES.map((status) => [status, 0])) as Record<FileStatus, number>
  // An image that is `aborted`, and a file that was when there was none yet, are alike.
  for (const { status, files } of rows) if (status) counts[status] += Number(files)
  counts.rejected += rejected_files ?? parseRejected(rejected ?? '[]').length
  const isDone = received_at !== null && counts.needed + counts.pending + counts.processing === 0
  return {
    id,
    kind,
    ownerId: owner_id,
    createdAt: created_at,
    receivedAt: received_at,
    finishedAt: isDone ? Math.max(received_at, ...rows.map(({ last }) => Number(last ?? 0))) : null,
    expiresAt: expires_at,
    declared: declared ?? Object.values(counts).reduce((sum, count) => sum + count, 0),
    counts,
  }
}

export async function getBatch(db: Kysely<Schema>, id: string, owner: Owner): Promise<Batch | null> {
  const rows = await selectBatches(db, { id }, owner).execute()
  return rows.length === 0 ? null : toBatch(rows)
}

export async function isDeclared(db: Kysely<Schema>, id: string, owner: Owner): Promise<boolean> {
  const batch = db.selectFrom('batches').select('id').where('id', '=', id).where(isOf(owner, 'batches')).where('declared', 'is not', null)
  return (await batch.executeTakeFirst()) !== undefined
}

export async function isCancelled(db: Kysely<Schema>, id: string): Promise<boolean> {
  const batch = await db.selectFrom('batches').select('cancelled_at').where('id', '=', id).executeTakeFirst()
  return batch !== undefined && batch.cancelled_at !== null
}

export async function listBatches(db: Kysely<Schema>, { limit, cursor, ...filter }: BatchesQuery, owner: Owner) {
  const before = cursor === undefined ? null : decodeCursor(cursor, 'number,string')
  // One more than asked for tells whether there is a next page.
  const rows = await selectBatches(db, { ...filter, limit: limit + 1, before }, owner).execute()
  const found = [...Map.groupBy(rows, (row) => row.id).values()].map(toBatch)
  const { items: batches, next } = toPage(
    found,
    limit,
    ({ createdAt, id }) => [createdAt, id],
    (batch) => batch,
  )
  return { batches, next }
}

const isStatus = (status: FileStatus): status is Status => (STATUSES as readonly FileStatus[]).includes(status)

/** Files that have no image, from a place on: of a declaration by its rows, else by what was refused. */
async function filesWithoutImage(db: Kysely<Schema>, { batchId, status, limit }: FilesQuery, after: number, rejected: Rejected[]) {
  const rows = await db
    .selectFrom('declared_files')
    .selectAll()
    .where('batch_id', '=', batchId)
    .where('file_index', '>', after)
    .where('status', '<>', 'received')
    .$if(status !== 'all', (query) => query.where('status', '=', status as DeclaredFileRow['status']))
    .orderBy('file_index')
    .limit(limit + 1)
    .execute()
  const declared = rows.map(({ file_index: index, name, size, status, code, error }): BatchFile => ({
    index,
    name: decodeName(name),
    size,
    status: status as FileStatus,
    image: null,
    failure: code && { code, error: error === null ? ERRORS[code] : decodeName(error) },
  }))
  if (status !== 'all' && status !== 'rejected') return declared
  // Its size nobody knows: it was not read to its end.
  const refused = rejected.map(({ name, code, error, index }, at): BatchFile => {
    return { index: index ?? at, name, size: 0, status: 'rejected', image: null, failure: { code, error } }
  })
  return [...declared, ...refused.filter(({ index }) => index > after)]
}

async function filesWithImage(db: Kysely<Schema>, { batchId, status, limit }: FilesQuery, after: number): Promise<BatchFile[]> {
  if (status !== 'all' && !isStatus(status)) return []
  const rows = await selectImages(db)
    .where('images.batch_id', '=', batchId)
    .where('images.batch_index', '>', after)
    .$if(status !== 'all', (query) => query.where('images.status', '=', status as Status))
    .orderBy('images.batch_index')
    .limit(limit + 1)
    .execute()
  return rows.map(toImageWithOutcome).map((image) => ({
    index: image.batchIndex,
    name: image.name,
    size: image.size,
    status: image.status,
    image,
    failure: isFinal(image.status) ? image.failure : null,
  }))
}

/** The largest place there could be: of 32 bits in the rows. */
const MAX_INDEX = 2 ** 31 - 1

/** By their place. */
export async function listBatchFiles(db: Kysely<Schema>, query: FilesQuery, owner: Owner) {
  const { batchId, limit, cursor } = query
  const after = cursor === undefined ? -1 : Math.min(decodeCursor(cursor, 'number')[0], MAX_INDEX)
  // Its files are of the same owner.
  const batch = await db.selectFrom('batches').select('rejected').where('id', '=', batchId).where(isOf(owner, 'batches')).executeTakeFirst()
  if (!batch) return null
  // In this order: a file that gets its image between the two is in both, and not in neither.
  const without = await filesWithoutImage(db, query, after, parseRejected(batch.rejected))
  const files = [...new Map([...without, ...(await filesWithImage(db, query, after))].map((file) => [file.index, file])).values()].sort(
    (a, b) => a.index - b.index,
  )
  const page = fitting(files, limit)
  const last = files.length > page.length ? page.at(-1) : undefined
  return { files: page, next: last ? encodeCursor([last.index]) : null }
}
