// Accounts in SQL, the same queries for both databases: users, sessions, keys, and the guesses that several servers count together.
import { sql } from 'kysely'
import { DAY_MS } from '../access.ts'
import type { Database } from '../db/schema.ts'
import type { AccountStore } from './account-store.ts'
import { sqlAttempts, sweepAttempts } from './limits/sql-attempts.ts'
import { holdersOfKeys, sqlKeys } from './keys/sql-keys.ts'
import { holdersOfSessions, living, sqlSessions } from './sessions/sql-sessions.ts'
import { sqlUsers } from './users/sql-users.ts'

/** Days of use that are kept. */
const USAGE_DAYS = 30

export function createSqlAccountStore(database: Database): AccountStore {
  const { write, now } = database

  return {
    ...sqlUsers(database),
    ...sqlSessions(database),
    ...sqlKeys(database),
    ...sqlAttempts(database),

    async whose(credentialIds, limits) {
      if (credentialIds.length === 0) return new Map()
      const holders = [...(await holdersOfSessions(database, credentialIds, limits)), ...(await holdersOfKeys(database, credentialIds))]
      return new Map(holders.map((principal) => [principal.credentialId, principal]))
    },

    async sweep(limits, attempts) {
      await sweepAttempts(database, attempts)
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
