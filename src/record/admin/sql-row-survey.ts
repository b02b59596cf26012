// The survey of the rows on SQL: the same queries on SQLite and PostgreSQL.
import { sql, type Kysely, type Transaction } from 'kysely'
import { retryConflicts } from '../../db/retry-conflicts.ts'
import type { Database, Schema } from '../../db/schema.ts'
import { LOST } from '../renditions/image-states.ts'
import type { HeldOriginal, Recent, RenditionId, RowSurvey, Stuck, StuckRows } from './row-survey.ts'
import { disagreeing, giveUp, markForDeletion, reconcileStatuses, remake, takeBack, usedOriginals } from './mend-rows.ts'

async function withRenditions(db: Kysely<Schema>, originals: Omit<HeldOriginal, 'renditions'>[]): Promise<HeldOriginal[]> {
  if (originals.length === 0) return []
  const rows = await db
    .selectFrom('renditions')
    .select(['sha256', 'operation', 'status', 'bytes as size'])
    .where(
      'sha256',
      'in',
      originals.map(({ sha256 }) => sha256),
    )
    .execute()
  const bySha256 = Map.groupBy(rows, (row) => row.sha256)
  return originals.map((original) => ({
    ...original,
    renditions: (bySha256.get(original.sha256) ?? []).map(({ operation, status, size }) => ({ operation, status, size })),
  }))
}

async function recentlyCompleted(db: Kysely<Schema>, withinMs: number, after: RenditionId | null, limit: number): Promise<Recent[]> {
  const rows = await db
    .selectFrom('renditions')
    .innerJoin('originals', 'originals.sha256', 'renditions.sha256')
    .select(['renditions.sha256', 'operation', 'bytes'])
    .where('renditions.status', '=', 'completed')
    .where('originals.finished_at', '>=', ({ selectFrom }) =>
      selectFrom('originals').select(sql<number>`max(finished_at) - ${withinMs}`.as('from')),
    )
    .$if(after !== null, (query) =>
      query.where((eb) => eb(eb.refTuple('renditions.sha256', 'operation'), '>', eb.tuple(after!.sha256, after!.operation))),
    )
    .orderBy('renditions.sha256')
    .orderBy('operation')
    .limit(limit)
    .execute()
  return rows.map(({ sha256, operation, bytes }) => ({ sha256, operation, size: Number(bytes) }))
}

async function stuckRows({ read, now }: Database, overdueMs: number): Promise<StuckRows> {
  const before = sql<number>`${now} - ${overdueMs}`
  /** How many, and for how long at most. */
  const overdue = (since: string) => [
    sql<number>`count(*)`.as('count'),
    sql<number>`coalesce(${now} - min(${sql.ref(since)}), 0)`.as('longestMs'),
  ]
  const stuck = async (query: { executeTakeFirstOrThrow(): Promise<Stuck> }): Promise<Stuck> => {
    const { count, longestMs } = await query.executeTakeFirstOrThrow()
    return { count: Number(count), longestMs: Number(longestMs) }
  }
  const batches = read.selectFrom('batches')
  const claimed = read.selectFrom('originals').where('status', '=', 'processing').where('lease_until', '<', before)
  const unreceived = batches.where('received_at', 'is', null).where('aborted_at', 'is', null).where('lease_until', '<', before)
  const unexpired = batches.where('expired_at', 'is', null).where('expires_at', '<', before)
  const removing = read.selectFrom('originals').where('collecting_at', '<', before)
  const pending = read.selectFrom('images').where('status', '=', 'pending')
  const waiting = await stuck(pending.select(overdue('uploaded_at')))
  const { sinceMs } = await read
    .selectFrom('originals')
    .select(sql<number | null>`${now} - max(finished_at)`.as('sinceMs'))
    .executeTakeFirstOrThrow()
  // Nothing was developed since the oldest came, or not for so long.
  const idleMs = Math.min(waiting.longestMs, sinceMs === null ? Infinity : Number(sinceMs))
  return {
    leaseGone: await stuck(claimed.select(overdue('lease_until'))),
    arriving: await stuck(unreceived.select(overdue('lease_until'))),
    disagreeing: await stuck(disagreeing(read).select(overdue('images.uploaded_at'))),
    unexpired: await stuck(unexpired.select(overdue('expires_at'))),
    removing: await stuck(removing.select(overdue('collecting_at'))),
    waiting: idleMs > overdueMs ? { count: waiting.count, longestMs: idleMs } : { count: 0, longestMs: 0 },
  }
}

export function createSqlRowSurvey(database: Database): RowSurvey {
  const { read, write, now } = database
  const change = <T>(body: (trx: Transaction<Schema>) => Promise<T>) => retryConflicts(() => write.transaction().execute(body))
  return {
    async countOriginals() {
      const rows = read.selectFrom('originals').where('released_at', 'is', null).where('collecting_at', 'is', null)
      return Number((await rows.select(({ fn }) => fn.countAll<number>().as('count')).executeTakeFirstOrThrow()).count)
    },
    async originals(prefix, after, limit) {
      const from = after > prefix ? after : prefix
      // `g` comes after every digit of a hash.
      const rows = usedOriginals(read).where('sha256', '>', from).where('sha256', '<', `${prefix}g`).orderBy('sha256').limit(limit)
      return withRenditions(read, await rows.execute())
    },
    async sampleOriginals(limit) {
      // Hashes are random: the first are as good a sample as any.
      const rows = usedOriginals(read)
        .where(({ not, and, eb }) => not(and([eb('status', '=', 'failed'), eb('code', 'in', LOST)])))
        .orderBy('sha256')
        .limit(limit)
      return (await rows.execute()).map(({ sha256 }) => sha256)
    },
    async original(sha256) {
      const [found] = await withRenditions(read, await usedOriginals(read).where('sha256', '=', sha256).execute())
      return found ?? null
    },
    recentlyCompleted: (withinMs, after, limit) => recentlyCompleted(read, withinMs, after, limit),
    stuck: (overdueMs) => stuckRows(database, overdueMs),
    reconcileStatuses: () => change((trx) => reconcileStatuses(trx, now)),
    remake: (renditions) => change((trx) => remake(trx, database, renditions)),
    takeBack: (hashes) => change((trx) => takeBack(trx, database, hashes)),
    giveUp: (hashes, failure) => change((trx) => giveUp(trx, database, hashes, failure)),
    markForDeletion: (originals) => change((trx) => markForDeletion(trx, now, originals)),
  }
}
