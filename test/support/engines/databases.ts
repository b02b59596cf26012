// Both databases for contracts: an empty one for each test, SQLite in a folder and PostgreSQL through PgBouncer.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe } from 'node:test'
import pg from 'pg'
import { prepareCluster, type Cluster } from '../../../scripts/cluster/topology.ts'
import { openPostgres } from '../../../src/db/postgres/open-postgres.ts'
import { openSqlite } from '../../../src/db/sqlite/open-sqlite.ts'
import type { Database } from '../../../src/db/schema.ts'
import { createLog } from '../../../src/log.ts'

export type OpenDatabase = () => Promise<{ database: Database; close: () => Promise<void> }>

/** An empty database with its tables, as a file: made once, as migrating each anew is most of what a short test would do. */
let migratedFile: Promise<Buffer> | undefined

async function makeMigratedFile(): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), 'calotype-rows-'))
  try {
    const path = join(folder, 'calotype.sqlite')
    await (await openSqlite(path)).database.close()
    return await readFile(path)
  } finally {
    await rm(folder, { recursive: true })
  }
}

export const openOnSqlite: OpenDatabase = async () => {
  const folder = await mkdtemp(join(tmpdir(), 'calotype-rows-'))
  const path = join(folder, 'calotype.sqlite')
  await writeFile(path, await (migratedFile ??= makeMigratedFile()))
  const { database } = await openSqlite(path)
  const close = async () => {
    await database.close()
    await rm(folder, { recursive: true })
  }
  return { database, close }
}

/** Of all tables, whichever there are. */
const EMPTIED = `do $$ begin
  execute (select 'truncate ' || string_agg(quote_ident(tablename), ', ') || ' restart identity'
    from pg_tables where schemaname = current_schema() and tablename not like 'kysely%');
end $$`

/** Starts PostgreSQL and PgBouncer for the tests of the `describe` this is called in. `newDatabase` makes one and gives its address. */
export function withPostgres(): { open: OpenDatabase; newDatabase: () => Promise<string> } {
  let cluster: Cluster
  let databases = 0
  /** With their tables, empty again: one that is made takes longer than most tests, and its connections are cold. */
  const used: string[] = []
  before(async () => {
    const prepared = await prepareCluster({ folder: undefined, port: 0, api: 0, workers: 0, s3: false }, () => undefined)
    cluster = prepared.cluster
    await prepared.begin()
  })
  after(() => cluster.close())

  const addressOf = (server: string, name: string) => Object.assign(new URL(server), { pathname: name }).href
  /** Past the pooler, which would keep the connection. */
  async function directly(statement: string, name = 'postgres'): Promise<void> {
    const client = new pg.Client({ connectionString: addressOf(cluster.report().directDatabaseUrl, name) })
    await client.connect()
    await client.query(statement).finally(() => client.end())
  }

  async function make(): Promise<string> {
    const name = `contract_${++databases}`
    await directly(`create database ${name}`)
    return name
  }
  const pooled = (name: string) => addressOf(cluster.report().databaseUrl, name)

  const open: OpenDatabase = async () => {
    const name = used.pop() ?? (await make())
    const { database } = await openPostgres({ url: pooled(name), maxConnections: 10, log: createLog('error') })
    const close = async () => {
      await database.close()
      await directly(EMPTIED, name)
      used.push(name)
    }
    return { database, close }
  }
  return { open, newDatabase: async () => pooled(await make()) }
}

/** Describes the same tests for each. */
export function onEachDatabase(what: string, tests: (open: OpenDatabase) => void): void {
  describe(`${what} on SQLite`, () => tests(openOnSqlite))
  describe(`${what} on PostgreSQL through PgBouncer`, () => tests(withPostgres().open))
}
