// The pause in SQL: one row, which the statement that claims work looks at (`claim-work.ts`).
import { sql } from 'kysely'
import type { PausesTable } from '../../db/tables/admin-tables.ts'
import type { Database } from '../../db/schema.ts'
import { decodeName, encodeName } from '../query-parts.ts'
import type { Pause, WorkPause } from './work-pause.ts'

const THE_ONE = 1

export function createSqlWorkPause({ read, write, now }: Database): WorkPause {
  return {
    async current() {
      const row = await read.selectFrom('pauses').selectAll().where('until_at', '>', now).executeTakeFirst()
      return row ? toPause(row) : null
    },

    async begin({ by, reason, ms }) {
      const times = { since_at: now, until_at: sql<number>`${now} + ${ms}` }
      const row = await write
        .insertInto('pauses')
        .values({ id: THE_ONE, paused_by: by, reason: encodeName(reason), ...times })
        .onConflict((conflict) => conflict.column('id').doUpdateSet({ paused_by: by, reason: encodeName(reason), ...times }))
        .returningAll()
        .executeTakeFirstOrThrow()
      return toPause(row)
    },

    async end() {
      const row = await write.deleteFrom('pauses').where('until_at', '>', now).returningAll().executeTakeFirst()
      return row ? toPause(row) : null
    },
  }
}

const toPause = ({ paused_by: by, reason, since_at: since, until_at: until }: PausesTable): Pause => ({
  by,
  reason: decodeName(reason),
  since,
  until,
})
