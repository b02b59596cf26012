// The migrations since 0009 on many rows of that schema, and how long they take. `npm run test:upgrade -- --rows 100000` is the long form.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { sql } from 'kysely'
import type { SchemaVersion } from '../../src/db/migrations.ts'
import { makeNamesIndex } from '../../src/db/name-search.ts'
import { openPostgres } from '../../src/db/postgres/open-postgres.ts'
import { openSqlite } from '../../src/db/sqlite/open-sqlite.ts'
import type { Database } from '../../src/db/schema.ts'
import { createLog } from '../../src/log.ts'
import { withPostgres } from '../support/engines/databases.ts'

const OLD = '0009-last-failures'
const SINCE = ['0010-known-store', '0011-bounds', '0012-renditions']
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
  fill(
    ROWS,
    'developments',
    'sha256, recipe, format, status, finished_at, width, height, image_size, thumbnail_size, thumbhash',
    `${sha256}, 'v1', 'jpeg', 'completed', n, 1500, 1000, 200000, 9000, 'abcd'`,
  ),
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

/** Milliseconds after which a program that migrates is killed, the first time and the second. */
const KILLED_AFTER_MS = [400, 900]

/** Begins to bring it up to date, and is killed. */
async function beginAndDie(at: string[], afterMs: number): Promise<void> {
  const program = spawn(process.execPath, [join(import.meta.dirname, 'open-latest.ts'), ...at], { stdio: 'ignore' })
  const ended = once(program, 'exit')
  await Promise.race([ended, wait(afterMs)])
  program.kill('SIGKILL')
  await ended
}

/** `at`: for a program that opens the same. `index` makes what a start makes beside the migrations. */
function testOn(open: Open, at: () => string[], index?: (database: Database) => Promise<void>): void {
  test(`the migrations since ${OLD}, killed twice, on ${ROWS} images and as many declared files`, async (t) => {
    const old = await open({ upTo: OLD })
    try {
      for (const statement of STATEMENTS) await sql.raw(statement).execute(old.database.write)
      await index?.(old.database)
    } finally {
      await old.database.close()
    }
    for (const afterMs of KILLED_AFTER_MS) await beginAndDie(at(), afterMs)
    const startedAt = performance.now()
    const { database, migrated } = await open({ upTo: SINCE.at(-1)! })
    const tookMs = performance.now() - startedAt
    try {
      // Each is there whole or not at all; a small database may be done before it is killed.
      assert.deepEqual(migrated, SINCE.slice(SINCE.length - migrated.length))
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
      assert.deepEqual(
        await look('renditions', ['count(*)', 'sum(bytes)', `sum(case when operation = 'w1500.p1.jpg' then width else 0 end)`]),
        [2 * ROWS, 209_000 * ROWS, 1500 * ROWS],
      )
      assert.deepEqual(await look('originals', ['count(*)', `sum(case when status = 'idle' and thumbhash = 'abcd' then 1 else 0 end)`]), [
        ROWS,
        ROWS,
      ])
      await assert.rejects(look('developments', ['count(*)']))
      t.diagnostic(
        `${migrated.join(', ')} took ${Math.round(tookMs)} ms on ${ROWS} images, ${ROWS} declared files and ${BATCHES} batches, with opening the database`,
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
  testOn(
    (version) => openSqlite(join(folder, 'calotype.sqlite'), { version }),
    () => ['sqlite', join(folder, 'calotype.sqlite')],
  )
})

describe('on PostgreSQL through PgBouncer', () => {
  const { newDatabase } = withPostgres()
  let url: string
  before(async () => {
    url = await newDatabase()
  })
  testOn(
    (version) => openPostgres({ url, maxConnections: 2, log: createLog('error'), version }),
    () => ['postgres', url],
    ({ write }) => write.transaction().execute(makeNamesIndex),
  )
})
