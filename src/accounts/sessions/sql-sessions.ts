// Sessions in SQL: looked up at each request by the hash of their token, written at most once a minute.
import { sql, type ExpressionBuilder } from 'kysely'
import { scopesOf, type Principal, type Role } from '../../access.ts'
import type { Database, Schema } from '../../db/schema.ts'
import type { SessionLimits, SessionStore } from './session-store.ts'

/** How old a last use may be before it is written again. */
export const SEEN_EVERY_MS = 60_000

/** Of a session: not yet at either of its ends. */
export const living =
  ({ now }: Database, { idleMs, maxMs }: SessionLimits) =>
  (eb: ExpressionBuilder<Schema, 'sessions'>) =>
    eb.and([
      eb('sessions.expires_at', '>', now),
      // A limit that was made shorter counts for sessions that were there before.
      eb('sessions.created_at', '>', sql<number>`${now} - ${maxMs}`),
      eb('sessions.last_seen_at', '>', sql<number>`${now} - ${idleMs}`),
    ])

const livingSessions = (database: Database, limits: SessionLimits) =>
  database.read
    .selectFrom('sessions')
    .innerJoin('users', 'users.id', 'sessions.user_id')
    .select(['sessions.id', 'sessions.user_id', 'users.role'])
    .where(living(database, limits))
    .where('users.disabled_at', 'is', null)

const toPrincipal = ({ id, user_id, role }: { id: string; user_id: string; role: Role }): Principal & { credentialId: string } => ({
  via: 'session',
  userId: user_id,
  role,
  scopes: new Set(scopesOf(role)),
  credentialId: id,
})

/** Who has these sessions; those that have ended are left out. */
export const holdersOfSessions = async (database: Database, ids: string[], limits: SessionLimits) =>
  (await livingSessions(database, limits).where('sessions.id', 'in', ids).execute()).map(toPrincipal)

export function sqlSessions(database: Database): SessionStore {
  const { write, read, now } = database
  return {
    async addSession({ id, userId, address, userAgent, tokenHash }, { maxMs }) {
      await write
        .insertInto('sessions')
        .values({
          id,
          user_id: userId,
          address,
          user_agent: userAgent,
          token_hash: tokenHash,
          created_at: now,
          last_seen_at: now,
          expires_at: sql<number>`${now} + ${maxMs}`,
        })
        .execute()
    },

    async whoseSession(tokenHash, limits) {
      const row = await livingSessions(database, limits)
        .select(sql<number>`${now} - sessions.last_seen_at`.as('unseen_ms'))
        .where('sessions.token_hash', '=', tokenHash)
        .executeTakeFirst()
      if (!row) return null
      if (row.unseen_ms > SEEN_EVERY_MS) await write.updateTable('sessions').set({ last_seen_at: now }).where('id', '=', row.id).execute()
      return toPrincipal(row)
    },

    async listSessions(userId, limits) {
      const rows = await read
        .selectFrom('sessions')
        .selectAll()
        .where('user_id', '=', userId)
        .where(living(database, limits))
        .orderBy('created_at', 'desc')
        .orderBy('id', 'desc')
        .execute()
      return rows.map((row) => ({
        id: row.id,
        userId: row.user_id,
        createdAt: row.created_at,
        lastSeenAt: row.last_seen_at,
        expiresAt: row.expires_at,
        address: row.address,
        userAgent: row.user_agent,
      }))
    },

    async endSession(id, userId) {
      const { numDeletedRows } = await write.deleteFrom('sessions').where('id', '=', id).where('user_id', '=', userId).executeTakeFirst()
      return numDeletedRows > 0n
    },
  }
}
