// The image store, held to the contract: on SQLite, and on PostgreSQL through PgBouncer in transaction mode.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import pg from 'pg'
import { prepareCluster, type Cluster } from '../../scripts/cluster/topology.ts'
import type { Quota } from '../../src/access.ts'
import { openPostgres } from '../../src/db/open-postgres.ts'
import { openSqlite } from '../../src/db/open-sqlite.ts'
import type { Database } from '../../src/db/schema.ts'
import { createLog } from '../../src/log.ts'
import { createSqlImageStore } from '../../src/record/sql-image-store.ts'
import { createSqlRowArchive } from '../../src/record/sql-row-archive.ts'
import { createSqlRowSurvey } from '../../src/record/sql-row-survey.ts'
import { batchLedgerContract } from './batch-ledger.ts'
import { countsContract } from './counts.ts'
import { imageStoreContract, type Open } from './image-store.ts'
import { ownersContract } from './owners.ts'
import { quotasContract } from './quotas.ts'
import { rowArchiveContract } from './row-archive.ts'
import { rowSurveyContract } from './row-survey.ts'

const storesOn = (database: Database, quota?: Quota) => ({
  store: createSqlImageStore(database, quota),
  survey: createSqlRowSurvey(database),
  archive: createSqlRowArchive(database),
})

const sqliteOpener =
  (change: (database: Database) => Database) =>
  async (quota?: Quota): ReturnType<Open> => {
    const folder = await mkdtemp(join(tmpdir(), 'calotype-rows-'))
    const { database } = await openSqlite(join(folder, 'calotype.sqlite'))
    const close = async () => {
      await database.close()
      await rm(folder, { recursive: true })
    }
    return { ...storesOn(change(database), quota), close }
  }

describe('image store on SQLite', () => {
  const openWith = sqliteOpener((database) => database)
  const open: Open = () => openWith()
  imageStoreContract(open)
  batchLedgerContract(open)
  ownersContract(open)
  countsContract(open)
  rowSurveyContract(open)
  rowArchiveContract(open)
  quotasContract(openWith)
})

describe('image store on a database that has no index of names', () => {
  const openWith = sqliteOpener((database) => ({ ...database, findNames: null }))
  countsContract(() => openWith())
})

describe('image store on PostgreSQL through PgBouncer', () => {
  let cluster: Cluster
  let databases = 0
  const log = createLog('error')

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

  /** The address of a database that is new. */
  async function newDatabase(): Promise<string> {
    const name = `contract_${++databases}`
    await directly(`create database ${name}`)
    const url = new URL(cluster.report().databaseUrl)
    url.pathname = name
    return url.href
  }

  const openWith = async (quota?: Quota) => {
    const url = await newDatabase()
    const { database } = await openPostgres({ url, maxConnections: 10, log })
    const close = async () => {
      await database.close()
      // With the connections that the pooler would keep: PostgreSQL has not enough for all of these tests.
      await directly(`drop database ${new URL(url).pathname.slice(1)} with (force)`)
    }
    return { ...storesOn(database, quota), close }
  }
  const open: Open = () => openWith()
  imageStoreContract(open)
  batchLedgerContract(open)
  ownersContract(open)
  countsContract(open)
  rowSurveyContract(open)
  rowArchiveContract(open)
  quotasContract(openWith)

  test('several servers that start at once migrate once', async () => {
    const url = await newDatabase()
    const opened = await Promise.all(Array.from({ length: 5 }, () => openPostgres({ url, maxConnections: 2, log })))
    const ran = opened.flatMap(({ migrated }) => migrated)
    assert.deepEqual(ran.sort(), [
      '0001-journey',
      '0002-leases',
      '0003-ledger',
      '0004-owners',
      '0005-accounts',
      '0006-counts-and-search',
      '0007-admin',
      '0008-quotas',
      '0009-last-failures',
    ])
    for (const { database } of opened) await database.close()
  })

  test('a database that is not there is a sentence that names the setting', async () => {
    const gone = openPostgres({ url: 'postgres://calotype@127.0.0.1:1/calotype', maxConnections: 1, log })
    await assert.rejects(gone, { name: 'StartError', message: /^DATABASE_URL: / })
  })
})
