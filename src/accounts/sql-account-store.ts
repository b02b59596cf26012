// Accounts in SQL, the same queries for both databases: users, sessions, keys, and the guesses that several servers count together.
import { sql } from 'kysely'
import { DAY_MS } from '../access.ts'
import type { Database } from '../db/schema.ts'
import type { AccountStore } from './account-store.ts'
import { sqlKeys } from './sql-keys.ts'
import { living, sqlSessions } from './sql-sessions.ts'
import { sqlUsers } from './sql-users.ts'

/** Days of use that are kept. */
const USAGE_DAYS = 30

export function createSqlAccountStore(database: Database): AccountStore {
  const { write, read, now } = database

  const countSince = (subject: string, windowMs: number) =>
    write
      .selectFrom('login_attempts')
      .select(sql<number>`at - (${now} - ${windowMs})`.as('leaves_in_ms'))
      .where('subject', '=', subject)
      .where('at', '>', sql<number>`${now} - ${windowMs}`)
      .orderBy('at', 'desc')

  return {
    ...sqlUsers(database),
    ...sqlSessions(database),
    ...sqlKeys(database),

    async endedOf(credentialIds, limits) {
      if (credentialIds.length === 0) return []
      const sessions = await read
        .selectFrom('sessions')
        .innerJoin('users', 'users.id', 'sessions.user_id')
        .select('sessions.id')
        .where('sessions.id', 'in', credentialIds)
        .where(living(database, limits))
        .where('users.disabled_at', 'is', null)
        .execute()
      const keys = await read
        .selectFrom('api_keys')
        .innerJoin('users', 'users.id', 'api_keys.user_id')
        .select('api_keys.id')
        .where('api_keys.id', 'in', credentialIds)
        .where('api_keys.revoked_at', 'is', null)
        .where((eb) => eb.or([eb('api_keys.expires_at', 'is', null), eb('api_keys.expires_at', '>', now)]))
        .where('users.disabled_at', 'is', null)
        .execute()
      const alive = new Set([...sessions, ...keys].map(({ id }) => id))
      return credentialIds.filter((id) => !alive.has(id))
    },

    async countAttempt(id, limits, windowMs) {
      await write
        .insertInto('login_attempts')
        .values(limits.map(({ subject }) => ({ attempt_id: id, subject, at: now })))
        .execute()
      let waitMs = 0
      for (const { subject, most } of limits) {
        // With this one. The oldest of those that are one too many has to leave the window first.
        const rows = await countSince(subject, windowMs)
          .limit(most + 1)
          .execute()
        if (rows.length > most) waitMs = Math.max(waitMs, rows.at(-1)!.leaves_in_ms)
      }
      if (waitMs === 0) return null
      await write.deleteFrom('login_attempts').where('attempt_id', '=', id).execute()
      return Math.max(1, Math.ceil(waitMs / 1000))
    },

    async forgive(attemptId, subject) {
      await write
        .deleteFrom('login_attempts')
        .where((eb) => eb.or([eb('attempt_id', '=', attemptId), eb('subject', '=', subject)]))
        .execute()
    },

    async sweep(limits, windowMs) {
      await write
        .deleteFrom('login_attempts')
        .where('at', '<=', sql<number>`${now} - ${windowMs}`)
        .execute()
      await write
        .deleteFrom('sessions')
        .where((eb) => eb.not(living(database, limits)(eb)))
        .execute()
      await write.deleteFrom('setup_tokens').where('expires_at', '<=', now).execute()
      await write
        .deleteFrom('usage_days')
        .where('day', '<', sql<number>`${now} / ${sql.lit(DAY_MS)} - ${USAGE_DAYS}`)
        .execute()
    },
  }
}
