// The survey of the rows on SQL: the same queries on SQLite and PostgreSQL.
import { sql, type ExpressionBuilder, type Kysely, type Transaction } from 'kysely'
import { retryConflicts } from '../db/retry-conflicts.ts'
import type { Database, Schema } from '../db/schema.ts'
import type { ErrorCode } from '../errors.ts'
import type { Development, Failure, Image } from '../image.ts'
import type { HeldOriginal, Recent, RowSurvey, Stuck, StuckRows } from './row-survey.ts'
import { IMAGE_COLUMNS, slices, toImage } from './rows.ts'

const LOST: ErrorCode[] = ['original_missing', 'original_damaged']

const used = (db: Kysely<Schema>) =>
  db.selectFrom('originals').select(['sha256', 'size']).where('released_at', 'is', null).where('collecting_at', 'is', null)

async function withDevelopments(db: Kysely<Schema>, originals: { sha256: string; size: number }[]): Promise<HeldOriginal[]> {
  if (originals.length === 0) return []
  const rows = await db
    .selectFrom('developments')
    .select(['sha256', 'recipe', 'format', 'status', 'code', 'image_size', 'thumbnail_size'])
    .where(
      'sha256',
      'in',
      originals.map(({ sha256 }) => sha256),
    )
    .execute()
  const bySha256 = Map.groupBy(rows, (row) => row.sha256)
  return originals.map((original) => ({
    ...original,
    developments: (bySha256.get(original.sha256) ?? []).map(({ image_size: imageSize, thumbnail_size: thumbnailSize, ...row }) => ({
      ...row,
      imageSize,
      thumbnailSize,
    })),
  }))
}

async function recentlyCompleted(
  db: Kysely<Schema>,
  withinMs: number,
  after: Pick<Development, 'sha256' | 'recipe'> | null,
  limit: number,
): Promise<Recent[]> {
  const rows = await db
    .selectFrom('developments')
    .select(['sha256', 'recipe', 'format', 'image_size', 'thumbnail_size'])
    .where('status', '=', 'completed')
    .where('finished_at', '>=', ({ selectFrom }) =>
      selectFrom('developments').select(sql<number>`max(finished_at) - ${withinMs}`.as('from')),
    )
    .$if(after !== null, (query) => query.where((eb) => eb(eb.refTuple('sha256', 'recipe'), '>', eb.tuple(after!.sha256, after!.recipe))))
    .orderBy('sha256')
    .orderBy('recipe')
    .limit(limit)
    .execute()
  return rows.map(({ image_size, thumbnail_size, ...development }) => ({
    ...development,
    imageSize: Number(image_size),
    thumbnailSize: Number(thumbnail_size),
  }))
}

const joined = (db: Kysely<Schema>) =>
  db
    .selectFrom('images')
    .innerJoin('developments', (join) =>
      join.onRef('developments.sha256', '=', 'images.sha256').onRef('developments.recipe', '=', 'images.recipe'),
    )

/**
 * No transaction leaves these behind. What is pending again after it failed leaves its images in error until there is a new outcome,
 * and an upload may meet work that is in hand already.
 */
const disagree = ({ or, and, eb }: ExpressionBuilder<Schema, 'images' | 'developments'>) =>
  or([
    and([eb('images.status', 'in', ['pending', 'processing']), eb('developments.status', 'in', ['completed', 'error'])]),
    and([eb('images.status', '=', 'processing'), eb('developments.status', '=', 'pending')]),
    and([eb('images.status', '=', 'completed'), eb('developments.status', '<>', 'completed')]),
    and([eb('images.status', '=', 'error'), eb('developments.status', '=', 'completed')]),
  ])

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
  const claimed = read.selectFrom('developments').where('status', '=', 'processing').where('lease_until', '<', before)
  const unreceived = batches.where('received_at', 'is', null).where('aborted_at', 'is', null).where('lease_until', '<', before)
  const unexpired = batches.where('expired_at', 'is', null).where('expires_at', '<', before)
  const removing = read.selectFrom('originals').where('collecting_at', '<', before)
  const pending = read.selectFrom('images').where('status', '=', 'pending')
  const waiting = await stuck(pending.select(overdue('uploaded_at')))
  const { sinceMs } = await read
    .selectFrom('developments')
    .select(sql<number | null>`${now} - max(finished_at)`.as('sinceMs'))
    .executeTakeFirstOrThrow()
  // Nothing was developed since the oldest came, or not for so long.
  const idleMs = Math.min(waiting.longestMs, sinceMs === null ? Infinity : Number(sinceMs))
  return {
    leaseGone: await stuck(claimed.select(overdue('lease_until'))),
    arriving: await stuck(unreceived.select(overdue('lease_until'))),
    disagreeing: await stuck(joined(read).where(disagree).select(overdue('images.uploaded_at'))),
    unexpired: await stuck(unexpired.select(overdue('expires_at'))),
    removing: await stuck(removing.select(overdue('collecting_at'))),
    waiting: idleMs > overdueMs ? { count: waiting.count, longestMs: idleMs } : { count: 0, longestMs: 0 },
  }
}

async function untangle(trx: Transaction<Schema>, now: Database['now']): Promise<Image[]> {
  const rows = await joined(trx).where(disagree).select(['images.id', 'developments.status', 'developments.code']).execute()
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

async function redevelop(trx: Transaction<Schema>, developments: { sha256: string; recipe: string }[]): Promise<Image[]> {
  const changed: Image[] = []
  for (const [recipe, group] of Map.groupBy(developments, (one) => one.recipe)) {
    // Sorted, so that two who do it lock rows in the same order.
    for (const slice of slices([...new Set(group.map(({ sha256 }) => sha256))].sort())) {
      const again = await trx
        .updateTable('developments')
        .set({ status: 'pending', finished_at: null, lease_token: null, lease_until: null, attempts: 0, code: null, error: null })
        .where('sha256', 'in', slice)
        .where('recipe', '=', recipe)
        .where(({ or, and, eb }) => or([eb('status', '=', 'completed'), and([eb('status', '=', 'error'), eb('code', 'in', LOST)])]))
        .returning('sha256')
        .execute()
      if (again.length === 0) continue
      const rows = await trx
        .updateTable('images')
        .set({ status: 'pending', finished_at: null, code: null })
        .where(
          'sha256',
          'in',
          again.map(({ sha256 }) => sha256),
        )
        .where('recipe', '=', recipe)
        .where('status', 'in', ['completed', 'error'])
        .returning(IMAGE_COLUMNS)
        .execute()
      changed.push(...rows.map((row) => toImage(row, null, null)))
    }
  }
  return changed
}

async function giveUp(trx: Transaction<Schema>, now: Database['now'], hashes: string[], failure: Failure): Promise<Image[]> {
  const changed: Image[] = []
  for (const slice of slices([...new Set(hashes)].sort())) {
    const originals = await used(trx).where('sha256', 'in', slice).execute()
    if (originals.length === 0) continue
    const lost = originals.map(({ sha256 }) => sha256)
    await trx
      .updateTable('developments')
      .set({ status: 'error', finished_at: now, lease_token: null, lease_until: null, attempts: 0, ...failure })
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
      return withDevelopments(read, await rows.execute())
    },
    async sampleOriginals(limit) {
      // Hashes are random: the first are as good a sample as any.
      const rows = used(read)
        .where(({ not, exists, selectFrom }) =>
          not(
            exists(
              selectFrom('developments')
                .select('developments.sha256')
                .whereRef('developments.sha256', '=', 'originals.sha256')
                .where('developments.status', '=', 'error')
                .where('developments.code', 'in', LOST),
            ),
          ),
        )
        .orderBy('sha256')
        .limit(limit)
      return (await rows.execute()).map(({ sha256 }) => sha256)
    },
    async original(sha256) {
      const [found] = await withDevelopments(read, await used(read).where('sha256', '=', sha256).execute())
      return found ?? null
    },
    recentlyCompleted: (withinMs, after, limit) => recentlyCompleted(read, withinMs, after, limit),
    stuck: (overdueMs) => stuckRows(database, overdueMs),
    untangle: () => change((trx) => untangle(trx, now)),
    redevelop: (developments) => change((trx) => redevelop(trx, developments)),
    giveUp: (hashes, failure) => change((trx) => giveUp(trx, now, hashes, failure)),
    markForDeletion: (originals) => change((trx) => markForDeletion(trx, now, originals)),
  }
}
