// What users may upload in a day, and what they have: kept, so that it is known without counting images.
import type { Kysely } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const column of ['quota_bytes', 'quota_images']) await db.schema.alterTable('users').addColumn(column, 'bigint').execute()

  // Days since 1970, UTC. Names no user by a reference: images don't, either.
  await db.schema
    .createTable('usage_days')
    .addColumn('user_id', 'text', (c) => c.notNull())
    .addColumn('day', 'bigint', (c) => c.notNull())
    .addColumn('bytes', 'bigint', (c) => c.notNull())
    .addColumn('images', 'bigint', (c) => c.notNull())
    .addPrimaryKeyConstraint('usage_days_pk', ['user_id', 'day'])
    .execute()
  await db.schema.createIndex('usage_days_age').on('usage_days').column('day').execute()
}
