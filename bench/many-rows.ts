// Servers whose databases have rows of very many images, made by statements from one that was uploaded.
import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { upload } from '../test/support/client.ts'
import { startCluster } from '../test/support/cluster.ts'
import { smallPhotograph } from '../test/support/photographs.ts'
import { startServer } from '../test/support/server.ts'
import { openRows } from './cluster-rows.ts'
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

export interface FillOptions {
  database: DatabaseName
  /** Images, with the one there is. */
  rows: number
  /** For folders. */
  root: string
  /** What makes the rows of these numbers. */
  statements(numbers: Numbers): string[]
  /** When the one is uploaded, and before there are more. */
  before?(server: { url: string }): Promise<void>
}

const INSERT_AT_ONCE = 100_000
const ENV = { LOG_LEVEL: 'warn' }

export async function fillDatabase(options: FillOptions): Promise<Filled> {
  if (options.database === 'sqlite') return fillSqlite(options)
  return fillPostgres(options)
}

/** Of each step the first number, and the one after its last. */
function* steps(rows: number): Generator<[from: number, to: number]> {
  for (let from = 1; from < rows; from += INSERT_AT_ONCE) yield [from, Math.min(rows, from + INSERT_AT_ONCE)]
}

async function fillSqlite({ rows, root, statements, before }: FillOptions): Promise<Filled> {
  const dataDir = await mkdtemp(join(root, 'data-'))
  const first = await startServer({ dataDir, env: ENV })
  await uploadOne(first)
  await before?.(first)
  await first.stop()
  const database = new DatabaseSync(join(dataDir, 'calotype.sqlite'))
  database.exec('pragma synchronous = off; pragma cache_size = -256000')
  const hex = (number: string, digits: number) => `printf('%0${digits}x', ${number})`
  await shown('rows of sqlite', rows, async (progress) => {
    for (const [from, to] of steps(rows)) {
      const numbers = `(with recursive number(n) as (select ${from} union all select n + 1 from number where n < ${to - 1}) select n from number)`
      for (const statement of statements({ from: numbers, hex })) database.exec(statement)
      progress(to)
    }
  })
  database.exec('pragma optimize; pragma wal_checkpoint(truncate)')
  database.close()
  return startServer({ dataDir, env: ENV })
}

async function fillPostgres({ rows, statements, before }: FillOptions): Promise<Filled> {
  const cluster = await startCluster({ api: 1, workers: 1, env: ENV })
  await uploadOne(cluster)
  await before?.(cluster)
  const session = await openRows(cluster.directDatabaseUrl)
  const hex = (number: string, digits: number) => `lpad(to_hex(${number}), ${digits}, '0')`
  try {
    await shown('rows of postgres', rows, async (progress) => {
      for (const [from, to] of steps(rows)) {
        const numbers = `(select n from generate_series(${from}::bigint, ${to - 1}) as series(n)) as number`
        for (const statement of statements({ from: numbers, hex })) await session.query(statement)
        progress(to)
      }
    })
    await session.query('vacuum analyze')
  } finally {
    await session.close()
  }
  return cluster
}

async function uploadOne(server: { url: string }): Promise<void> {
  const { status, text } = await upload(server, 'sync', [{ name: '0.jpg', bytes: await smallPhotograph({ seed: 1 }) }])
  if (status !== 200) throw new Error(`The upload was answered with ${status}: ${text}`)
}
