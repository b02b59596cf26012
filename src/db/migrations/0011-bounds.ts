// Bounds of what files cost before and beside their bytes: names as long as they are taken now, counts of what is refused and declared.
import { sql, type Kysely } from 'kysely'
import { cutName, MAX_NAME_BYTES } from '../../file-name.ts'

type Table = 'images' | 'declared_files'
interface Key {
  id: string
  file_index: number
}
interface Refused {
  name: string
  error: string
}

const decode = (text: string) => text.replaceAll('\uFFFF0', '\0').replaceAll('\uFFFF1', '\uFFFF')
const encode = (name: string) => name.replaceAll('\uFFFF', '\uFFFF1').replaceAll('\0', '\uFFFF0')

export async function up(db: Kysely<unknown>): Promise<void> {
  await cutNames(db, 'images')
  await cutNames(db, 'declared_files')
  await countRefused(db)
  await markAwaiting(db)
  for (const column of ['declared_files', 'declared_bytes']) {
    await db.schema
      .alterTable('usage_days')
      .addColumn(column, 'bigint', (c) => c.notNull().defaultTo(0))
      .execute()
  }
}

async function cutNames(db: Kysely<unknown>, table: Table): Promise<void> {
  const [id, index] = table === 'images' ? [sql.ref('id'), sql`0`] : [sql.ref('batch_id'), sql.ref('file_index')]
  const { rows: keys } = await sql<Key>`
    select ${id} as id, ${index} as file_index from ${sql.table(table)} where octet_length(name) > ${sql.lit(MAX_NAME_BYTES)}`.execute(db)
  // One by one: a name may be as large as thousands of others together.
  for (const key of keys) {
    const isRow = sql`${id} = ${key.id} and ${index} = ${key.file_index}`
    const { rows } = await sql<{ name: string }>`select name from ${sql.table(table)} where ${isRow}`.execute(db)
    for (const { name } of rows)
      await sql`update ${sql.table(table)} set name = ${encode(cutName(decode(name)))} where ${isRow}`.execute(db)
  }
}

/** Those that were refused stand in one text a batch, so that a batch could weigh hundreds of megabytes. */
async function countRefused(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('batches').addColumn('rejected_files', 'integer').execute()
  await sql`update batches set rejected_files = 0 where rejected = '[]'`.execute(db)
  const { rows } = await sql<{ id: string }>`select id from batches where rejected_files is null`.execute(db)
  for (const { id } of rows) {
    const { rows: batches } = await sql<{ rejected: string }>`select rejected from batches where id = ${id}`.execute(db)
    for (const { rejected } of batches) {
      const files = (JSON.parse(rejected) as Refused[]).map((file) => ({ ...file, name: cutName(file.name), error: cutName(file.error) }))
      await sql`update batches set rejected = ${JSON.stringify(files)}, rejected_files = ${files.length} where id = ${id}`.execute(db)
    }
  }
}

async function markAwaiting(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('batches').addColumn('awaits_files', 'integer').execute()
  await sql`
    update batches set awaits_files = 1 where declared is not null and expired_at is null and cancelled_at is null
      and exists (select 1 from declared_files where declared_files.batch_id = batches.id and declared_files.status = 'needed')`.execute(db)
  await db.schema
    .createIndex('batches_awaiting')
    .on('batches')
    .column('owner_id')
    .where(sql<boolean>`awaits_files = 1`)
    .execute()
}
