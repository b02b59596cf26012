// Versions of the schema, in order. A migration that was released is never changed: another follows it.
import { sql, type Kysely } from 'kysely'
import { Migrator, type Migration } from 'kysely/migration'
import { StartError } from '../errors.ts'
import type { Schema } from './schema.ts'

/** Loaded where they are missing: a start on a database that is up to date needs no more than their names. */
const MIGRATIONS: Record<string, () => Promise<Migration>> = {
  '0001-journey': () => import('./migrations/0001-journey.ts'),
  '0002-leases': () => import('./migrations/0002-leases.ts'),
  '0003-ledger': () => import('./migrations/0003-ledger.ts'),
  '0004-owners': () => import('./migrations/0004-owners.ts'),
  '0005-accounts': () => import('./migrations/0005-accounts.ts'),
  '0006-counts-and-search': () => import('./migrations/0006-counts-and-search.ts'),
  '0007-admin': () => import('./migrations/0007-admin.ts'),
  '0008-quotas': () => import('./migrations/0008-quotas.ts'),
  '0009-last-failures': () => import('./migrations/0009-last-failures.ts'),
  '0010-known-store': () => import('./migrations/0010-known-store.ts'),
  '0011-bounds': () => import('./migrations/0011-bounds.ts'),
  '0012-renditions': () => import('./migrations/0012-renditions.ts'),
}

/** The newest version of the tables: the name of its migration. */
export const LATEST = Object.keys(MIGRATIONS).at(-1)!

async function getMigrations(): Promise<Record<string, Migration>> {
  const loaded = Object.entries(MIGRATIONS).map(([name, load]): [string, Migration] => [name, { up: async (db) => (await load()).up(db) }])
  return Object.fromEntries(loaded)
}

/** `latest` and a name run what is missing, up to there; `as it is` takes only what this program knows, and runs nothing. */
export type SchemaVersion = 'latest' | 'as it is' | { upTo: string }

/** All in one transaction. Returns the names of what ran. Throws StartError where `as it is` or a name is not to be had. */
export async function bringUpTo(db: Kysely<Schema>, version: SchemaVersion): Promise<string[]> {
  if (version === 'as it is') return checkVersion(db)
  const migrator = new Migrator({ db, provider: { getMigrations } })
  if (version !== 'latest') {
    if (!(version.upTo in MIGRATIONS)) throw new StartError(`${NEWER} (${version.upTo}).`)
    const beyond = (await migrator.getMigrations()).find(({ name, executedAt }) => executedAt && name > version.upTo)
    if (beyond) throw new StartError(`The database is of a newer version than the rows (${beyond.name}): restore into a new one.`)
  }
  const { error, results = [] } = await (version === 'latest' ? migrator.migrateToLatest() : migrator.migrateTo(version.upTo))
  if (error !== undefined) throw error as Error
  return results.map((result) => result.migrationName)
}

const NEWER = 'The rows are of a newer version of Calotype than this one'

/** Names of what has run on it, in order. */
export async function ranMigrations(db: Kysely<Schema>): Promise<string[]> {
  const { rows } = await sql<{ name: string }>`select name from kysely_migration order by name`.execute(db)
  return rows.map(({ name }) => name)
}

// As SQLite and PostgreSQL say it.
const NO_TABLE = /no such table|relation "kysely_migration" does not exist/

async function checkVersion(db: Kysely<Schema>): Promise<string[]> {
  const ran = await ranMigrations(db).catch((error: unknown) => {
    if (!NO_TABLE.test((error as Error).message)) throw error
    throw new StartError(
      'The database has no tables: no server ever ran on it, or its rows were lost. If there were any, put the newest backup back by `calotype restore`.',
      { cause: error },
    )
  })
  const unknown = ran.find((name) => !(name in MIGRATIONS))
  if (unknown) throw new StartError(`${NEWER} (${unknown}).`)
  const missing = Object.keys(MIGRATIONS).find((name) => !ran.includes(name))
  if (missing) throw new StartError(`The rows are of an older version of Calotype: run \`calotype migrate\` first (${missing} is missing).`)
  return []
}
