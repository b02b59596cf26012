// The archive of the rows on SQL: pages by primary key in one read transaction, bulk inserts in one that writes.
import { sql, type Kysely, type RawBuilder, type Transaction } from 'kysely'
import { ranMigrations } from '../../db/migrations.ts'
import type { Database, Schema } from '../../db/schema.ts'
import type { ArchivedRow, RowArchive, RowPage, Settling, TableName } from './row-archive.ts'

/** The primary key of each table, in this order: each refers to those before it only. */
const KEYS = {
  batches: ['id'],
  originals: ['sha256'],
  recipe_outputs: ['recipe', 'format', 'preset'],
  renditions: ['sha256', 'operation'],
  images: ['id'],
  declared_files: ['batch_id', 'file_index'],
  idempotency_keys: ['key'],
  users: ['id'],
  api_keys: ['id'],
  audit_log: ['id'],
} satisfies Record<TableName, string[]>
const TABLES = Object.keys(KEYS) as TableName[]

/** Bytes that are on their way, or on their way out, are in nobody's use, and not in a backup. */
const USED: Partial<Record<TableName, RawBuilder<unknown>>> = {
  originals: sql`released_at is null and collecting_at is null`,
  renditions: sql`exists (select 1 from originals where originals.sha256 = renditions.sha256 and released_at is null and collecting_at is null)`,
}

const PAGE = 500

async function* pagesOf(db: Kysely<Schema>, table: TableName): AsyncGenerator<RowPage> {
  const key = sql.join(KEYS[table].map((column) => sql.ref(column)))
  let after: RawBuilder<unknown> = sql`1 = 1`
  for (;;) {
    const where = sql`${after} and ${USED[table] ?? sql`1 = 1`}`
    const query = sql<ArchivedRow>`select * from ${sql.table(table)} where ${where} order by ${key} limit ${PAGE}`
    const { rows } = await query.execute(db)
    yield { table, rows }
    const last = rows.at(-1)
    if (!last || rows.length < PAGE) return
    after = sql`(${key}) > (${sql.join(KEYS[table].map((column) => last[column]))})`
  }
}

async function* allPages(db: Kysely<Schema>): AsyncGenerator<RowPage> {
  for (const table of TABLES) yield* pagesOf(db, table)
}

async function insert(trx: Transaction<Schema>, { table, rows }: RowPage) {
  const [first] = rows
  if (!first) return
  const columns = Object.keys(first)
  const again = table === 'recipe_outputs' ? sql` on conflict do nothing` : sql``
  const values = rows.map((row) => sql`(${sql.join(columns.map((column) => row[column] ?? null))})`)
  await sql`insert into ${sql.table(table)} (${sql.join(columns.map((column) => sql.ref(column)))}) values ${sql.join(values)}${again}`.execute(
    trx,
  )
}

export function createSqlRowArchive({ read, write, snapshot }: Database): RowArchive {
  return {
    snapshot: (body) =>
      snapshot(async (rows) => {
        const schema = (await ranMigrations(rows)).at(-1) ?? ''
        return body({ schema, pages: allPages(rows) })
      }),

    async isEmpty(tables) {
      // Recipes are the same wherever they are, and each server adds its own.
      for (const table of tables.filter((name) => name !== 'recipe_outputs')) {
        const { rows } = await sql`select 1 from ${sql.table(table)} limit 1`.execute(read)
        if (rows.length > 0) return false
      }
      return true
    },

    load: (pages, settles) =>
      write.transaction().execute(async (trx) => {
        for await (const page of pages) await insert(trx, page)
        if (settles) await settle(trx, settles)
      }),

    settle: (settling) => write.transaction().execute((trx) => settle(trx, settling)),
  }
}

async function settle(trx: Transaction<Schema>, { remakeAll }: Settling) {
  if (remakeAll) await trx.updateTable('renditions').set({ status: 'pending', bytes: null }).where('status', '=', 'completed').execute()
  await trx
    .updateTable('originals')
    .set({ status: 'pending', finished_at: null, lease_token: null, lease_until: null, attempts: 0 })
    .where('status', 'in', remakeAll ? ['processing', 'idle'] : ['processing'])
    .execute()
  await trx
    .updateTable('images')
    .set({ status: 'pending', finished_at: null })
    .where('status', 'in', remakeAll ? ['processing', 'completed'] : ['processing'])
    .execute()
}
