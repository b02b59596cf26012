// API keys in SQL: looked up at each request by their hash; one that was revoked stays in the lists.
import { sql } from 'kysely'
import { SCOPES, scopesOf, type Principal, type Role, type Scope } from '../../access.ts'
import type { ApiKeysTable } from '../../db/tables/account-tables.ts'
import { compared, decodeCursor, toPage } from '../../db/keyset.ts'
import type { Database } from '../../db/schema.ts'
import type { Key, KeyStore } from './key-store.ts'
import { contains } from '../text-search.ts'
import { SEEN_EVERY_MS } from '../sessions/sql-sessions.ts'

const livingKeys = ({ read, now }: Database) =>
  read
    .selectFrom('api_keys')
    .innerJoin('users', 'users.id', 'api_keys.user_id')
    .select(['api_keys.id', 'api_keys.user_id', 'api_keys.scopes', 'users.role'])
    .where('api_keys.revoked_at', 'is', null)
    .where((eb) => eb.or([eb('api_keys.expires_at', 'is', null), eb('api_keys.expires_at', '>', now)]))
    .where('users.disabled_at', 'is', null)

function toPrincipal(row: { id: string; user_id: string; scopes: string; role: Role }): Principal & { credentialId: string } {
  const allowed = scopesOf(row.role)
  const scopes = new Set(toScopes(row.scopes).filter((scope) => allowed.includes(scope)))
  return { via: 'key', userId: row.user_id, role: row.role, scopes, credentialId: row.id }
}

/** Who has these keys; those that have ended are left out. */
export const holdersOfKeys = async (database: Database, ids: string[]) =>
  (await livingKeys(database).where('api_keys.id', 'in', ids).execute()).map(toPrincipal)

export function sqlKeys(database: Database): KeyStore {
  const { write, read, now } = database
  const withOwner = (db: typeof write) =>
    db.selectFrom('api_keys').innerJoin('users', 'users.id', 'api_keys.user_id').selectAll('api_keys').select('users.email')

  return {
    async addKey({ id, prefix, name, userId, scopes, expiresAt, tokenHash }) {
      await write
        .insertInto('api_keys')
        .values({
          id,
          prefix,
          name,
          user_id: userId,
          scopes: scopes.join(' '),
          token_hash: tokenHash,
          created_at: now,
          expires_at: expiresAt,
          last_used_at: null,
          revoked_at: null,
        })
        .execute()
      return toKey(await withOwner(write).where('api_keys.id', '=', id).executeTakeFirstOrThrow())
    },

    async whoseKey(tokenHash) {
      const row = await livingKeys(database)
        .select(sql<number | null>`${now} - api_keys.last_used_at`.as('unused_ms'))
        .where('api_keys.token_hash', '=', tokenHash)
        .executeTakeFirst()
      if (!row) return null
      if (row.unused_ms === null || row.unused_ms > SEEN_EVERY_MS) {
        await write.updateTable('api_keys').set({ last_used_at: now }).where('id', '=', row.id).execute()
      }
      return toPrincipal(row)
    },

    async listKeys(userId, { limit, cursor, q }) {
      let query = withOwner(read)
        .orderBy('api_keys.created_at', 'desc')
        .orderBy('api_keys.id', 'desc')
        .limit(limit + 1)
      if (userId !== null) query = query.where('api_keys.user_id', '=', userId)
      if (cursor !== undefined)
        query = query.where(compared(['api_keys.created_at', 'api_keys.id'], '<', decodeCursor(cursor, 'number,string')))
      if (q) query = query.where((eb) => eb.or([contains(eb.ref('users.email'), q), contains(eb.ref('api_keys.name'), q)]))
      return toPage(await query.execute(), limit, (row) => [row.created_at, row.id], toKey)
    },

    async revokeKey(id, userId) {
      let revoking = write
        .updateTable('api_keys')
        .set((eb) => ({ revoked_at: sql<number>`coalesce(${eb.ref('revoked_at')}, ${now})` }))
        .where('id', '=', id)
      if (userId !== null) revoking = revoking.where('user_id', '=', userId)
      const { numUpdatedRows } = await revoking.executeTakeFirst()
      if (!numUpdatedRows) return null
      return toKey(await withOwner(write).where('api_keys.id', '=', id).executeTakeFirstOrThrow())
    },
  }
}

const toScopes = (text: string): Scope[] => SCOPES.filter((scope) => text.split(' ').includes(scope))

const toKey = (row: ApiKeysTable & { email: string }): Key => ({
  id: row.id,
  prefix: row.prefix,
  name: row.name,
  userId: row.user_id,
  email: row.email,
  scopes: toScopes(row.scopes),
  createdAt: row.created_at,
  expiresAt: row.expires_at,
  lastUsedAt: row.last_used_at,
  revokedAt: row.revoked_at,
})
