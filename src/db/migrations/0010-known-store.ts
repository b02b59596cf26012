// The store that the database belongs to, and whether bytes may be deleted from it: a table of one row at most.
import { sql, type Kysely } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('known_store')
    .addColumn('id', 'integer', (c) => c.primaryKey().check(sql`id = 1`))
    .addColumn('run_id', 'text')
    .addColumn('accepted_at', 'bigint')
    .addColumn('halted_at', 'bigint')
    .addColumn('halt_reason', 'text')
    .addColumn('unknown_originals', 'bigint')
    .addColumn('unknown_bytes', 'bigint')
    .addColumn('oldest_at', 'bigint')
    .addColumn('newest_at', 'bigint')
    .execute()
}
