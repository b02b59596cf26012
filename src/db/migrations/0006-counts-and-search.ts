// Counts that are kept by the database itself with whatever changes rows, the reason of a failure with its image, and indexes for lists.
import { PostgresAdapter, sql, type Kysely } from 'kysely'
import { keepCountsInPostgres } from './0006-counts-postgres.ts'
import { indexNamesInSqlite, keepCountsInSqlite } from './0006-counts-sqlite.ts'

export async function up(db: Kysely<unknown>): Promise<void> {
  const isPostgres = db.getExecutor().adapter instanceof PostgresAdapter
  await db.schema.alterTable('images').addColumn('code', 'text').execute()
  await sql`
    update images set code = (
      select developments.code from developments where developments.sha256 = images.sha256 and developments.recipe = images.recipe
    ) where status = 'error'`.execute(db)
  await addCounts(db, isPostgres)
  await (isPostgres ? keepCountsInPostgres(db) : keepCountsInSqlite(db))
  await addIndexes(db)
  // PostgreSQL's needs an extension, which not everyone may create: see open-postgres.ts.
  if (!isPostgres) await indexNamesInSqlite(db)
}

async function addCounts(db: Kysely<unknown>, isPostgres: boolean): Promise<void> {
  // What one look finds, without a second table to jump to.
  const asTree = isPostgres ? sql`` : sql`without rowid`
  await db.schema
    .createTable('image_counts')
    .addColumn('owner_id', 'text', (c) => c.notNull())
    .addColumn('status', 'text', (c) => c.notNull())
    .addColumn('code', 'text', (c) => c.notNull())
    .addColumn('images', 'bigint', (c) => c.notNull())
    .addColumn('bytes', 'bigint', (c) => c.notNull())
    .addPrimaryKeyConstraint('image_counts_pk', ['owner_id', 'status', 'code'])
    .modifyEnd(asTree)
    .execute()
  await db.schema
    .createTable('batch_counts')
    .addColumn('batch_id', 'text', (c) => c.notNull())
    .addColumn('status', 'text', (c) => c.notNull())
    .addColumn('files', 'bigint', (c) => c.notNull())
    .addColumn('last_at', 'bigint', (c) => c.notNull())
    .addPrimaryKeyConstraint('batch_counts_pk', ['batch_id', 'status'])
    .modifyEnd(asTree)
    .execute()
  await sql`
    insert into image_counts
    select coalesce(owner_id, ''), status, coalesce(code, ''), count(*), sum(size) from images group by 1, 2, 3`.execute(db)
  await sql`
    insert into batch_counts
    select batch_id, status, count(*), coalesce(max(last_at), 0) from (
      select batch_id, status, finished_at as last_at from images
      union all select batch_id, status, finished_at from declared_files where status <> 'received'
    ) as files group by 1, 2`.execute(db)
}

async function addIndexes(db: Kysely<unknown>): Promise<void> {
  const owned = sql<boolean>`owner_id is not null`
  for (const column of ['name', 'size']) {
    await db.schema.createIndex(`images_by_${column}`).on('images').columns([column, 'id']).execute()
    await db.schema.createIndex(`images_by_owner_${column}`).on('images').columns(['owner_id', column, 'id']).where(owned).execute()
  }
  await db.schema.createIndex('images_by_format').on('images').columns(['format', 'uploaded_at', 'id']).execute()
  // Nearly all are completed, and found along the index of the order; of the others, someone may have few among many.
  await db.schema
    .createIndex('images_by_owner_status')
    .on('images')
    .columns(['owner_id', 'status', 'uploaded_at', 'id'])
    .where(sql<boolean>`owner_id is not null and status <> 'completed'`)
    .execute()
}
