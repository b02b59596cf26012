// Servers whose databases have rows of very many images, made by statements from one that was uploaded.
import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { startCluster } from '../../test/support/servers/cluster.ts'
import { smallPhotograph } from '../../test/support/inputs/photographs.ts'
import { startServer } from '../../test/support/servers/server.ts'
import { openRows } from '../cluster/rows.ts'
import { shown } from './progress.ts'

export const DATABASES = ['sqlite', 'postgres'] as const
export type DatabaseName = (typeof DATABASES)[number]

export interface Filled extends AsyncDisposable {
  url: string
}

/** Expressions of a database, where rows of `n` are made. */
export interface Numbers {
  /** What gives them, by that name. */
  from: string
  /** A whole number in lower hexadecimal digits, so many at least. */
  hex(number: string, digits: number): string
}

export type Run = (statement: string) => Promise<unknown>

export interface FillOptions {
  database: DatabaseName
  /** Images, with the one there is. */
  rows: number
  /** For folders. */
  root: string
  /** Settings of the server. */
  env?: Record<string, string>
  /** Uploads the one, and does what has to be done before there are more. */
  begin(server: { url: string }, run: Run): Promise<void>
  /** What makes the rows of these numbers. */
  statements(numbers: Numbers): string[]
  /** Whether SQLite has statistics of the rows, which no server makes; PostgreSQL always has. */
  isAnalyzed: boolean
}

const INSERT_AT_ONCE = 100_000
const ENV = { LOG_LEVEL: 'warn' }

export async function fillDatabase(options: FillOptions): Promise<Filled> {
  if (options.database === 'sqlite') return fillSqlite(options)
  return fillPostgres(options)
}

export async function uploadOne({ url }: { url: string }, key?: string): Promise<void> {
  const body = new FormData()
  body.append('image', new Blob([await smallPhotograph({ seed: 1 })]), '0.jpg')
  const headers = key === undefined ? {} : { authorization: `Bearer ${key}` }
  const response = await fetch(`${url}/api/upload`, { method: 'POST', body, headers })
  if (!response.ok) throw new Error(`The upload was answered with ${response.status}: ${await response.text()}`)
}

async function fillSqlite(options: FillOptions): Promise<Filled> {
  const dataDir = await mkdtemp(join(options.root, 'data-'))
  const env = { ...ENV, ...options.env }
  const first = await startServer({ dataDir, env })
  const database = new DatabaseSync(join(dataDir, 'calotype.sqlite'), { timeout: 10_000 })
  const run: Run = async (statement) => database.exec(statement)
  await options.begin(first, run)
  await first.stop()
  database.exec('pragma synchronous = off; pragma cache_size = -256000')
  await addRows(options, run, (from, to) => ({
    from: `(with recursive number(n) as (select ${from} union all select n + 1 from number where n < ${to - 1}) select n from number)`,
    hex: (number, digits) => `printf('%0${digits}x', ${number})`,
  }))
  if (options.isAnalyzed) database.exec('pragma optimize')
  database.exec('pragma wal_checkpoint(truncate)')
  database.close()
  return startServer({ dataDir, env })
}

async function fillPostgres(options: FillOptions): Promise<Filled> {
  const cluster = await startCluster({ api: 1, workers: 1, env: { ...ENV, ...options.env } })
  const session = await openRows(cluster.directDatabaseUrl)
  try {
    await options.begin(cluster, session.query)
    await addRows(options, session.query, (from, to) => ({
      from: `(select n from generate_series(${from}::bigint, ${to - 1}) as series(n)) as number`,
      hex: (number, digits) => `lpad(to_hex(${number}), ${digits}, '0')`,
    }))
    await session.query('vacuum analyze')
  } finally {
    await session.close()
  }
  return cluster
}

/** In steps; `numbers` are those from the one to before the other. */
async function addRows({ database, rows, statements }: FillOptions, run: Run, numbers: (from: number, to: number) => Numbers) {
  await shown(`rows of ${database}`, rows, async (progress) => {
    for (let from = 1; from < rows; from += INSERT_AT_ONCE) {
      const to = Math.min(rows, from + INSERT_AT_ONCE)
      for (const statement of statements(numbers(from, to))) await run(statement)
      progress(to)
    }
  })
}
