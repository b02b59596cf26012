// An API server dies between the bytes and their row: nobody was told that they are taken, and a sweep of the others removes them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import pg from 'pg'
import { upload, eventually } from '../support/clients/client.ts'
import { startCluster } from '../support/servers/cluster.ts'
import { filesIn } from '../support/servers/data-dir.ts'
import { smallPhotographs } from '../support/inputs/photographs.ts'

test('what an API server had stored and not recorded when it was killed is collected', async () => {
  await using cluster = await startCluster({ api: 1, workers: 1, env: { LOG_LEVEL: 'error', BLOB_GRACE_SECONDS: '0' } })
  const [bytes] = await smallPhotographs(1, { seed: 7 })
  const client = new pg.Client({ connectionString: cluster.directDatabaseUrl })
  await client.connect()
  try {
    const originals = () => filesIn(cluster.dataDir, 'originals')
    const rows = async () => (await client.query<{ due: boolean }>('select released_at < $1 as due from originals', [Date.now()])).rows

    // The last thing an upload writes: everything before it is done.
    await client.query('begin')
    await client.query('lock table images in share mode')
    const cutOff = upload(cluster, 'async', [{ name: 'lost.jpg', bytes: bytes! }]).catch(() => null)
    await eventually('the bytes are stored', async () => (await originals()).length === 1)
    await cluster.kill('api-1', 'SIGKILL')
    await client.query('rollback')
    assert.notEqual((await cutOff)?.status, 202, 'not acknowledged')

    await eventually('its transaction is undone', async () => {
      const [state] = (await client.query('select count(*)::int as open from pg_stat_activity where wait_event_type = $1', ['Lock'])).rows
      return state.open === 0
    })
    assert.deepEqual(await rows(), [{ due: false }], 'the bytes have a row, which no grace period ends yet')
    // As if the hour were over; earlier than they were stored, it would not be about these bytes.
    await client.query('update originals set released_at = $1', [Date.now()])
    await cluster.start('api-1').catch(() => undefined)
    await eventually('bytes and row are gone', async () => (await originals()).length + (await rows()).length === 0, 30_000)
  } finally {
    await client.end()
  }
})
