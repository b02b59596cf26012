// Bulk jobs end to end: a thousand failures tried again, one that the death of its server interrupts, one that is cancelled.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { ApiAuditEntry } from '../../../src/api/audit.ts'
import type { ApiCount, ApiImage } from '../../../src/api/images.ts'
import type { ApiImageSelection, ApiJob, ApiSelectionCount } from '../../../src/api/jobs.ts'
import type { ApiQueue } from '../../../src/api/admin.ts'
import { send } from '../../support/clients/accounts.ts'
import { allFinal, ask, eventually, upload } from '../../support/clients/client.ts'
import { change } from '../../support/servers/data-dir.ts'
import { failingFiles } from '../../support/inputs/failing-files.ts'
import { smallPhotograph } from '../../support/inputs/photographs.ts'
import { startServer, type Server } from '../../support/servers/server.ts'
import { onEachTopology } from '../../support/servers/topologies.ts'

const WAIT_MS = 120_000
const FAILURES = 1_000
const MANY = 30_000

type At = Pick<Server, 'url'>

const count = async (at: At, query: string) => (await ask<ApiCount>(at, `/api/images/count?${query}`)).body.images
const jobOf = async (at: At, { id }: { id: string }) => (await ask<ApiJob>(at, `/api/admin/jobs/${id}`)).body
const ended = (at: At, job: ApiJob) =>
  eventually(
    'the job has ended',
    async () => {
      const now = await jobOf(at, job)
      return now.finished_at !== null && now
    },
    WAIT_MS,
  )
const auditOf = async (at: At, job: ApiJob) => {
  const { body } = await ask<ApiAuditEntry[]>(at, '/api/admin/audit?action=job&limit=500')
  return body.filter(({ target }) => target?.id === job.id).map(({ action }) => action)
}

async function begin(at: At, action: ApiJob['action'], selection: ApiImageSelection): Promise<ApiJob> {
  const { body: counted } = await send<ApiSelectionCount>(at, 'POST', '/api/admin/selection/count', selection)
  const { status, body, text } = await send<ApiJob>(at, 'POST', '/api/admin/jobs', { action, selection, confirmed: counted.images })
  assert.equal(status, 201, text)
  assert.equal(body.total, counted.images)
  return body
}

onEachTopology({ MAX_FILES: '2000' }, (calotype) => {
  test('a thousand failed images are tried again, and what came later is left alone', async () => {
    const { status, text } = await upload(calotype, 'batch', failingFiles(FAILURES))
    assert.equal(status, 202, text)
    await allFinal(calotype, WAIT_MS)
    assert.equal(await count(calotype, 'status=error'), FAILURES)
    await send<ApiQueue>(calotype, 'POST', '/api/admin/queue/pause', { minutes: 60 })
    const job = await begin(calotype, 'retry', { filter: { code: 'invalid_image' } })
    const done = await ended(calotype, job)
    assert.deepEqual([done.state, done.seen, done.changed, done.total], ['done', FAILURES, FAILURES, FAILURES])
    assert.equal(await count(calotype, 'status=pending'), FAILURES)
    assert.deepEqual(await auditOf(calotype, job), ['job.done', 'job.created'])
    await send(calotype, 'POST', '/api/admin/queue/resume', undefined)
    const images = await allFinal(calotype, WAIT_MS)
    assert.equal(images.filter(({ status }) => status === 'error').length, FAILURES)
  })
})

let dataDir: string
let server: Server
const start = () => startServer({ dataDir, env: { LOG_LEVEL: 'warn', WORKER_CONCURRENCY: '1' } })

/** As many images more as if they had been sent before all others: of the bytes of one. */
const multiply = ({ id }: ApiImage, prefix: string) =>
  change(
    server,
    `insert into images (id, batch_id, batch_index, name, format, size, sha256, recipe, status, uploaded_at, finished_at)
     with recursive number(n) as (select 1 union all select n + 1 from number where n < ${MANY})
     select '00000000-0000-4000-8000-' || substr('${id}', 33, 4) || printf('%08x', n), batch_id, n, '${prefix}' || n || '.jpg', format, size, sha256, recipe, status,
       uploaded_at - n, finished_at from images, number where id = '${id}'`,
  )

async function uploadOne(name: string, seed: number): Promise<ApiImage> {
  const { status, body, text } = await upload(server, 'sync', [{ name, bytes: await smallPhotograph({ seed }) }])
  assert.equal(status, 200, text)
  return body.image
}

before(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'calotype-bulk-'))
  server = await start()
})
after(async () => {
  await server.stop()
  await rm(dataDir, { recursive: true, force: true, maxRetries: 5 })
})

test('a job whose server is killed goes on after the start, and counts each image once', async (t) => {
  await multiply(await uploadOne('killed.jpg', 81), 'killed')
  const job = await begin(server, 'delete', { filter: { q: 'killed' } })
  await uploadOne('killed-later.jpg', 82)
  const interrupted = await eventually(
    'it is under way',
    async () => {
      const now = await jobOf(server, job)
      return now.seen > 0 && now
    },
    WAIT_MS,
  )
  await server.kill('SIGKILL')
  await server.stop()
  assert.ok(interrupted.seen < MANY, 'it was not done already')
  server = await start()
  const between = await jobOf(server, job)
  const done = await ended(server, job)
  t.diagnostic(`killed after it was seen at ${interrupted.seen}, gone on at ${between.seen} of ${done.total}`)
  assert.deepEqual([done.state, done.seen, done.changed, done.total], ['done', MANY + 1, MANY + 1, MANY + 1])
  const left = (await ask<ApiImage[]>(server, '/api/images?q=killed')).body.map(({ name }) => name)
  assert.deepEqual(left, ['killed-later.jpg'], 'what was uploaded after it was made is left alone')
  assert.deepEqual(await auditOf(server, job), ['job.done', 'job.created'])
})

test('a job that is cancelled stops, and says what it has done', async () => {
  await multiply(await uploadOne('cancelled.jpg', 83), 'cancelled')
  const job = await begin(server, 'delete', { filter: { q: 'cancelled' } })
  await eventually('it is under way', async () => (await jobOf(server, job)).seen > 0, WAIT_MS)
  const { status, body } = await send<ApiJob>(server, 'POST', `/api/admin/jobs/${job.id}/cancel`, undefined)
  assert.deepEqual([status, body.state], [200, 'cancelled'])
  // The step in hand is counted when it is done.
  const settled = await eventually('it has stopped', async () => {
    const now = await jobOf(server, job)
    return now.changed === now.seen && now
  })
  const left = await count(server, 'q=cancelled')
  assert.ok(left > 0, 'it was not done already')
  assert.equal(left + settled.changed, MANY + 1)
  assert.deepEqual(await auditOf(server, job), ['job.cancelled', 'job.created'])
  const again = await send<ApiJob>(server, 'POST', `/api/admin/jobs/${job.id}/cancel`, undefined)
  assert.deepEqual([again.status, again.body.state], [200, 'cancelled'])
})

test('failures of the same bytes are tried again at once, and all are counted', async () => {
  const { body } = await upload(server, 'sync', failingFiles(1, 'same'))
  await multiply(body.image, 'same')
  await send<ApiQueue>(server, 'POST', '/api/admin/queue/pause', { minutes: 60 })
  const done = await ended(server, await begin(server, 'retry', { filter: { code: 'invalid_image', q: 'same' } }))
  assert.deepEqual([done.state, done.seen, done.changed], ['done', MANY + 1, MANY + 1])
  assert.equal(await count(server, 'q=same&status=pending'), MANY + 1)
  await send(server, 'POST', '/api/admin/queue/resume', undefined)
})
