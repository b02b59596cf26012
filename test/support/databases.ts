// Both databases for contracts: a new, empty one for each test, SQLite in a folder and PostgreSQL through PgBouncer.
import { mkdtemp, rm } from 'node:fs/promises'
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

/** Describes the same tests for each. */
export function onEachDatabase(what: string, tests: (open: OpenDatabase) => void): void {
  describe(`${what} on SQLite`, () =>
    tests(async () => {
      const folder = await mkdtemp(join(tmpdir(), 'calotype-rows-'))
      const { database } = await openSqlite(join(folder, 'calotype.sqlite'))
      const close = async () => {
        await database.close()
        await rm(folder, { recursive: true })
      }
      return { database, close }
    }))

  describe(`${what} on PostgreSQL through PgBouncer`, () => {
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

    tests(async () => {
      const name = `contract_${++databases}`
      await directly(`create database ${name}`)
      const url = new URL(cluster.report().databaseUrl)
      url.pathname = name
      const { database } = await openPostgres({ url: url.href, maxConnections: 10, log: createLog('error') })
      const close = async () => {
        await database.close()
        await directly(`drop database ${name} with (force)`)
      }
      return { database, close }
    })
  })
}
