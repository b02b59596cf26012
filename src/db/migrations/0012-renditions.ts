// Renditions as rows: what was a development with two outputs becomes an original with its work, and a row for each output. No blob moves.
import { PostgresAdapter, sql, type Kysely } from 'kysely'
import { setTimeout as sleep } from 'node:timers/promises'
import { StartError } from '../../errors.ts'

// As they were when this was written: a migration does not follow the program.
const EXTENSIONS = { jpeg: 'jpg', png: 'png', webp: 'webp', avif: 'avif', gif: 'gif' }
const RECIPE = 'v1'
const IMAGE = sql`'w1500.p1.' || case format when 'jpeg' then 'jpg' else format end`
const THUMBNAIL = sql.lit('w320-still.p1.webp')

export async function up(db: Kysely<unknown>): Promise<void> {
  const isPostgres = db.getExecutor().adapter instanceof PostgresAdapter
  // A server beside SQLite is kept away by the lock of DATA_DIR.
  if (isPostgres) await refuseBesideWorkers(db)
  await addRecipes(db, isPostgres)
  await addWork(db)
  await addRenditions(db, isPostgres)
  await sql`drop index images_by_development`.execute(db)
  if (isPostgres) {
    await sql`alter table images drop constraint images_development,
      add constraint images_original foreign key (sha256) references originals (sha256)`.execute(db)
  } else await rebuildImages(db)
  await db.schema.createIndex('images_by_original').on('images').column('sha256').execute()
  await db.schema.dropTable('developments').execute()
}

// As `record/work/sql-worker-registry.ts` has it: a worker reports three times in that.
const ALIVE_MS = 15_000
const LOOK_MS = 1_000

/** Whatever worker of the version before has said something lately is waited for: one that goes on reporting lives. */
async function refuseBesideWorkers(db: Kysely<unknown>): Promise<void> {
  const since = sql`cast(extract(epoch from clock_timestamp()) * 1000 as bigint) - ${sql.lit(ALIVE_MS)}`
  const recent = async () => {
    const { rows } = await sql<{ id: string; seen_at: number }>`select id, seen_at from workers where seen_at > ${since}`.execute(db)
    return new Map(rows.map(({ id, seen_at }) => [id, Number(seen_at)]))
  }
  const before = await recent()
  for (let now = before; now.size > 0; now = await recent()) {
    const alive = [...now].filter(([id, seenAt]) => seenAt !== before.get(id)).map(([id]) => id)
    if (alive.length > 0) {
      throw new StartError(
        `The database has to be upgraded, and workers of the version before still run on it: ${alive.join(', ')}. Stop all servers and workers, then start this one.`,
      )
    }
    await sleep(LOOK_MS)
  }
}

async function addRecipes(db: Kysely<unknown>, isPostgres: boolean): Promise<void> {
  await db.schema
    .createTable('recipe_outputs')
    .addColumn('recipe', 'text', (c) => c.notNull())
    .addColumn('format', 'text', (c) => c.notNull())
    .addColumn('preset', 'text', (c) => c.notNull())
    .addColumn('generation', 'text', (c) => c.notNull())
    .addColumn('operation', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('recipe_outputs_pk', ['recipe', 'format', 'preset'])
    .modifyEnd(asTree(isPostgres))
    .execute()
  for (const [format, extension] of Object.entries(EXTENSIONS)) {
    await sql`insert into recipe_outputs values
      (${RECIPE}, ${format}, 'image', ${RECIPE}, ${`w1500.p1.${extension}`}),
      (${RECIPE}, ${format}, 'thumbnail', ${RECIPE}, ${THUMBNAIL})`.execute(db)
  }
}

const WORK = ['lease_token', 'lease_until', 'attempts', 'started_at', 'worker', 'finished_at', 'code', 'error', 'format', 'thumbhash']

/** The work on an original, and what is known of it, stand in its own row. */
async function addWork(db: Kysely<unknown>): Promise<void> {
  const add = (name: string, type: 'text' | 'bigint' | 'integer') => db.schema.alterTable('originals').addColumn(name, type).execute()
  const addFilled = (name: string, type: 'text' | 'integer', value: string | number) =>
    db.schema
      .alterTable('originals')
      .addColumn(name, type, (c) => c.notNull().defaultTo(value))
      .execute()
  for (const name of ['format', 'thumbhash', 'code', 'error', 'lease_token', 'worker']) await add(name, 'text')
  for (const name of ['width', 'height']) await add(name, 'integer')
  for (const name of ['lease_until', 'started_at', 'finished_at']) await add(name, 'bigint')
  await addFilled('status', 'text', 'idle')
  await addFilled('attempts', 'integer', 0)
  const copied = sql.join(WORK.map((name) => sql`${sql.ref(name)} = developments.${sql.ref(name)}`))
  const status = sql`case developments.status when 'completed' then 'idle' when 'error' then 'failed' else developments.status end`
  await sql`update originals set status = ${status}, ${copied} from developments where developments.sha256 = originals.sha256`.execute(db)
  await db.schema
    .createIndex('originals_processing')
    .on('originals')
    .column('sha256')
    .where(sql<boolean>`status = 'processing'`)
    .execute()
}

async function addRenditions(db: Kysely<unknown>, isPostgres: boolean): Promise<void> {
  await db.schema
    .createTable('renditions')
    .addColumn('sha256', 'text', (c) => c.notNull().references('originals.sha256'))
    .addColumn('operation', 'text', (c) => c.notNull())
    .addColumn('status', 'text', (c) => c.notNull())
    .addColumn('width', 'integer')
    .addColumn('height', 'integer')
    .addColumn('bytes', 'bigint')
    .addColumn('code', 'text')
    .addColumn('error', 'text')
    .addPrimaryKeyConstraint('renditions_pk', ['sha256', 'operation'])
    .modifyEnd(asTree(isPostgres))
    .execute()
  const status = sql`case status when 'completed' then 'completed' else 'pending' end`
  await sql`insert into renditions (sha256, operation, status, width, height, bytes)
    select sha256, ${IMAGE}, ${status}, width, height, image_size from developments`.execute(db)
  // Of thumbnails, the bytes were recorded and the pixels were not.
  await sql`insert into renditions (sha256, operation, status, bytes)
    select sha256, ${THUMBNAIL}, ${status}, thumbnail_size from developments`.execute(db)
}

/** One look finds a row, without a second table to jump to. */
const asTree = (isPostgres: boolean) => (isPostgres ? sql`` : sql`without rowid`)

const IMAGE_COLUMNS = `id, batch_id, batch_index, name, format, size, sha256, recipe, status, uploaded_at, finished_at, owner_id, code`

/** SQLite drops no foreign key: the table is written anew. Row ids stay, by which the index of names finds them. */
async function rebuildImages(db: Kysely<unknown>): Promise<void> {
  const { rows } = await sql<{ sql: string }>`
    select sql from sqlite_schema where tbl_name = 'images' and type in ('index', 'trigger') and sql is not null order by rowid`.execute(db)
  await sql`create table images_new (
    id text primary key, batch_id text not null references batches (id), batch_index integer not null, name text not null,
    format text not null, size bigint not null, sha256 text not null references originals (sha256), recipe text not null,
    status text not null, uploaded_at bigint not null, finished_at bigint, owner_id text, code text)`.execute(db)
  const columns = sql.raw(IMAGE_COLUMNS)
  await sql`insert into images_new (rowid, ${columns}) select rowid, ${columns} from images`.execute(db)
  await sql`drop table images`.execute(db)
  await sql`alter table images_new rename to images`.execute(db)
  for (const made of rows) await sql.raw(made.sql).execute(db)
}
