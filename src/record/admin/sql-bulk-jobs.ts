// Bulk jobs in SQL. A step is written down before it is done, so that one that was cut off is done again, and counted once.
import { sql } from 'kysely'
import { z } from 'zod'
import type { JobsTable } from '../../db/tables/admin-tables.ts'
import { compared, decodeCursor, toPage } from '../../db/keyset.ts'
import type { Database } from '../../db/schema.ts'
import { imageSelection, type BulkJob, type BulkJobs, type HeldJob, type JobLease } from './bulk-jobs.ts'

/** What the columns of a job hold as JSON. */
const content = z.object({ selection: imageSelection, actor: z.record(z.string(), z.unknown()), step: z.array(z.string()).nullable() })
const UNREADABLE = 'Another version of the server made this job, and this one can not tell which images it is about. Make it again.'

export function createSqlBulkJobs({ read, write, now, canSkipLocked }: Database): BulkJobs {
  const until = ({ ms }: JobLease) => sql<number>`${now} + ${ms}`
  const held = (id: string, token: string) => write.updateTable('jobs').where('id', '=', id).where('lease_token', '=', token)
  const free = { lease_token: null, lease_until: null }

  return {
    async add({ id, action, selection, total, by, actor }) {
      const row = await write
        .insertInto('jobs')
        .values({
          id,
          action,
          selection: JSON.stringify(selection),
          state: 'waiting',
          total,
          actor: JSON.stringify(actor),
          made_by: by,
          created_at: now,
        })
        .returningAll()
        .executeTakeFirstOrThrow()
      return toJob(row)
    },

    async get(id) {
      const row = await read.selectFrom('jobs').selectAll().where('id', '=', id).executeTakeFirst()
      return row ? toJob(row) : null
    },

    async list({ limit, cursor }) {
      const rows = await read
        .selectFrom('jobs')
        .selectAll()
        .$if(cursor !== undefined, (query) => query.where(compared(['created_at', 'id'], '<', decodeCursor(cursor!, 'number,string'))))
        .orderBy('created_at', 'desc')
        .orderBy('id', 'desc')
        // One more than asked for tells whether there is a next page.
        .limit(limit + 1)
        .execute()
      const { items: jobs, next } = toPage(rows, limit, (row) => [row.created_at, row.id], toJob)
      return { jobs, next }
    },

    async cancel(id) {
      const row = await write
        .updateTable('jobs')
        .set({ state: 'cancelled', finished_at: now })
        .where('id', '=', id)
        .where('finished_at', 'is', null)
        .returningAll()
        .executeTakeFirst()
      if (row) return { job: toJob(row), hasEnded: true }
      const before = await write.selectFrom('jobs').selectAll().where('id', '=', id).executeTakeFirst()
      return before ? { job: toJob(before), hasEnded: false } : null
    },

    async take(lease) {
      const mayBeTaken = read
        .selectFrom('jobs')
        .select('id')
        .where('finished_at', 'is', null)
        .where((eb) => eb.or([eb('lease_until', 'is', null), eb('lease_until', '<', now)]))
        .orderBy('created_at')
        .orderBy('id')
        .limit(1)
      // Nearly always there is none: an embedded database is not written to for that.
      if ((await mayBeTaken.execute()).length === 0) return null
      const row = await write
        .updateTable('jobs')
        .set({ state: 'running', lease_token: lease.token, lease_until: until(lease) })
        .where('id', 'in', canSkipLocked ? mayBeTaken.forUpdate().skipLocked() : mayBeTaken)
        .returningAll()
        .executeTakeFirst()
      if (!row) return null
      const job = toHeldJob(row)
      if (job) return job
      await held(row.id, lease.token)
        .set({ state: 'failed', error: UNREADABLE, finished_at: now, ...free })
        .execute()
      return null
    },

    async beginStep(id, lease, { seen, ids, cursor }) {
      const { numUpdatedRows } = await held(id, lease.token)
        .where('finished_at', 'is', null)
        .set(({ eb, ref }) => ({
          seen: eb(ref('seen'), '+', seen),
          cursor,
          step: JSON.stringify(ids),
          lease_until: until(lease),
        }))
        .executeTakeFirst()
      return numUpdatedRows > 0n
    },

    async endStep(id, lease, { changed, alsoSeen }) {
      const row = await held(id, lease.token)
        .set(({ eb, ref }) => ({
          changed: eb(ref('changed'), '+', changed),
          seen: eb(ref('seen'), '+', alsoSeen),
          step: null,
          lease_until: until(lease),
        }))
        .returning('finished_at')
        .executeTakeFirst()
      return row !== undefined && row.finished_at === null
    },

    async end(id, token, end) {
      const row = await held(id, token)
        .where('finished_at', 'is', null)
        .set({ state: end.state, error: end.state === 'failed' ? end.error : null, finished_at: now, ...free })
        .returningAll()
        .executeTakeFirst()
      return row ? toJob(row) : null
    },

    async giveBack(token) {
      await write.updateTable('jobs').set(free).where('finished_at', 'is', null).where('lease_token', '=', token).execute()
    },

    async reclaim() {
      await write.updateTable('jobs').set(free).where('finished_at', 'is', null).execute()
    },
  }
}

type Row = Omit<JobsTable, 'seen' | 'changed'> & { seen: number; changed: number }

const toJob = (row: Row): BulkJob => ({
  id: row.id,
  action: row.action,
  total: row.total,
  by: row.made_by,
  state: row.state,
  seen: row.seen,
  changed: row.changed,
  createdAt: row.created_at,
  finishedAt: row.finished_at,
  error: row.error,
})

/** Null for what this version can't read. */
function toHeldJob(row: Row): HeldJob | null {
  const read = content.safeParse({
    selection: JSON.parse(row.selection),
    actor: JSON.parse(row.actor),
    step: row.step === null ? null : JSON.parse(row.step),
  })
  if (!read.success) return null
  const { selection, actor, step: begun } = read.data
  return { ...toJob(row), selection, actor, cursor: row.cursor, begun }
}
