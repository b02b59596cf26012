// Bounds that an upgrade brings to rows of before, and that keep open batches to a number; on each database.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { sql } from 'kysely'
import { v7 as uuidv7 } from 'uuid'
import { openPostgres } from '../../src/db/postgres/open-postgres.ts'
import { openSqlite } from '../../src/db/sqlite/open-sqlite.ts'
import type { Database } from '../../src/db/schema.ts'
import { createLog } from '../../src/log.ts'
import { createSqlRecords } from '../../src/record/sql-records.ts'
import { RECIPE } from '../../src/rendition/presets.ts'
import { onEachDatabase, withPostgres } from '../support/engines/databases.ts'

const BEFORE = { upTo: '0009-last-failures' }
const [BATCH, DECLARED, IMAGE] = [uuidv7(), uuidv7(), uuidv7()]
const LONG = `${'\u0001'.repeat(60_000)}.jpg`
const WITH_NUL = '\uFFFF0'.repeat(600)

/** As the version before wrote them. */
async function writeRows({ write }: Database): Promise<void> {
  const rejected = JSON.stringify([{ name: LONG, code: 'empty_file', error: 'x', index: 1 }])
  const hash = 'ab'.repeat(32)
  for (const statement of [
    sql`insert into batches (id, kind, created_at, received_at, rejected) values (${BATCH}, 'batch', 1, 2, ${rejected})`,
    sql`insert into batches (id, kind, created_at, received_at, rejected, declared, expires_at)
      values (${DECLARED}, 'batch', 1, 2, '[]', 1, 99999999999999)`,
    sql`insert into originals (sha256, size) values (${hash}, 5)`,
    sql`insert into developments (sha256, recipe, format, status) values (${hash}, 'v1', 'jpeg', 'pending')`,
    sql`insert into images (id, batch_id, batch_index, name, format, size, sha256, recipe, status, uploaded_at)
      values (${IMAGE}, ${BATCH}, 0, ${LONG}, 'jpeg', 5, ${hash}, 'v1', 'pending', 3)`,
    sql`insert into declared_files (batch_id, file_index, name, size, status) values (${DECLARED}, 0, ${WITH_NUL}, 5, 'needed')`,
  ])
    await statement.execute(write)
}

async function upgraded(open: (version: 'latest' | typeof BEFORE) => Promise<{ database: Database; migrated: string[] }>) {
  const before = await open(BEFORE)
  await writeRows(before.database)
  await before.database.close()
  const { database, migrated } = await open('latest')
  try {
    assert.ok(migrated.includes('0011-bounds'))
    const records = createSqlRecords(database)
    const cut = `${'\u0001'.repeat(1_017)}….jpg`
    assert.equal((await records.images.get(IMAGE, null))?.name, cut)
    const { batches } = await records.batches.list({ limit: 10 }, null)
    assert.deepEqual(batches.find(({ id }) => id === BATCH)?.counts.rejected, 1)
    const named = async (batchId: string) =>
      (await records.batches.listFiles({ batchId, status: 'all', limit: 10 }, null))?.files.map(({ name }) => name)
    assert.deepEqual(await named(BATCH), [cut, cut])
    assert.deepEqual(await named(DECLARED), [`${'\0'.repeat(255)}…`])
    // A search by name still knows what it has.
    assert.equal((await records.images.list({ sort: 'newest', limit: 10, q: '….jpg' }, null)).images.length, 1)
    const { rows } = await sql<{ id: string }>`select id from batches where awaits_files = 1`.execute(database.read)
    assert.deepEqual(rows, [{ id: DECLARED }])
  } finally {
    await database.close()
  }
}

describe('names of before', () => {
  test('are cut on SQLite', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'calotype-rows-'))
    try {
      await upgraded((version) => openSqlite(join(folder, 'calotype.sqlite'), { version }))
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  describe('on PostgreSQL', () => {
    const { newDatabase } = withPostgres()
    test('are cut', async () => {
      const url = await newDatabase()
      await upgraded((version) => openPostgres({ url, maxConnections: 2, log: createLog('error'), version }))
    })
  })
})

onEachDatabase('open batches', (open) => {
  test('are so many at most, of one owner; those that are complete are none', async () => {
    const { database, close } = await open()
    try {
      const records = createSqlRecords(database)
      const declare = (ownerId: string | null) =>
        records.batches.declare({
          batchId: uuidv7(),
          files: [{ name: 'a.jpg', size: 5, sha256: null, refusal: null }],
          ttlMs: 60_000,
          ownerId,
          sees: ownerId,
          recipe: RECIPE,
        })
      await declare('ann')
      await sql`insert into batches (id, kind, owner_id, created_at, received_at, rejected, declared, expires_at, awaits_files)
        with recursive number(n) as (select 1 union all select n + 1 from number where n < 1999)
        select 'more-' || n, kind, owner_id, created_at, received_at, rejected, declared, expires_at, awaits_files
        from batches, number`.execute(database.write)
      await sql`insert into declared_files (batch_id, file_index, name, size, status)
        select id, 0, 'a.jpg', 5, 'needed' from batches where id like 'more-%'`.execute(database.write)
      await assert.rejects(declare('ann'), { code: 'too_many_open_batches' })
      await declare('bob')
      await declare(null)
      await sql`update declared_files set status = 'rejected', code = 'empty_file' where batch_id = 'more-7'`.execute(database.write)
      await declare('ann')
      await assert.rejects(declare('ann'), { code: 'too_many_open_batches' })
      await records.batches.cancel('more-8', 'ann')
      await declare('ann')
      // The sweep tells those that are complete.
      await records.batches.expireDeclared()
      const { rows } = await sql<{ n: number }>`select count(*) as n from batches where awaits_files = 1 and id = 'more-7'`.execute(
        database.read,
      )
      assert.equal(Number(rows[0]!.n), 0)
    } finally {
      await close()
    }
  })
})
