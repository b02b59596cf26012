// Counts and names of rows that were there before them; counts that somebody has spoiled.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, test } from 'node:test'
import { openSqlite } from '../../src/db/sqlite/open-sqlite.ts'
import { createSqlRecords } from '../../src/record/sql-records.ts'

let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'calotype-test-'))
})
after(() => rm(folder, { recursive: true }))

test('rows of an earlier version are counted, and found by their names; spoiled counts are counted anew', async () => {
  const path = join(folder, 'calotype.sqlite')
  const { database: earlier } = await openSqlite(path, { version: { upTo: '0005-accounts' } })
  await earlier.close()
  const rows = new DatabaseSync(path)
  rows.exec(`
    insert into batches (id, kind, created_at, received_at, rejected) values ('b', 'batch', 1, 1, '[]');
    insert into originals (sha256, size) values ('1', 10), ('2', 20);
    insert into developments (sha256, recipe, format, status, code, finished_at)
      values ('1', 'v1', 'jpeg', 'error', 'invalid_image', 5), ('2', 'v1', 'jpeg', 'completed', null, 6);
    insert into images (id, batch_id, owner_id, batch_index, name, format, size, sha256, recipe, status, uploaded_at, finished_at) values
      ('x', 'b', 'ann', 0, 'Sunset.jpg', 'jpeg', 10, '1', 'v1', 'error', 1, 5), ('y', 'b', null, 1, 'b.jpg', 'jpeg', 20, '2', 'v1', 'completed', 2, 6);
    insert into declared_files (batch_id, file_index, name, size, status) values ('b', 2, 'c.jpg', 1, 'needed'), ('b', 0, 'a', 1, 'received')`)
  rows.close()

  const { database, migrated } = await openSqlite(path)
  try {
    assert.ok(migrated.includes('0006-counts-and-search'))
    const records = createSqlRecords(database)
    assert.deepEqual(await records.counts.differences(), [])
    assert.equal(await records.images.count({}, null), 2)
    assert.equal(await records.images.count({ status: 'error' }, 'ann'), 1)
    assert.equal((await records.images.get('x', 'ann'))?.failure?.code, 'invalid_image')
    assert.deepEqual(
      (await records.images.list({ q: 'sunset', sort: 'newest', limit: 10 }, null)).images.map(({ id }) => id),
      ['x'],
    )
    const { counts } = (await records.batches.get('b', null))!
    assert.deepEqual([counts.error, counts.completed, counts.needed], [1, 1, 1])
    assert.deepEqual(await records.counts.recount(), [])

    const spoiling = new DatabaseSync(path)
    spoiling.exec("update image_counts set images = 7 where owner_id = 'ann'; delete from batch_counts where status = 'needed'")
    spoiling.close()
    const differences = [
      { of: 'images of ann, error (invalid_image)', kept: 7, counted: 1 },
      { of: 'files of batch b, needed', kept: 0, counted: 1 },
    ]
    assert.deepEqual(await records.counts.differences(), differences)
    assert.deepEqual(await records.counts.recount(), differences)
    assert.deepEqual(await records.counts.differences(), [])
    assert.equal(await records.images.count({ status: 'error' }, 'ann'), 1)
  } finally {
    await database.close()
  }
})
