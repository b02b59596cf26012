// The survey of the rows on SQL: the same queries on SQLite and PostgreSQL.
import { sql, type Kysely, type RawBuilder, type Transaction } from 'kysely'
import { retryConflicts } from '../../db/retry-conflicts.ts'
import type { Database, Schema } from '../../db/schema.ts'
import type { Failure, Image } from '../../image.ts'
import { lockOriginals } from '../originals/collect-originals.ts'
import { derivedStates, LOST, outputs } from '../renditions/image-states.ts'
import type { HeldOriginal, Recent, RenditionId, RowSurvey, Stuck, StuckRows } from './row-survey.ts'
import { IMAGE_COLUMNS, slices, toImage } from '../images/image-rows.ts'

const used = (db: Kysely<Schema>) =>
  db
    .selectFrom('originals')
    .select(['sha256', 'size', 'status', 'code'])
    .where('released_at', 'is', null)
    .where('collecting_at', 'is', null)

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

/**
 * Images that no transaction leaves behind. What is pending again after it failed leaves its images in error until there is a new outcome,
 * and an upload may meet work that is in hand already.
 */
const disagreeing = (db: Kysely<Schema>) =>
  db
    .selectFrom('images')
    .innerJoin(derivedStates(db).as('derived'), 'derived.id', 'images.id')
    .whereRef('images.status', '<>', 'derived.status')
    .where('images.status', '<>', 'aborted')
    .where(({ not, and, eb }) => not(and([eb('images.status', '=', 'pending'), eb('derived.status', '=', 'processing')])))
    .where(({ not, and, eb }) => not(and([eb('images.status', '=', 'error'), eb('derived.status', 'in', ['pending', 'processing'])])))

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

async function untangle(trx: Transaction<Schema>, now: Database['now']): Promise<Image[]> {
  const rows = await disagreeing(trx).select(['images.id', 'derived.status', 'derived.code']).execute()
  const changed: Image[] = []
  for (const images of Map.groupBy(rows, (row) => `${row.status} ${row.code}`).values()) {
    const { status, code } = images[0]!
    for (const slice of slices(images.map(({ id }) => id))) {
      const updated = await trx
        .updateTable('images')
        .set({ status, finished_at: status === 'completed' || status === 'error' ? now : null, code: status === 'error' ? code : null })
        .where('id', 'in', slice)
        .returning(IMAGE_COLUMNS)
        .execute()
      changed.push(...updated.map((row) => toImage(row, null, null)))
    }
  }
  return changed
}

/** Their images wait again, but for those that wait already. */
async function waitAgain(trx: Transaction<Schema>, hashes: string[], from: ('completed' | 'error')[], shows: RawBuilder<boolean>) {
  const rows = await trx
    .updateTable('images')
    .set({ status: 'pending', finished_at: null, code: null })
    .where('sha256', 'in', hashes)
    .where('status', 'in', from)
    .where(shows)
    .returning(IMAGE_COLUMNS)
    .execute()
  return rows.map((row) => toImage(row, null, null))
}

const FRESH = { status: 'pending', finished_at: null, lease_token: null, lease_until: null, attempts: 0, code: null, error: null } as const

async function remake(trx: Transaction<Schema>, database: Database, renditions: RenditionId[]): Promise<Image[]> {
  const changed: Image[] = []
  for (const slice of slices([...renditions].sort((a, b) => (a.sha256 < b.sha256 ? -1 : 1)))) {
    await lockOriginals(
      trx,
      database,
      slice.map(({ sha256 }) => sha256),
    )
    const again = await trx
      .updateTable('renditions')
      .set({ status: 'pending', bytes: null })
      .where((eb) =>
        eb(
          eb.refTuple('sha256', 'operation'),
          'in',
          slice.map(({ sha256, operation }) => eb.tuple(sha256, operation)),
        ),
      )
      .where('status', '=', 'completed')
      .returning('sha256')
      .execute()
    const hashes = [...new Set(again.map(({ sha256 }) => sha256))]
    if (hashes.length === 0) continue
    await trx.updateTable('originals').set(FRESH).where('sha256', 'in', hashes).where('status', '=', 'idle').execute()
    changed.push(...(await waitAgain(trx, hashes, ['completed'], showsPending)))
  }
  return changed
}

/** Of its recipe, an output is pending. */
const showsPending = sql<boolean>`exists (select 1 ${outputs(sql`renditions.status = 'pending'`)})`

async function takeBack(trx: Transaction<Schema>, database: Database, hashes: string[]): Promise<Image[]> {
  const changed: Image[] = []
  for (const slice of slices([...new Set(hashes)].sort())) {
    await lockOriginals(trx, database, slice)
    const found = await trx
      .updateTable('originals')
      .set(FRESH)
      .where('sha256', 'in', slice)
      .where('status', '=', 'failed')
      .where('code', 'in', LOST)
      .returning('sha256')
      .execute()
    const back = found.map(({ sha256 }) => sha256)
    if (back.length === 0) continue
    // They are made anew from what came back.
    await trx.updateTable('renditions').set({ status: 'pending' }).where('sha256', 'in', back).execute()
    changed.push(...(await waitAgain(trx, back, ['completed', 'error'], sql<boolean>`true`)))
  }
  return changed
}

async function giveUp(trx: Transaction<Schema>, database: Database, hashes: string[], failure: Failure): Promise<Image[]> {
  const { now } = database
  const changed: Image[] = []
  for (const slice of slices([...new Set(hashes)].sort())) {
    await lockOriginals(trx, database, slice)
    const originals = await used(trx).where('sha256', 'in', slice).execute()
    if (originals.length === 0) continue
    const lost = originals.map(({ sha256 }) => sha256)
    await trx
      .updateTable('originals')
      .set({ status: 'failed', finished_at: now, lease_token: null, lease_until: null, attempts: 0, ...failure })
      .where('sha256', 'in', lost)
      .execute()
    const rows = await trx
      .updateTable('images')
      .set({ status: 'error', finished_at: now, code: failure.code })
      .where('sha256', 'in', lost)
      .where('status', '<>', 'aborted')
      .returning(IMAGE_COLUMNS)
      .execute()
    changed.push(...rows.map((row) => toImage(row, null, failure)))
  }
  return changed
}

async function markForDeletion(
  trx: Transaction<Schema>,
  now: Database['now'],
  originals: { sha256: string; size: number }[],
): Promise<string[]> {
  const marked: string[] = []
  for (const slice of slices([...originals].sort((a, b) => (a.sha256 < b.sha256 ? -1 : 1)))) {
    const rows = await trx
      .insertInto('originals')
      .values(slice.map(({ sha256, size }) => ({ sha256, size, released_at: now, collecting_at: now })))
      .onConflict((conflict) =>
        conflict.column('sha256').doUpdateSet({ released_at: now, collecting_at: now }).where('originals.released_at', '<=', now),
      )
      .returning('sha256')
      .execute()
    marked.push(...rows.map(({ sha256 }) => sha256))
  }
  return marked
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
      const rows = used(read).where('sha256', '>', from).where('sha256', '<', `${prefix}g`).orderBy('sha256').limit(limit)
      return withRenditions(read, await rows.execute())
    },
    async sampleOriginals(limit) {
      // Hashes are random: the first are as good a sample as any.
      const rows = used(read)
        .where(({ not, and, eb }) => not(and([eb('status', '=', 'failed'), eb('code', 'in', LOST)])))
        .orderBy('sha256')
        .limit(limit)
      return (await rows.execute()).map(({ sha256 }) => sha256)
    },
    async original(sha256) {
      const [found] = await withRenditions(read, await used(read).where('sha256', '=', sha256).execute())
      return found ?? null
    },
    recentlyCompleted: (withinMs, after, limit) => recentlyCompleted(read, withinMs, after, limit),
    stuck: (overdueMs) => stuckRows(database, overdueMs),
    untangle: () => change((trx) => untangle(trx, now)),
    remake: (renditions) => change((trx) => remake(trx, database, renditions)),
    takeBack: (hashes) => change((trx) => takeBack(trx, database, hashes)),
    giveUp: (hashes, failure) => change((trx) => giveUp(trx, database, hashes, failure)),
    markForDeletion: (originals) => change((trx) => markForDeletion(trx, now, originals)),
  }
}
