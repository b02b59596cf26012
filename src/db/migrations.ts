// Versions of the schema, in order. A migration that was released is never changed: another follows it.
import type { Kysely } from 'kysely'
import { Migrator, type Migration } from 'kysely/migration'
import type { Schema } from './schema.ts'
import * as journey from './migrations/0001-journey.ts'
import * as leases from './migrations/0002-leases.ts'
import * as ledger from './migrations/0003-ledger.ts'
import * as owners from './migrations/0004-owners.ts'
import * as accounts from './migrations/0005-accounts.ts'
import * as admin from './migrations/0007-admin.ts'

const MIGRATIONS: Record<string, Migration> = {
  '0001-journey': journey,
  '0002-leases': leases,
  '0003-ledger': ledger,
  '0004-owners': owners,
  '0005-accounts': accounts,
  '0007-admin': admin,
}

const migratorOf = (db: Kysely<Schema>) => new Migrator({ db, provider: { getMigrations: async () => MIGRATIONS } })

/** Whether nothing is missing. */
export async function isUpToDate(db: Kysely<Schema>): Promise<boolean> {
  return (await migratorOf(db).getMigrations()).every(({ executedAt }) => executedAt !== undefined)
}

/** Runs what is missing, each in a transaction, and returns the names of what ran. */
export async function migrateToLatest(db: Kysely<Schema>): Promise<string[]> {
  const { error, results = [] } = await migratorOf(db).migrateToLatest()
  if (error !== undefined) throw error as Error
  return results.map((result) => result.migrationName)
}
