// Reads work: what waits, how much there is of it, and what was done for an image.
import { sql, type Kysely } from 'kysely'
import { compared, decodeCursor, encodeCursor } from '../../db/keyset.ts'
import type { Database, Schema } from '../../db/schema.ts'
import type { ErrorCode } from '../../error-codes.ts'
import { countKept } from '../admin/read-counts.ts'
import { failureOf } from '../images/image-rows.ts'
import { slices } from '../query-parts.ts'
import { outputs } from '../renditions/image-states.ts'
import type { Backlog, Waiting, WorkDone } from './work-store.ts'

export async function pendingWork(db: Kysely<Schema>, limit: number, cursor?: string): Promise<{ jobs: Waiting[]; next: string | null }> {
  let query = db
    .selectFrom('images')
    .select(['id', 'sha256', 'batch_id', 'batch_index', 'uploaded_at'])
    .where('status', '=', 'pending')
    .orderBy('uploaded_at')
    .orderBy('id')
    .limit(limit)
  if (cursor) query = query.where(compared(['uploaded_at', 'id'], '>', decodeCursor(cursor, 'number,string')))
  const rows = await query.execute()
  const last = rows.length === limit ? rows.at(-1) : undefined
  return {
    jobs: rows.map((row) => ({ sha256: row.sha256, batchId: row.batch_id, place: row.batch_index })),
    next: last ? encodeCursor([last.uploaded_at, last.id]) : null,
  }
}

export const countPending = (db: Kysely<Schema>) => countKept(db, null, ['pending', 'processing'])

/** Of the index by status only the part that is not done is read, however many images there are. */
export async function readBacklog({ read, now }: Database): Promise<Backlog> {
  const rows = await read
    .selectFrom('images')
    .select(({ fn }) => ['status', fn.countAll<number>().as('images')])
    .select(sql<number>`${now} - min(uploaded_at)`.as('oldestMs'))
    .where('status', 'in', ['pending', 'processing'])
    .groupBy('status')
    .execute()
  const of = (status: 'pending' | 'processing') => rows.find((row) => row.status === status)
  const pending = of('pending')
  return {
    pending: Number(pending?.images ?? 0),
    processing: Number(of('processing')?.images ?? 0),
    oldestPendingMs: pending ? Math.max(0, Number(pending.oldestMs)) : null,
  }
}

/** Of the renditions that its recipe asks for. */
const faultCode = sql<ErrorCode | null>`(select min(renditions.code) ${outputs(sql`renditions.code is not null`)})`
const faultError = sql<string | null>`(select min(renditions.error) ${outputs(sql`renditions.code = ${faultCode}`)})`

export async function workDoneFor(db: Kysely<Schema>, ids: string[]): Promise<Map<string, WorkDone>> {
  const work = new Map<string, WorkDone>()
  for (const slice of slices(ids)) {
    const rows = await db
      .selectFrom('images')
      .innerJoin('originals', 'originals.sha256', 'images.sha256')
      .select(['images.id', 'attempts', 'started_at', 'originals.finished_at', 'worker'])
      // Also while it is tried again.
      .select([
        sql<ErrorCode | null>`coalesce(originals.code, ${faultCode})`.as('code'),
        sql<string | null>`case when originals.code is null then ${faultError} else originals.error end`.as('error'),
      ])
      .where('images.id', 'in', slice)
      .execute()
    for (const { id, attempts, started_at: startedAt, finished_at: finishedAt, worker, ...row } of rows)
      work.set(id, { attempts, startedAt, finishedAt, worker, failure: failureOf(row) })
  }
  return work
}
