// The rows `npm run bench:lists` asks for: a million images of a thousand members in batches of ten thousand, and keys to ask with.
import { createHash, randomUUID } from 'node:crypto'
import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { startCluster } from '../test/support/cluster.ts'
import { smallPhotograph } from '../test/support/photographs.ts'
import { startServer } from '../test/support/server.ts'
import { openRows } from './cluster-rows.ts'
import { shown } from './progress.ts'

const INSERT_AT_ONCE = 50_000
const MEMBERS = 1_000
const FILES_A_BATCH = 10_000

export interface Filled extends AsyncDisposable {
  url: string
  /** Of an administrator, who sees everything, and of one of the members. */
  keys: { admin: string; member: string }
}

/** `hex` turns a number, as an expression, into twelve digits; `numbers` gives rows of `n`. */
interface Dialect {
  hex(expression: string): string
  numbers(from: number, to: number): string
}

const SQLITE: Dialect = {
  hex: (expression) => `printf('%012x', ${expression})`,
  numbers: (from, to) =>
    `(with recursive number(n) as (select ${from} union all select n + 1 from number where n < ${to - 1}) select n from number)`,
}
const POSTGRES: Dialect = {
  hex: (expression) => `lpad(to_hex(${expression}), 12, '0')`,
  numbers: (from, to) => `generate_series(${from}, ${to - 1}) as number(n)`,
}

const batchId = ({ hex }: Dialect, batch: string) => `'10000000-0000-4000-8000-' || ${hex(batch)}`

/** Users and a key of each, that live as long as the bench. */
function accounts(): { statements: string[]; keys: Filled['keys'] } {
  const keys = { admin: `calo_${randomUUID()}`, member: `calo_${randomUUID()}` }
  const statements = (['admin', 'member'] as const).flatMap((role) => {
    const id = role === 'admin' ? 'admin' : 'member-7'
    return [
      `insert into users (id, email, name, role, password_hash, created_at) values ('${id}', '${role}@example.org', '${role}', '${role}', '', 0)`,
      `insert into api_keys (id, prefix, name, user_id, scopes, token_hash, created_at) values ('${randomUUID()}', 'calo_', 'bench',
        '${id}', 'upload read delete${role === 'admin' ? ' admin' : ''}', '${createHash('sha256').update(keys[role]).digest('hex')}', 0)`,
    ]
  })
  return { statements, keys }
}

const batchesFor = (rows: number, dialect: Dialect) => `
  insert into batches (id, kind, created_at, received_at, rejected)
  select ${batchId(dialect, 'n')}, 'batch', 1000 * n, 1000 * n, '[]' from ${dialect.numbers(0, Math.ceil(rows / FILES_A_BATCH))}`

/** The one image there is, again and again: a second apart each, one of a thousand failed, one of 5,003 with a word in its name. */
const imagesFor = (from: number, to: number, dialect: Dialect) => `
  insert into images (id, batch_id, owner_id, batch_index, name, format, size, sha256, recipe, status, uploaded_at, finished_at, code)
  select '00000000-0000-4000-8000-' || ${dialect.hex('n')}, ${batchId(dialect, `n / ${FILES_A_BATCH}`)}, 'member-' || (n % ${MEMBERS}),
    n % ${FILES_A_BATCH}, 'IMG_' || n || case when n % 5003 = 0 then ' sunset' else '' end || '.jpg',
    case when n % 100 = 0 then 'gif' else format end, size + n % 4096, sha256, recipe,
    case when n % 1007 = 7 then 'error' else 'completed' end, uploaded_at - 1000 * cast(n as bigint), uploaded_at,
    case when n % 1007 = 7 then 'invalid_image' end
  from (select * from images where owner_id = 'admin' limit 1) as first, ${dialect.numbers(from, to)}`

async function fill(name: string, rows: number, dialect: Dialect, run: (statement: string) => Promise<unknown>): Promise<void> {
  await run(batchesFor(rows, dialect))
  await shown(`rows of ${name}`, rows, async (progress) => {
    for (let from = 1; from < rows; from += INSERT_AT_ONCE) {
      const to = Math.min(rows, from + INSERT_AT_ONCE)
      await run(imagesFor(from, to, dialect))
      progress(to)
    }
  })
}

async function uploadOne({ url }: { url: string }, key: string): Promise<void> {
  const body = new FormData()
  body.append('image', new Blob([await smallPhotograph({ seed: 1 })]), '0.jpg')
  const response = await fetch(`${url}/api/upload`, { method: 'POST', body, headers: { authorization: `Bearer ${key}` } })
  if (!response.ok) throw new Error(`The upload was answered with ${response.status}: ${await response.text()}`)
}

const ENV = { AUTH: 'required', LOG_LEVEL: 'warn' }

export async function fillSqlite(root: string, rows: number): Promise<Filled> {
  const dataDir = await mkdtemp(join(root, 'data-'))
  const first = await startServer({ dataDir, env: ENV })
  const database = new DatabaseSync(join(dataDir, 'calotype.sqlite'), { timeout: 10_000 })
  const run = async (statement: string) => database.exec(statement)
  const { statements, keys } = accounts()
  for (const statement of statements) await run(statement)
  await uploadOne(first, keys.admin)
  await first.stop()
  database.exec('pragma synchronous = off; pragma cache_size = -256000')
  await fill('sqlite', rows, SQLITE, run)
  database.exec('pragma wal_checkpoint(truncate)')
  database.close()
  return Object.assign(await startServer({ dataDir, env: ENV }), { keys })
}

export async function fillPostgres(rows: number): Promise<Filled> {
  const cluster = await startCluster({ api: 1, workers: 1, env: ENV })
  const direct = await openRows(cluster.directDatabaseUrl)
  try {
    const { statements, keys } = accounts()
    for (const statement of statements) await direct.query(statement)
    await uploadOne(cluster, keys.admin)
    await fill('postgres', rows, POSTGRES, (statement) => direct.query(statement))
    await direct.query('vacuum analyze')
    return Object.assign(cluster, { keys })
  } finally {
    await direct.close()
  }
}
