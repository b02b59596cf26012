// The kept counts on SQL. Triggers count: SQLite in place, PostgreSQL by appending changes, which are added up here.
import { sql, type Kysely, type Transaction } from 'kysely'
import { retryConflicts } from '../../db/retry-conflicts.ts'
import type { Database, Schema } from '../../db/schema.ts'
import type { FileStatus, Status } from '../../image.ts'
import type { CountDifference, KeptCounts } from './kept-counts.ts'

// Any number, the same for all: who adds up, or counts anew, does so alone.
const COUNTS_LOCK = 7_215_330_418

/** What transactions appended goes into the counts. At most one process does it at a time; the others leave it to that one. */
async function foldCounts({ write, canSkipLocked }: Database): Promise<void> {
  // The one writer counts in place.
  if (!canSkipLocked) return
  const waiting = await sql`select 1 from count_changes limit 1`.execute(write)
  if (waiting.rows.length === 0) return
  await write.transaction().execute(async (trx) => {
    const { rows } = await sql<{ alone: boolean }>`select pg_try_advisory_xact_lock(${sql.lit(COUNTS_LOCK)}) as alone`.execute(trx)
    if (!rows[0]?.alone) return
    await sql`
      with gone as (delete from count_changes returning *), counted as (
        insert into image_counts
        select owner_id, status, code, sum(images), sum(bytes) from gone group by 1, 2, 3 having sum(images) <> 0 or sum(bytes) <> 0
        on conflict (owner_id, status, code)
          do update set images = image_counts.images + excluded.images, bytes = image_counts.bytes + excluded.bytes
      )
      insert into batch_counts
      select batch_id, status, sum(files), max(last_at) from gone group by 1, 2
      on conflict (batch_id, status)
        do update set files = batch_counts.files + excluded.files, last_at = greatest(batch_counts.last_at, excluded.last_at)`.execute(trx)
    await sql`delete from image_counts where images = 0`.execute(trx)
    await sql`delete from batch_counts where files = 0`.execute(trx)
  })
}

const COUNTED_IMAGES = sql`
  select coalesce(owner_id, '') as owner_id, status, coalesce(code, '') as code, count(*) as images, sum(size) as bytes
  from images group by 1, 2, 3`
const COUNTED_FILES = sql`
  select batch_id, status, count(*) as files, coalesce(max(finished_at), 0) as last_at from (
    select batch_id, status, finished_at from images
    union all select batch_id, status, finished_at from declared_files where status <> 'received'
  ) as files group by 1, 2`

/** One statement for each, so that both sides are of the same moment. */
async function differingCounts(db: Kysely<Schema>): Promise<CountDifference[]> {
  const images = await sql<{ owner_id: string; status: Status; code: string; kept: number; counted: number; bytes: number }>`
    select owner_id, status, code, sum(kept) as kept, sum(counted) as counted, sum(bytes) as bytes from (
      select owner_id, status, code, images as kept, 0 as counted, bytes from kept_images
      union all select owner_id, status, code, 0, images, -bytes from (${COUNTED_IMAGES}) as counted
    ) as compared group by 1, 2, 3 having sum(kept) <> sum(counted) or sum(bytes) <> 0`.execute(db)
  const files = await sql<{ batch_id: string; status: FileStatus; kept: number; counted: number }>`
    select batch_id, status, sum(kept) as kept, sum(counted) as counted from (
      select batch_id, status, files as kept, 0 as counted from kept_files
      union all select batch_id, status, 0, files from (${COUNTED_FILES}) as counted
    ) as compared group by 1, 2 having sum(kept) <> sum(counted)`.execute(db)
  return [
    ...images.rows.map(({ owner_id, status, code, kept, counted, bytes }) => ({
      of: `images${owner_id && ` of ${owner_id}`}, ${status}${code && ` (${code})`}${Number(bytes) === 0 ? '' : ', and their bytes'}`,
      kept: Number(kept),
      counted: Number(counted),
    })),
    ...files.rows.map(({ batch_id, status, kept, counted }) => ({
      of: `files of batch ${batch_id}, ${status}`,
      kept: Number(kept),
      counted: Number(counted),
    })),
  ]
}

/** Nobody changes rows meanwhile. */
async function holdRows(trx: Transaction<Schema>, { canSkipLocked }: Database): Promise<void> {
  if (!canSkipLocked) return
  await sql`lock table images, declared_files in share row exclusive mode`.execute(trx)
  await sql`select pg_advisory_xact_lock(${sql.lit(COUNTS_LOCK)})`.execute(trx)
}

function recount(database: Database): Promise<CountDifference[]> {
  return database.write.transaction().execute(async (trx) => {
    await holdRows(trx, database)
    const differences = await differingCounts(trx)
    if (differences.length === 0) return []
    if (database.canSkipLocked) await sql`delete from count_changes`.execute(trx)
    await sql`delete from image_counts`.execute(trx)
    await sql`delete from batch_counts`.execute(trx)
    await sql`insert into image_counts ${COUNTED_IMAGES}`.execute(trx)
    await sql`insert into batch_counts ${COUNTED_FILES}`.execute(trx)
    return differences
  })
}

export const createSqlKeptCounts = (database: Database): KeptCounts => ({
  fold: () => foldCounts(database),
  differences: () => differingCounts(database.read),
  recount: () => retryConflicts(() => recount(database)),
})
