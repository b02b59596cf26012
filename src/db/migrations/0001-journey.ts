// The tables of the journey: batches, images, developments, originals, idempotency keys.
import { sql, type Kysely } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('batches')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('kind', 'text', (c) => c.notNull())
    .addColumn('created_at', 'bigint', (c) => c.notNull())
    .addColumn('received_at', 'bigint')
    .addColumn('aborted_at', 'bigint')
    .addColumn('rejected', 'text', (c) => c.notNull())
    .execute()
  // The few that are not in order: still arriving, or aborted and not yet swept.
  await db.schema.createIndex('batches_unreceived').on('batches').column('created_at').where(sql.ref('received_at'), 'is', null).execute()

  await db.schema
    .createTable('originals')
    .addColumn('sha256', 'text', (c) => c.primaryKey())
    .addColumn('size', 'bigint', (c) => c.notNull())
    .addColumn('released_at', 'bigint')
    .addColumn('collecting_at', 'bigint')
    .execute()
  await db.schema
    .createIndex('originals_released')
    .on('originals')
    .column('released_at')
    .where(sql.ref('released_at'), 'is not', null)
    .execute()

  await db.schema
    .createTable('developments')
    .addColumn('sha256', 'text', (c) => c.notNull().references('originals.sha256'))
    .addColumn('recipe', 'text', (c) => c.notNull())
    .addColumn('format', 'text', (c) => c.notNull())
    .addColumn('status', 'text', (c) => c.notNull())
    .addColumn('finished_at', 'bigint')
    .addColumn('width', 'integer')
    .addColumn('height', 'integer')
    .addColumn('image_size', 'bigint')
    .addColumn('thumbnail_size', 'bigint')
    .addColumn('thumbhash', 'text')
    .addColumn('code', 'text')
    .addColumn('error', 'text')
    .addPrimaryKeyConstraint('developments_pk', ['sha256', 'recipe'])
    .execute()
  await db.schema
    .createIndex('developments_processing')
    .on('developments')
    .column('sha256')
    .where(sql.ref('status'), '=', 'processing')
    .execute()

  await db.schema
    .createTable('images')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('batch_id', 'text', (c) => c.notNull().references('batches.id'))
    .addColumn('batch_index', 'integer', (c) => c.notNull())
    .addColumn('name', 'text', (c) => c.notNull())
    .addColumn('format', 'text', (c) => c.notNull())
    .addColumn('size', 'bigint', (c) => c.notNull())
    .addColumn('sha256', 'text', (c) => c.notNull())
    .addColumn('recipe', 'text', (c) => c.notNull())
    .addColumn('status', 'text', (c) => c.notNull())
    .addColumn('uploaded_at', 'bigint', (c) => c.notNull())
    .addColumn('finished_at', 'bigint')
    .addForeignKeyConstraint('images_development', ['sha256', 'recipe'], 'developments', ['sha256', 'recipe'])
    .execute()
  await db.schema.createIndex('images_newest').on('images').columns(['uploaded_at', 'id']).execute()
  await db.schema.createIndex('images_by_status').on('images').columns(['status', 'uploaded_at', 'id']).execute()
  await db.schema.createIndex('images_by_batch').on('images').columns(['batch_id', 'batch_index']).execute()
  await db.schema.createIndex('images_by_development').on('images').columns(['sha256', 'recipe']).execute()

  await db.schema
    .createTable('idempotency_keys')
    .addColumn('key', 'text', (c) => c.primaryKey())
    .addColumn('batch_id', 'text', (c) => c.notNull())
    .addColumn('created_at', 'bigint', (c) => c.notNull())
    .addColumn('fingerprint', 'text')
    .addColumn('answer', 'text')
    .execute()
  await db.schema.createIndex('idempotency_keys_age').on('idempotency_keys').column('created_at').execute()
}
