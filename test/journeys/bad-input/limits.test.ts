// Limits of how much is taken at once, and of how long an answer is waited for: each says what to do next, and loses nothing.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import type { ApiImage } from '../../../src/api/images.ts'
import { send } from '../../support/clients/accounts.ts'
import { allFinal, ask, eventually, listImages, upload } from '../../support/clients/client.ts'
import { audit, query } from '../../support/servers/data-dir.ts'
import { photograph, smallPhotographs } from '../../support/inputs/photographs.ts'
import { onEachTopology } from '../../support/servers/topologies.ts'

const ENV = { WORKER_CONCURRENCY: '1', MAX_PENDING: '1', MAX_FILES: '60', SYNC_WAIT_MS: '1', BLOB_GRACE_SECONDS: '0' }
const named = (photographs: Buffer[]) => photographs.map((bytes, index) => ({ name: `${index}.jpg`, bytes }))
/** Servers count what waits once a second. */
const countedAnew = () => wait(1_100)

onEachTopology(ENV, (server) => {
  test('beyond MAX_PENDING an upload is told when to come back', async () => {
    const before = (await listImages(server)).length
    // However fast the workers are, they all wait.
    assert.equal((await send(server, 'POST', '/api/admin/queue/pause', { minutes: 60 })).status, 200)
    const [file, ...others] = named(await smallPhotographs(17))
    assert.equal((await upload(server, 'batch', others)).status, 202)
    await countedAnew()
    for (const endpoint of ['sync', 'async', 'batch'] as const) {
      const answer = await upload(server, endpoint, [file!])
      assert.deepEqual([answer.status, answer.body.code], [503, 'overloaded'])
      assert.match(answer.headers['retry-after'] as string, /^[1-9]\d*$/)
    }
    assert.equal((await send(server, 'POST', '/api/admin/queue/resume', undefined)).status, 200)
    await allFinal(server)
    await countedAnew()
    assert.ok((await upload(server, 'sync', [file!])).status < 300)
    assert.equal((await listImages(server)).length, before + 17)
    await allFinal(server)
    await countedAnew()
  })

  test('more than MAX_FILES: nothing of it stays', async () => {
    const before = await audit(server)
    const batches = () => query(server, 'select id from batches order by id')
    const batchesBefore = await batches()
    const files = named(await smallPhotographs(61))
    for (const endpoint of ['async', 'batch'] as const) {
      const answer = await upload(server, endpoint, files)
      assert.deepEqual([answer.status, answer.body.code], [413, 'too_many_files'], answer.text)
    }
    assert.equal((await listImages(server)).length, before.images.length)
    assert.deepEqual(await batches(), batchesBefore)
    await eventually('the bytes are gone', async () => (await audit(server)).bytesWithoutRows.length === 0, 15_000)
    assert.deepEqual(await audit(server), before)
    assert.equal((await upload(server, 'batch', files.slice(1))).status, 202)
    await allFinal(server)
    await countedAnew()
  })

  test('a sync upload that is not done in time answers with where to look', async () => {
    const answer = await upload(server, 'sync', [{ name: 'large.jpg', bytes: await photograph({ seed: 1, megapixels: 4 }) }])
    assert.equal(answer.status, 202, answer.text)
    const { image } = answer.body
    assert.ok(['pending', 'processing'].includes(image.status))
    assert.equal(answer.headers.location, `/api/images/${image.id}`)
    const done = await eventually('it is completed', async () => {
      const now = (await ask<ApiImage>(server, answer.headers.location!)).body
      return now.status === 'completed' && now
    })
    assert.equal(done.id, image.id)
  })
})
