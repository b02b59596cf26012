// What the database guarantees about the store that it belongs to; run on each database.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Database } from '../../../src/db/schema.ts'
import { createSqlRecords } from '../../../src/record/sql-records.ts'
import { createSqlKnownStore } from '../../../src/record/originals/sql-known-store.ts'
import type { OpenDatabase } from '../../support/engines/databases.ts'
import { upload } from './records.ts'

const UNKNOWN = { originals: 2, bytes: 300, oldestAt: 1_000, newestAt: 2_000 }

export function knownStoreContract(open: OpenDatabase): void {
  const recordsTest = (name: string, body: (database: Database) => Promise<void>): void => {
    void test(name, async () => {
      const { database, close } = await open()
      await body(database).finally(close)
    })
  }

  recordsTest('a new database knows no store', async (database) => {
    const knownStore = createSqlKnownStore(database)
    assert.deepEqual(await knownStore.read(), { runId: null, acceptedAt: null, halt: null })
    assert.equal(await knownStore.compare(async (runId) => runId), null)
  })

  recordsTest('adopts the run that was written to the store, unless that failed', async (database) => {
    const knownStore = createSqlKnownStore(database)
    const runId = randomUUID()
    await knownStore.adopt(async () => runId)
    await assert.rejects(
      knownStore.adopt(() => Promise.reject(new Error('the store is away'))),
      /the store is away/,
    )
    assert.deepEqual(await knownStore.read(), { runId, acceptedAt: null, halt: null })
    await knownStore.adopt(async () => runId, { acceptUnknown: true })
    assert.ok(Math.abs((await knownStore.read()).acceptedAt! - Date.now()) < 60_000)
    await sleep(5)
    assert.deepEqual([await knownStore.isDue(60_000), await knownStore.isDue(1)], [false, true])
  })

  recordsTest('servers that adopt at the same time follow one another', async (database) => {
    const knownStore = createSqlKnownStore(database)
    let written = ''
    const adopt = async () => {
      const runId = randomUUID()
      await sleep(Math.random() * 5)
      return (written = runId)
    }
    await Promise.all(Array.from({ length: 8 }, () => knownStore.adopt(adopt)))
    assert.equal((await knownStore.read()).runId, written)
  })

  recordsTest('while deletion is halted nothing is collectable, until the store is adopted', async (database) => {
    const records = createSqlRecords(database)
    const knownStore = createSqlKnownStore(database)
    const [image] = await upload(records, 'gone')
    await records.images.delete(image!.id, null)
    await knownStore.halt('unknown_originals', UNKNOWN)
    const first = (await knownStore.read()).halt
    assert.ok(first && Math.abs(first.since - Date.now()) < 60_000)
    assert.deepEqual([first.reason, first.unknown], ['unknown_originals', UNKNOWN])
    assert.deepEqual(await records.originals.collectable(0, 10), [])
    await sleep(5)
    await knownStore.halt('another_store', { ...UNKNOWN, originals: 3 })
    const { halt } = await knownStore.read()
    assert.deepEqual([halt?.since, halt?.reason, halt?.unknown.originals], [first.since, 'another_store', 3])
    await knownStore.adopt(async () => randomUUID())
    assert.equal((await knownStore.read()).halt, null)
    assert.equal((await records.originals.collectable(0, 10)).length, 1)
  })
}
