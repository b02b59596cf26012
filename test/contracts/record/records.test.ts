// The records, each store held to the contract: on SQLite, and on PostgreSQL through PgBouncer in transaction mode.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Quota } from '../../../src/access.ts'
import { openPostgres } from '../../../src/db/postgres/open-postgres.ts'
import { createLog } from '../../../src/log.ts'
import { createSqlRecords } from '../../../src/record/sql-records.ts'
import { createSqlRowArchive } from '../../../src/record/admin/sql-row-archive.ts'
import { createSqlRowSurvey } from '../../../src/record/admin/sql-row-survey.ts'
import { RECIPE } from '../../../src/rendition/presets.ts'
import { openOnSqlite, withPostgres, type OpenDatabase } from '../../support/engines/databases.ts'
import { batchStoreContract } from './batch-store.ts'
import { countsContract } from './counts.ts'
import { imageStoreContract } from './image-store.ts'
import { knownStoreContract } from './known-store.ts'
import { originalStoreContract } from './original-store.ts'
import { ownersContract } from './owners.ts'
import { quotasContract } from './quotas.ts'
import { WIDER, type Open } from './records.ts'
import { renditionStoreContract } from './rendition-store.ts'
import { rowArchiveContract } from './row-archive.ts'
import { rowSurveyContract } from './row-survey.ts'
import { uploadStoreContract } from './upload-store.ts'
import { workStoreContract } from './work-store.ts'

const storesOn =
  (openDatabase: OpenDatabase) =>
  async (quota?: Quota): ReturnType<Open> => {
    const { database, close } = await openDatabase()
    const records = createSqlRecords(database, quota)
    for (const recipe of [RECIPE, WIDER]) await records.renditions.addRecipe(recipe)
    return {
      records,
      survey: createSqlRowSurvey(database),
      archive: createSqlRowArchive(database),
      close,
    }
  }

function contracts(openDatabase: OpenDatabase): void {
  const openWith = storesOn(openDatabase)
  const open: Open = () => openWith()
  imageStoreContract(open)
  batchStoreContract(open)
  uploadStoreContract(open)
  workStoreContract(open)
  renditionStoreContract(open)
  originalStoreContract(open)
  ownersContract(open)
  countsContract(open)
  rowSurveyContract(open)
  rowArchiveContract(open)
  quotasContract(openWith)
  knownStoreContract(openDatabase)
}

describe('records on SQLite', () => contracts(openOnSqlite))

describe('records on a database that has no index of names', () => {
  const open = storesOn(async () => {
    const { database, close } = await openOnSqlite()
    return { database: { ...database, findNames: null }, close }
  })
  countsContract(() => open())
})

describe('records on PostgreSQL through PgBouncer', () => {
  const { open, newDatabase } = withPostgres()
  const log = createLog('error')
  contracts(open)

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
      '0010-known-store',
      '0011-bounds',
      '0012-renditions',
    ])
    for (const { database } of opened) await database.close()
  })

  test('a database that is not there is a sentence that names the setting', async () => {
    const gone = openPostgres({ url: 'postgres://calotype@127.0.0.1:1/calotype', maxConnections: 1, log })
    await assert.rejects(gone, { name: 'StartError', message: /^DATABASE_URL: / })
  })
})
