// How SQLite keeps counts: it has one writer, so each row that changes is counted in place. And its index of names.
import { sql, type Kysely } from 'kysely'

// A group that is empty goes, so that a batch that went leaves nothing.
const UNCOUNT_FILE = `
  update batch_counts set files = files - 1 where batch_id = old.batch_id and status = old.status;
  delete from batch_counts where batch_id = old.batch_id and status = old.status and files = 0;`
const COUNT_FILE = `
  insert into batch_counts values (new.batch_id, new.status, 1, coalesce(new.finished_at, 0))
    on conflict do update set files = files + 1, last_at = max(last_at, excluded.last_at);`

const UNCOUNT = `
  update image_counts set images = images - 1, bytes = bytes - old.size
    where owner_id = coalesce(old.owner_id, '') and status = old.status and code = coalesce(old.code, '');
  delete from image_counts
    where owner_id = coalesce(old.owner_id, '') and status = old.status and code = coalesce(old.code, '') and images = 0;
  ${UNCOUNT_FILE}`
const COUNT = `
  insert into image_counts values (coalesce(new.owner_id, ''), new.status, coalesce(new.code, ''), 1, new.size)
    on conflict do update set images = images + 1, bytes = bytes + excluded.bytes;
  ${COUNT_FILE}`

// A file that is received has an image, which is counted.
const TRIGGERS = [
  `images_count_insert after insert on images begin ${COUNT} end`,
  `images_count_delete after delete on images begin ${UNCOUNT} end`,
  `images_count_update after update on images
    when old.status <> new.status or old.code is not new.code or old.owner_id is not new.owner_id or old.size <> new.size
      or old.batch_id <> new.batch_id
    begin ${UNCOUNT} ${COUNT} end`,
  `files_count_insert after insert on declared_files when new.status <> 'received' begin ${COUNT_FILE} end`,
  `files_count_delete after delete on declared_files when old.status <> 'received' begin ${UNCOUNT_FILE} end`,
  `files_count_update after update on declared_files when new.status <> 'received' and old.status <> new.status
    begin ${COUNT_FILE} end`,
  `files_uncount_update after update on declared_files when old.status <> 'received' and old.status <> new.status
    begin ${UNCOUNT_FILE} end`,
]

export async function keepCountsInSqlite(db: Kysely<unknown>): Promise<void> {
  for (const trigger of TRIGGERS) await sql.raw(`create trigger ${trigger}`).execute(db)
  await sql`create view kept_images as select owner_id, status, code, images, bytes from image_counts`.execute(db)
  await sql`create view kept_files as select batch_id, status, files, last_at from batch_counts`.execute(db)
}

/** Trigrams of names: which rows have them, not where in the name, which a look at the name tells. Names are not kept twice. */
export async function indexNamesInSqlite(db: Kysely<unknown>): Promise<void> {
  await sql`create virtual table image_names using fts5 (name, content = 'images', tokenize = 'trigram', detail = none, columnsize = 0)`.execute(
    db,
  )
  await sql`insert into image_names (image_names) values ('rebuild')`.execute(db)
  const add = 'insert into image_names (rowid, name) values (new.rowid, new.name);'
  const remove = "insert into image_names (image_names, rowid, name) values ('delete', old.rowid, old.name);"
  await sql.raw(`create trigger images_name_insert after insert on images begin ${add} end`).execute(db)
  await sql.raw(`create trigger images_name_delete after delete on images begin ${remove} end`).execute(db)
  await sql
    .raw(`create trigger images_name_update after update of name on images when old.name <> new.name begin ${remove} ${add} end`)
    .execute(db)
}
