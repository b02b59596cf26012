// The admin area: who has a development in hand and since when, who works, the pause, bulk jobs; and the indexes of its lists.
import { sql, type Kysely } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('developments').addColumn('started_at', 'bigint').execute()
  await db.schema.alterTable('developments').addColumn('worker', 'text').execute()
  // The last failures of a code, and when they were.
  await db.schema
    .createIndex('developments_failed')
    .on('developments')
    .columns(['code', 'finished_at'])
    .where(sql<boolean>`status = 'error'`)
    .execute()

  await db.schema
    .createTable('workers')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('kind', 'text', (c) => c.notNull())
    .addColumn('started_at', 'bigint', (c) => c.notNull())
    .addColumn('seen_at', 'bigint', (c) => c.notNull())
    .addColumn('concurrency', 'integer', (c) => c.notNull())
    .addColumn('busy', 'integer', (c) => c.notNull())
    .addColumn('developed', 'bigint', (c) => c.notNull())
    .execute()

  // One row at most.
  await db.schema
    .createTable('pauses')
    .addColumn('id', 'integer', (c) => c.primaryKey().check(sql`id = 1`))
    .addColumn('paused_by', 'text', (c) => c.notNull())
    .addColumn('reason', 'text', (c) => c.notNull())
    .addColumn('since_at', 'bigint', (c) => c.notNull())
    .addColumn('until_at', 'bigint', (c) => c.notNull())
    .execute()

  await db.schema
    .createTable('jobs')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('action', 'text', (c) => c.notNull())
    .addColumn('selection', 'text', (c) => c.notNull())
    .addColumn('state', 'text', (c) => c.notNull())
    .addColumn('seen', 'bigint', (c) => c.notNull().defaultTo(0))
    .addColumn('changed', 'bigint', (c) => c.notNull().defaultTo(0))
    .addColumn('total', 'bigint', (c) => c.notNull())
    .addColumn('cursor', 'text')
    .addColumn('step', 'text')
    .addColumn('actor', 'text', (c) => c.notNull())
    .addColumn('made_by', 'text', (c) => c.notNull())
    .addColumn('created_at', 'bigint', (c) => c.notNull())
    .addColumn('finished_at', 'bigint')
    .addColumn('error', 'text')
    .addColumn('lease_token', 'text')
    .addColumn('lease_until', 'bigint')
    .execute()
  await db.schema.createIndex('jobs_newest').on('jobs').columns(['created_at', 'id']).execute()
  await db.schema
    .createIndex('jobs_unfinished')
    .on('jobs')
    .columns(['created_at', 'id'])
    .where(sql<boolean>`finished_at is null`)
    .execute()

  // Throughput of the last hour.
  await db.schema
    .createIndex('images_finished')
    .on('images')
    .columns(['finished_at', 'status'])
    .where(sql<boolean>`finished_at is not null`)
    .execute()
  await db.schema
    .createIndex('images_by_code')
    .on('images')
    .columns(['code', 'uploaded_at', 'id'])
    .where(sql<boolean>`code is not null`)
    .execute()
  // Batches that still need a file.
  await db.schema
    .createIndex('declared_files_needed')
    .on('declared_files')
    .column('batch_id')
    .where(sql<boolean>`status = 'needed'`)
    .execute()
}
