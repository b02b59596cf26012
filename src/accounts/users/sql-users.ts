// Users in SQL: made, found, changed; the first of them by a link.
import { sql, type ExpressionBuilder, type Kysely, type Transaction } from 'kysely'
import { DAY_MS } from '../../access.ts'
import { retryConflicts } from '../../db/retry-conflicts.ts'
import type { UsersTable } from '../../db/tables/account-tables.ts'
import { compared, decodeCursor, toPage } from '../../db/keyset.ts'
import type { Database, Schema } from '../../db/schema.ts'
import { CalotypeError } from '../../errors.ts'
import type { NewUser, User, UserStore } from './user-store.ts'
import { contains } from '../text-search.ts'

export function sqlUsers({ write, read, now, isRemote }: Database): UserStore {
  async function insert(trx: Transaction<Schema> | typeof write, { passwordHash, ...user }: NewUser): Promise<User> {
    const row = await trx
      .insertInto('users')
      .values({
        ...user,
        email: user.email.toLowerCase(),
        password_hash: passwordHash,
        created_at: now,
        disabled_at: null,
        quota_bytes: null,
        quota_images: null,
      })
      .onConflict((conflict) => conflict.column('email').doNothing())
      .returningAll()
      .executeTakeFirst()
    if (!row) throw new CalotypeError('email_taken')
    return toUser({ ...row, used_bytes: null, used_images: null })
  }

  const withUsage = (db: Kysely<Schema>) =>
    db
      .selectFrom('users')
      .leftJoin('usage_days', (join) =>
        join.onRef('usage_days.user_id', '=', 'users.id').on('usage_days.day', '=', sql<number>`${now} / ${sql.lit(DAY_MS)}`),
      )
      .selectAll('users')
      .select(['usage_days.bytes as used_bytes', 'usage_days.images as used_images'])

  /** The sessions of a user, but one: what ends with a password or an account. */
  async function endSessions(trx: Transaction<Schema>, userId: string, exceptId: string | null): Promise<string[]> {
    let ending = trx.deleteFrom('sessions').where('user_id', '=', userId)
    if (exceptId !== null) ending = ending.where('id', '!=', exceptId)
    return (await ending.returning('id').execute()).map(({ id }) => id)
  }

  return {
    addUser: (user) => insert(write, user),

    addFirstUser: (user, tokenHash) =>
      retryConflicts(() =>
        write.transaction().execute(async (trx) => {
          // All links: of two that are used at the same moment, the second finds none.
          const links = await trx
            .deleteFrom('setup_tokens')
            .where((eb) =>
              eb.exists(
                eb
                  .selectFrom('setup_tokens as mine')
                  .select('mine.token_hash')
                  .where('mine.token_hash', '=', tokenHash)
                  .where('mine.expires_at', '>', now),
              ),
            )
            .returning('token_hash')
            .execute()
          const others = await trx.selectFrom('users').select('id').limit(1).execute()
          if (!links.some((link) => link.token_hash === tokenHash) || others.length > 0) throw new CalotypeError('setup_link_invalid')
          return insert(trx, user)
        }),
      ),

    async emailsOf(ids) {
      if (ids.length === 0) return new Map()
      const rows = await read.selectFrom('users').select(['id', 'email']).where('id', 'in', ids).execute()
      return new Map(rows.map(({ id, email }) => [id, email]))
    },

    hasUsers: async () => (await read.selectFrom('users').select('id').limit(1).execute()).length > 0,

    async getUser(id) {
      const row = await withUsage(read).where('users.id', '=', id).executeTakeFirst()
      return row ? toUser(row) : null
    },

    async findUser(email) {
      const row = await withUsage(read).where('users.email', '=', email).executeTakeFirst()
      return row ? { user: toUser(row), passwordHash: row.password_hash } : null
    },

    async listUsers({ limit, cursor, q }) {
      let query = withUsage(read)
        .orderBy('created_at', 'desc')
        .orderBy('id', 'desc')
        .limit(limit + 1)
      if (cursor !== undefined) query = query.where(compared(['created_at', 'id'], '<', decodeCursor(cursor, 'number,string')))
      if (q) query = query.where((eb) => eb.or([contains(eb.ref('email'), q), contains(eb.ref('name'), q)]))
      return toPage(await query.execute(), limit, (row) => [row.created_at, row.id], toUser)
    },

    changeUser: (id, { role, name, disabled, quota = {} }) =>
      retryConflicts(() =>
        write.transaction().execute(async (trx) => {
          // Held until the end, so that two administrators can't take the role from each other at the same moment.
          let holding = trx.selectFrom('users').select('id').where('role', '=', 'admin').where('disabled_at', 'is', null).orderBy('id')
          if (isRemote) holding = holding.forUpdate()
          const administrators = await holding.execute()
          const loses = role === 'member' || disabled === true
          if (loses && administrators.length === 1 && administrators[0]?.id === id) throw new CalotypeError('last_admin')
          await trx
            .updateTable('users')
            .set((eb) => ({
              ...(role !== undefined && { role }),
              ...(name !== undefined && { name }),
              ...(quota.bytes !== undefined && { quota_bytes: quota.bytes }),
              ...(quota.images !== undefined && { quota_images: quota.images }),
              ...(disabled !== undefined && {
                disabled_at: disabled ? sql<number>`coalesce(${eb.ref('disabled_at')}, ${now})` : null,
              }),
              id,
            }))
            .where('id', '=', id)
            .execute()
          const row = await withUsage(trx).where('users.id', '=', id).executeTakeFirst()
          if (!row) return null
          if (disabled !== true) return { user: toUser(row), ended: [] }
          const keys = await trx.selectFrom('api_keys').select('id').where('user_id', '=', id).where('revoked_at', 'is', null).execute()
          return { user: toUser(row), ended: [...(await endSessions(trx, id, null)), ...keys.map((key) => key.id)] }
        }),
      ),

    setPassword: ({ userId, passwordHash, exceptSessionId, revokeKeys }) =>
      write.transaction().execute(async (trx) => {
        await trx.updateTable('users').set({ password_hash: passwordHash }).where('id', '=', userId).execute()
        const endedSessions = await endSessions(trx, userId, exceptSessionId)
        const isWorking = (eb: ExpressionBuilder<Schema, 'api_keys'>) =>
          eb.and([
            eb('user_id', '=', userId),
            eb('revoked_at', 'is', null),
            eb.or([eb('expires_at', 'is', null), eb('expires_at', '>', now)]),
          ])
        if (revokeKeys) {
          const revoking = trx.updateTable('api_keys').set({ revoked_at: now }).where(isWorking)
          return { endedSessions, revokedKeys: await revoking.returning(['id', 'name']).execute(), activeKeys: 0 }
        }
        const active = await trx.selectFrom('api_keys').select('id').where(isWorking).execute()
        return { endedSessions, revokedKeys: [], activeKeys: active.length }
      }),

    isSetupToken: async (tokenHash) =>
      (await read
        .selectFrom('setup_tokens')
        .select('token_hash')
        .where('token_hash', '=', tokenHash)
        .where('expires_at', '>', now)
        .where(({ not, exists, selectFrom }) => not(exists(selectFrom('users').select('id'))))
        .executeTakeFirst()) !== undefined,

    async addSetupToken(tokenHash, lifetimeMs) {
      await write
        .insertInto('setup_tokens')
        .values({ token_hash: tokenHash, expires_at: sql<number>`${now} + ${lifetimeMs}` })
        .execute()
    },
  }
}

const toUser = (row: UsersTable & { used_bytes: number | null; used_images: number | null }): User => ({
  id: row.id,
  email: row.email,
  name: row.name,
  role: row.role,
  createdAt: row.created_at,
  disabledAt: row.disabled_at,
  quota: { bytes: row.quota_bytes, images: row.quota_images },
  usedToday: { bytes: row.used_bytes ?? 0, images: row.used_images ?? 0 },
})
