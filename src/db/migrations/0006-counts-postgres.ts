// How PostgreSQL keeps counts: each statement appends what it changed, which the sweep adds up, so that no two transactions wait for one row.
import { sql, type Kysely } from 'kysely'

/** One row a batch, status and reason, however many images a statement changes. */
const changes = (rows: string) => `
  insert into count_changes
  select batch_id, owner_id, status, code, sum(n), sum(bytes), sum(n), max(last_at) from (${rows}) as changed
  group by 1, 2, 3, 4 having sum(n) <> 0 or sum(bytes) <> 0;`
const imagesOf = (table: string, sign: '' | '-') => `
  select batch_id, coalesce(owner_id, '') as owner_id, status, coalesce(code, '') as code, ${sign}1 as n, ${sign}size as bytes,
    ${sign === '' ? 'coalesce(finished_at, 0)' : '0'} as last_at from ${table}`

const fileChanges = (rows: string) => `
  insert into count_changes
  select batch_id, '', status, '', 0, 0, sum(n), max(last_at) from (${rows}) as changed group by 1, 3 having sum(n) <> 0;`
// A file that is received has an image, which is counted.
const filesOf = (table: string, sign: '' | '-') => `
  select batch_id, status, ${sign}1 as n, ${sign === '' ? 'coalesce(finished_at, 0)' : '0'} as last_at from ${table} where status <> 'received'`

async function countWith(
  db: Kysely<unknown>,
  table: string,
  append: (rows: string) => string,
  rowsOf: (table: string, sign: '' | '-') => string,
): Promise<void> {
  const body = `begin
    if tg_op = 'INSERT' then ${append(rowsOf('came', ''))}
    elsif tg_op = 'DELETE' then ${append(rowsOf('gone', '-'))}
    else ${append(`${rowsOf('gone', '-')} union all ${rowsOf('came', '')}`)}
    end if;
    return null;
  end`
  await sql.raw(`create function count_${table}() returns trigger language plpgsql as $body$ ${body} $body$`).execute(db)
  for (const [event, tables] of [
    ['insert', 'new table as came'],
    ['update', 'old table as gone new table as came'],
    ['delete', 'old table as gone'],
  ]) {
    await sql
      .raw(
        `create trigger ${table}_count_${event} after ${event} on ${table} referencing ${tables}
         for each statement execute function count_${table}()`,
      )
      .execute(db)
  }
}

export async function keepCountsInPostgres(db: Kysely<unknown>): Promise<void> {
  // Its rows are there for seconds, and it is read whole: no index would help.
  await db.schema
    .createTable('count_changes')
    .addColumn('batch_id', 'text', (c) => c.notNull())
    .addColumn('owner_id', 'text', (c) => c.notNull())
    .addColumn('status', 'text', (c) => c.notNull())
    .addColumn('code', 'text', (c) => c.notNull())
    .addColumn('images', 'bigint', (c) => c.notNull())
    .addColumn('bytes', 'bigint', (c) => c.notNull())
    .addColumn('files', 'bigint', (c) => c.notNull())
    .addColumn('last_at', 'bigint', (c) => c.notNull())
    .execute()
  // What the sweep removes.
  await db.schema
    .createIndex('batch_counts_empty')
    .on('batch_counts')
    .column('batch_id')
    .where(sql<boolean>`files = 0`)
    .execute()
  await countWith(db, 'images', changes, imagesOf)
  await countWith(db, 'declared_files', fileChanges, filesOf)
  await sql`
    create view kept_images as select owner_id, status, code, images, bytes from image_counts
    union all select owner_id, status, code, images, bytes from count_changes where images <> 0 or bytes <> 0`.execute(db)
  await sql`
    create view kept_files as select batch_id, status, files, last_at from batch_counts
    union all select batch_id, status, files, last_at from count_changes where files <> 0`.execute(db)
}
