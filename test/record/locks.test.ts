// Transactions on PostgreSQL that change the same originals at the same time: they wait for each other, and never in a circle.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { sql } from 'kysely'
import { createSqlRecords } from '../../src/record/sql-records.ts'
import { RECIPE } from '../../src/rendition/presets.ts'
import { lease, upload } from '../contracts/record/records.ts'
import { withPostgres } from '../support/engines/databases.ts'
import { madeOf } from '../support/inputs/sample-image.ts'

const IMAGES = 400
const CLAIMED = 40
const ROUNDS = 3

describe('on PostgreSQL through PgBouncer', () => {
  const { open } = withPostgres()

  test('deletions, claims, outcomes and repeated uploads of the same originals never deadlock', async () => {
    const { database, close } = await open()
    try {
      const records = createSqlRecords(database)
      await records.renditions.addRecipe(RECIPE)
      const deadlocks = async () => {
        await sql`select pg_stat_force_next_flush()`.execute(database.read)
        const { rows } = await sql<{ deadlocks: number }>`
          select deadlocks from pg_stat_database where datname = current_database()`.execute(database.read)
        return Number(rows[0]!.deadlocks)
      }
      const before = await deadlocks()
      for (let round = 0; round < ROUNDS; round++) {
        const contents = Array.from({ length: IMAGES }, (_, at) => `${round}-${at}`)
        const images = await upload(records, ...contents)
        let isDeleting = true
        const hashes = images.map(({ sha256 }) => sha256)
        async function work(from: number): Promise<void> {
          for (let at = from; isDeleting; at = (at + CLAIMED) % IMAGES) {
            const { works } = await records.work.claim(hashes.slice(at, at + CLAIMED).reverse(), lease)
            await Promise.all(works.toReversed().map((one) => records.work.finish(madeOf(one))))
          }
        }
        async function sendAgain(): Promise<void> {
          for (let at = 0; isDeleting; at = (at + CLAIMED) % IMAGES) await upload(records, ...contents.slice(at, at + CLAIMED).reverse())
        }
        const deleting = (async () => {
          const ids = images.map(({ id }) => id)
          for (let at = 0; at < ids.length; at += 100) await records.images.deleteMany(ids.slice(at, at + 100), null)
          isDeleting = false
        })()
        await Promise.all([deleting, work(0), work(IMAGES / 2), sendAgain()])
      }
      assert.equal((await deadlocks()) - before, 0)
    } finally {
      await close()
    }
  })
})
