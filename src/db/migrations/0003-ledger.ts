// The ledger: files that were declared before they are sent.
import { sql, type Kysely } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('batches').addColumn('declared', 'integer').execute()
  await db.schema.alterTable('batches').addColumn('expires_at', 'bigint').execute()
  await db.schema.alterTable('batches').addColumn('expired_at', 'bigint').execute()
  await db.schema.alterTable('batches').addColumn('cancelled_at', 'bigint').execute()
  await db.schema.alterTable('batches').addColumn('empty_since', 'bigint').execute()
  await db.schema.createIndex('batches_newest').on('batches').columns(['created_at', 'id']).execute()
  // Those the sweep has yet to look at: not every one there ever was.
  await db.schema
    .createIndex('batches_expiring')
    .on('batches')
    .column('expires_at')
    .where(sql<boolean>`expires_at is not null and expired_at is null`)
    .execute()
  await db.schema
    .createIndex('batches_empty')
    .on('batches')
    .column('empty_since')
    .where(sql<boolean>`empty_since is not null`)
    .execute()

  await db.schema
    .createTable('declared_files')
    .addColumn('batch_id', 'text', (c) => c.notNull().references('batches.id').onDelete('cascade'))
    .addColumn('file_index', 'integer', (c) => c.notNull())
    .addColumn('name', 'text', (c) => c.notNull())
    .addColumn('size', 'bigint', (c) => c.notNull())
    .addColumn('sha256', 'text')
    .addColumn('status', 'text', (c) => c.notNull())
    .addColumn('code', 'text')
    .addColumn('error', 'text')
    .addColumn('finished_at', 'bigint')
    .addPrimaryKeyConstraint('declared_files_pk', ['batch_id', 'file_index'])
    .execute()
  await db.schema.createIndex('declared_files_by_status').on('declared_files').columns(['batch_id', 'status', 'file_index']).execute()
}
