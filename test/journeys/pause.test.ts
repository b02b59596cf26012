// The queue is paused and goes on, by itself or by someone, on every server and worker; what is uploaded meanwhile waits.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import type { ApiImage } from '../../src/api/images.ts'
import type { ApiQueue } from '../../src/api/admin.ts'
import { send } from '../support/clients/accounts.ts'
import { allFinal, ask, eventually, upload } from '../support/clients/client.ts'
import { change } from '../support/servers/data-dir.ts'
import { smallPhotographs } from '../support/inputs/photographs.ts'
import { onEachTopology, type Calotype } from '../support/servers/topologies.ts'

const ENV = { SYNC_WAIT_MS: '500', WORKER_CONCURRENCY: '1' }
const LONG_ENOUGH_MS = 4_000

const pause = (calotype: Calotype, minutes: number) =>
  send<ApiQueue>(calotype, 'POST', '/api/admin/queue/pause', { minutes, reason: 'a test' })
const queue = async (calotype: Calotype) => (await ask<ApiQueue>(calotype, '/api/admin/queue')).body

let seed = 30_000
async function sendSome(calotype: Calotype, count: number): Promise<ApiImage[]> {
  const pictures = await smallPhotographs(count, { seed: (seed += 100), bytes: 5_000 })
  const { status, body, text } = await upload(
    calotype,
    'async',
    pictures.map((bytes, at) => ({ name: `${seed}-${at}.jpg`, bytes })),
  )
  assert.equal(status, 202, text)
  return body.images
}

const statesOf = async (calotype: Calotype, images: ApiImage[]) => {
  const all = await Promise.all(images.map(({ id }) => ask<ApiImage>(calotype, `/api/images/${id}`)))
  return [...new Set(all.map(({ body }) => body.status))]
}

onEachTopology(ENV, (calotype) => {
  test('nothing is begun while it is paused; when someone resumes, all goes on', async (t) => {
    await sendSome(calotype, 1)
    await allFinal(calotype)
    const { status, body } = await pause(calotype, 60)
    assert.equal(status, 200)
    assert.equal(body.pause!.reason, 'a test')
    const images = await sendSome(calotype, 40)
    const [late] = await smallPhotographs(1, { seed: (seed += 100), bytes: 5_000 })
    const sync = await upload(calotype, 'sync', [{ name: 'sync.jpg', bytes: late! }])
    assert.deepEqual([sync.status, sync.body.image.status], [202, 'pending'], sync.text)
    await wait(LONG_ENOUGH_MS)
    assert.deepEqual(await statesOf(calotype, images), ['pending'])
    const waiting = await queue(calotype)
    assert.deepEqual([waiting.pending, waiting.processing], [41, 0])
    assert.ok(waiting.oldest_pending_ms! >= LONG_ENOUGH_MS)
    const resumedAt = performance.now()
    await send(calotype, 'POST', '/api/admin/queue/resume', undefined)
    await eventually('it goes on', async () => (await queue(calotype)).pending < 41, 20_000)
    t.diagnostic(`the first image is claimed ${Math.round(performance.now() - resumedAt)} ms after the end of the pause`)
    assert.ok((await allFinal(calotype)).every((image) => image.status === 'completed'))
  })

  test('it ends by itself, and outlasts a restart', async (t) => {
    const { body } = await pause(calotype, 60)
    assert.equal(Date.parse(body.pause!.until) - Date.parse(body.pause!.since), 60 * 60_000)
    const images = await sendSome(calotype, 40)
    await calotype.shutDown()
    await calotype.startAgain()
    assert.deepEqual((await queue(calotype)).pause, body.pause)
    assert.deepEqual(await statesOf(calotype, images), ['pending'])
    // Its time comes, without the wait.
    await change(calotype, `update pauses set until_at = ${Date.now() + 1_000}`)
    await eventually('the pause is over', async () => (await queue(calotype)).pause === null, 20_000)
    const overAt = performance.now()
    await eventually('it goes on', async () => (await queue(calotype)).pending < 40, 20_000)
    t.diagnostic(`the first image is claimed ${Math.round(performance.now() - overAt)} ms after the end of the pause`)
    assert.ok((await allFinal(calotype)).every((image) => image.status === 'completed'))
  })
})
