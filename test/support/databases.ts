// Both databases for contracts: a new, empty one for each test, SQLite in a folder and PostgreSQL through PgBouncer.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe } from 'node:test'
import pg from 'pg'
import { prepareCluster, type Cluster } from '../../scripts/cluster/topology.ts'
import { openPostgres } from '../../src/db/open-postgres.ts'
import { openSqlite } from '../../src/db/open-sqlite.ts'
import type { Database } from '../../src/db/schema.ts'
import { createLog } from '../../src/log.ts'

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

/** Starts PostgreSQL and PgBouncer for the tests of the `describe` this is called in. `newDatabase` makes one and gives its address. */
export function withPostgres(): { open: OpenDatabase; newDatabase: () => Promise<string> } {
  let cluster: Cluster
  let databases = 0
  before(async () => {
    const prepared = await prepareCluster({ folder: undefined, port: 0, api: 0, workers: 0, s3: false }, () => undefined)
    cluster = prepared.cluster
    await prepared.begin()
  })
  after(() => cluster.close())

  async function directly(statement: string): Promise<void> {
    const client = new pg.Client({ connectionString: cluster.report().directDatabaseUrl })
    await client.connect()
    await client.query(statement).finally(() => client.end())
  }

  async function newDatabase(template = 'template1'): Promise<string> {
    const name = `contract_${++databases}`
    await directly(`create database ${name} template ${template}`)
    const url = new URL(cluster.report().databaseUrl)
    url.pathname = name
    return url.href
  }

  /** As with SQLite; past the pooler, which would keep its connection to it. */
  let migrated: Promise<string> | undefined
  async function makeMigrated(): Promise<string> {
    const name = 'contract_migrated'
    await directly(`create database ${name}`)
    const url = new URL(cluster.report().directDatabaseUrl)
    url.pathname = name
    await (await openPostgres({ url: url.href, maxConnections: 1, log: createLog('error') })).database.close()
    return name
  }

  const open: OpenDatabase = async () => {
    const url = await newDatabase(await (migrated ??= makeMigrated()))
    const { database } = await openPostgres({ url, maxConnections: 10, log: createLog('error') })
    const close = async () => {
      await database.close()
      // With the connections that the pooler would keep: PostgreSQL has not enough for all tests.
      await directly(`drop database ${new URL(url).pathname.slice(1)} with (force)`)
    }
    return { database, close }
  }
  return { open, newDatabase: () => newDatabase() }
}

/** Describes the same tests for each. */
export function onEachDatabase(what: string, tests: (open: OpenDatabase) => void): void {
  describe(`${what} on SQLite`, () => tests(openOnSqlite))
  describe(`${what} on PostgreSQL through PgBouncer`, () => tests(withPostgres().open))
}
