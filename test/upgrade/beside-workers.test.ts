// An upgrade that leaves nothing for the version before does not begin while workers of it run; one that ended lately is waited for.
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { sql } from 'kysely'
import { openPostgres } from '../../src/db/postgres/open-postgres.ts'
import type { SchemaVersion } from '../../src/db/migrations.ts'
import { createLog } from '../../src/log.ts'
import { withPostgres } from '../support/engines/databases.ts'

const BEFORE = '0011-bounds'
const REPORT_MS = 300

describe('on PostgreSQL through PgBouncer', () => {
  const { newDatabase } = withPostgres()
  let url: string
  before(async () => {
    url = await newDatabase()
  })
  const open = (version: SchemaVersion) => openPostgres({ url, maxConnections: 2, log: createLog('error'), version })

  test('renditions become rows once the last worker of the version before has gone', { timeout: 60_000 }, async () => {
    const old = await open({ upTo: BEFORE })
    const seen = (ago: string) => sql`(cast(extract(epoch from clock_timestamp()) * 1000 as bigint) - ${sql.raw(ago)})`
    const say = (ago: string) =>
      sql`insert into workers values ('host-1', 'worker', 1, ${seen(ago)}, 2, 0, 5) on conflict (id) do update set seen_at = excluded.seen_at`.execute(
        old.database.write,
      )
    await say('0')
    const reporting = setInterval(() => void say('0'), REPORT_MS)
    await assert.rejects(open('latest'), /workers of the version before still run on it: host-1\. Stop all servers and workers/)
    clearInterval(reporting)
    await say('13500')
    await old.database.close()
    const { database, migrated } = await open('latest')
    await database.close()
    assert.deepEqual(migrated, ['0012-renditions'])
  })
})
