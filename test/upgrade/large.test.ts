// The migrations since 0009 on many rows of that schema, and how long they take. `npm run test:upgrade -- --rows 100000` is the long form.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { parseArgs } from 'node:util'
import { sql } from 'kysely'
import type { SchemaVersion } from '../../src/db/migrations.ts'
import { makeNamesIndex } from '../../src/db/name-search.ts'
import { openPostgres } from '../../src/db/open-postgres.ts'
import { openSqlite } from '../../src/db/open-sqlite.ts'
import type { Database } from '../../src/db/schema.ts'
import { createLog } from '../../src/log.ts'
import { withPostgres } from '../support/databases.ts'

const OLD = '0009-last-failures'
const SINCE = ['0010-known-store', '0011-bounds']
const MAX_NAME_BYTES = 1024
const IMAGES_A_BATCH = 50
/** Of so many, one has a name that is longer than today's; of so many batches, one had files that were refused; one is still open. */
const LONG_NAMED = 100
const REFUSING = 5
const REFUSED = 20
const OPEN = 10
const LONG_NAME = 'long/'.repeat(400)

const { values } = parseArgs({ options: { rows: { type: 'string', default: '1000' } }, strict: false })
const ROWS = Number(values.rows)
const BATCHES = ROWS / IMAGES_A_BATCH

type Open = (version: SchemaVersion) => Promise<{ database: Database; migrated: string[] }>

/** Images, each with its own original and development, in batches that were declared; as many declared files. Both databases know these statements. */
const fill = (count: number, into: string, columns: string, values: string) =>
  `with recursive numbers(n) as (select 0 union all select n + 1 from numbers where n < ${count - 1}) insert into ${into} (${columns}) select ${values} from numbers`

const refused = JSON.stringify(
  Array.from({ length: REFUSED }, () => ({ name: `${LONG_NAME}.txt`, code: 'unsupported_format', error: 'It is no image.' })),
)
const sha256 = `'sha256-' || n`
const batch = `'batch-' || (n / ${IMAGES_A_BATCH})`
const name = `case when n % ${LONG_NAMED} = 0 then '${LONG_NAME}' else '' end || n || '.jpg'`
const isOpen = `n / ${IMAGES_A_BATCH} % ${OPEN} = 0`
const STATEMENTS = [
  fill(
    BATCHES,
    'batches',
    'id, kind, created_at, received_at, rejected, declared, expires_at',
    `'batch-' || n, 'batch', n, n, case when n % ${REFUSING} = 0 then '${refused}' else '[]' end, ${IMAGES_A_BATCH}, 4102444800000`,
  ),
  fill(ROWS, 'originals', 'sha256, size', `${sha256}, 1000`),
  fill(ROWS, 'developments', 'sha256, recipe, format, status', `${sha256}, 'v1', 'jpeg', 'completed'`),
  fill(
    ROWS,
    'images',
    'id, batch_id, batch_index, name, format, size, sha256, recipe, status, uploaded_at, finished_at',
    `'image-' || n, ${batch}, n % ${IMAGES_A_BATCH}, ${name}, 'jpeg', 1000, ${sha256}, 'v1', 'completed', n, n`,
  ),
  fill(
    ROWS,
    'declared_files',
    'batch_id, file_index, name, size, status',
    `${batch}, n % ${IMAGES_A_BATCH}, ${name}, 1000, case when ${isOpen} then 'needed' else 'received' end`,
  ),
]

/** `index` makes what a start makes beside the migrations. */
function testOn(open: Open, index?: (database: Database) => Promise<void>): void {
  test(`0010 and 0011 on ${ROWS} images and as many declared files`, async (t) => {
    const old = await open({ upTo: OLD })
    try {
      for (const statement of STATEMENTS) await sql.raw(statement).execute(old.database.write)
      await index?.(old.database)
    } finally {
      await old.database.close()
    }
    const startedAt = performance.now()
    const { database, migrated } = await open({ upTo: SINCE.at(-1)! })
    const tookMs = performance.now() - startedAt
    try {
      assert.deepEqual(migrated, SINCE)
      const look = async (table: string, columns: string[]) => {
        const named = columns.map((column, at) => `${column} as v${at}`).join(', ')
        const { rows } = await sql.raw<Record<string, number>>(`select ${named} from ${table}`).execute(database.read)
        return columns.map((_, at) => Number(rows[0]![`v${at}`]))
      }
      const marked = `sum(case when name like 'long/%….jpg' then 1 else 0 end)`
      for (const table of ['images', 'declared_files'])
        assert.deepEqual(
          await look(table, ['count(*)', 'max(octet_length(name))', marked]),
          [ROWS, MAX_NAME_BYTES, ROWS / LONG_NAMED],
          table,
        )
      assert.deepEqual(await look('batches', ['count(*)', 'count(rejected_files)', 'sum(rejected_files)', 'sum(awaits_files)']), [
        BATCHES,
        BATCHES,
        (BATCHES / REFUSING) * REFUSED,
        BATCHES / OPEN,
      ])
      t.diagnostic(
        `0010 and 0011 took ${Math.round(tookMs)} ms on ${ROWS} images, ${ROWS} declared files and ${BATCHES} batches, with opening the database`,
      )
    } finally {
      await database.close()
    }
  })
}

describe('on SQLite', () => {
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'calotype-rows-'))
  })
  after(() => rm(folder, { recursive: true, force: true }))
  testOn((version) => openSqlite(join(folder, 'calotype.sqlite'), { version }))
})

describe('on PostgreSQL through PgBouncer', () => {
  const { newDatabase } = withPostgres()
  let url: string
  before(async () => {
    url = await newDatabase()
  })
  testOn(
    (version) => openPostgres({ url, maxConnections: 2, log: createLog('error'), version }),
    ({ write }) => write.transaction().execute(makeNamesIndex),
  )
})
