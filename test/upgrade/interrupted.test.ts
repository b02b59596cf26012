// A migration that ends midway, whatever ends it, leaves the tables as they were, so that the next start begins again.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { sql } from 'kysely'
import type { SchemaVersion } from '../../src/db/migrations.ts'
import { openPostgres } from '../../src/db/postgres/open-postgres.ts'
import { openSqlite } from '../../src/db/sqlite/open-sqlite.ts'
import type { Database } from '../../src/db/schema.ts'
import { createLog } from '../../src/log.ts'
import { withPostgres } from '../support/engines/databases.ts'

const BEFORE = { upTo: '0011-bounds' }

type Open = (version: SchemaVersion) => Promise<{ database: Database; migrated: string[] }>

async function execute(open: Open, version: SchemaVersion, statement: string): Promise<void> {
  const { database } = await open(version)
  await sql
    .raw(statement)
    .execute(database.write)
    .finally(() => database.close())
}

/** A table is in the way of the second that the migration makes. */
async function interruptAndRepeat(open: Open): Promise<void> {
  await execute(open, BEFORE, 'create table renditions (id integer)')
  await assert.rejects(open('latest'), /renditions/)
  await execute(open, BEFORE, 'drop table renditions')
  const { database, migrated } = await open('latest')
  await database.close()
  assert.deepEqual(migrated, ['0012-renditions'])
}

test('on SQLite, a migration that failed midway can be repeated', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'calotype-test-'))
  t.after(() => rmSync(folder, { recursive: true }))
  await interruptAndRepeat((version) => openSqlite(join(folder, 'calotype.sqlite'), { version }))
})

describe('on PostgreSQL through PgBouncer', () => {
  const { newDatabase } = withPostgres()
  let url: string
  before(async () => {
    url = await newDatabase()
  })

  test('a migration that failed midway can be repeated', () =>
    interruptAndRepeat((version) => openPostgres({ url, maxConnections: 2, log: createLog('error'), version })))
})
