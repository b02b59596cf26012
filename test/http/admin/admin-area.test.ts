// The admin area over HTTP: each of its routes, what it takes, what it refuses, and for whom it is.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import type {
  ApiAdminBatchOwner,
  ApiAdminImage,
  ApiFailureGroup,
  ApiImageDetail,
  ApiOverview,
  ApiSetting,
  ApiWorker,
} from '../../../src/api/admin.ts'
import type { ApiAuditEntry } from '../../../src/api/audit.ts'
import type { ApiBatch } from '../../../src/api/batches.ts'
import type { ApiError } from '../../../src/api/errors.ts'
import type { ApiImage } from '../../../src/api/images.ts'
import type { ApiJob, ApiSelectionCount } from '../../../src/api/jobs.ts'
import type { ApiQueue } from '../../../src/api/admin.ts'
import { letIn, send, setUp, type SignedIn } from '../../support/clients/accounts.ts'
import { ask, END_OF_PARTS, eventually, part, post, type SentFile } from '../../support/clients/client.ts'
import { failingFiles } from '../../support/inputs/failing-files.ts'
import { smallPhotographs } from '../../support/inputs/photographs.ts'
import { startServer, type Server } from '../../support/servers/server.ts'

const WAIT_MS = 60_000
const SECRET = 'swordfish'

let server: Server
let root: SignedIn
let ada: SignedIn
let good: ApiImage[]
let bad: ApiImage[]

const get = <T>(path: string, who = root) => ask<T & ApiError>(server, path, { headers: who.headers })
const tell = <T>(path: string, body?: unknown, who = root) => send<T>(server, 'POST', path, body, who.headers)
const idsOf = (images: { id: string }[]) => images.map(({ id }) => id).sort()
const nextOf = (link: unknown) => /<([^>]+)>; rel="next"/.exec(String(link))?.[1]
const jobsDone = (id: string) =>
  eventually(
    'the job has ended',
    async () => {
      const { body } = await get<ApiJob>(`/api/admin/jobs/${id}`)
      return body.finished_at !== null && body
    },
    WAIT_MS,
  )

async function uploadAs(who: SignedIn, files: SentFile[]): Promise<ApiImage[]> {
  const body = Buffer.concat([...files.map(({ name, bytes }) => part('images', name, bytes)), END_OF_PARTS])
  const { status, text, body: sent } = await post(server, { path: '/api/async/upload', headers: who.headers, body })
  assert.equal(status, 202, text)
  return eventually(
    'all are final',
    async () => {
      const { body: images } = await get<ApiAdminImage[]>(`/api/admin/images?batch=${sent.job_id}&sort=name`)
      return images.every(({ finished_at }) => finished_at !== null) && images
    },
    WAIT_MS,
  )
}

before(async () => {
  server = await startServer({
    env: { AUTH: 'required', LOG_LEVEL: 'warn', WORKER_CONCURRENCY: '1', S3_SECRET_ACCESS_KEY: SECRET },
  })
  root = await setUp(server)
  ada = await letIn(server, root, 'ada@example.org')
  const [one, two] = await smallPhotographs(2, { seed: 7_000, bytes: 5_000 })
  good = await uploadAs(ada, [
    { name: 'one.jpg', bytes: one! },
    { name: 'two.jpg', bytes: two! },
  ])
  bad = await uploadAs(root, failingFiles(3))
})
after(() => server.stop())

test('all of it is for administrators', async () => {
  const id = randomUUID()
  const routes = {
    GET: ['overview', 'images', `images/${id}`, 'batches', 'failures', 'workers', 'queue', 'jobs', `jobs/${id}`, 'settings'],
    POST: ['queue/pause', 'queue/resume', 'selection/count', 'jobs', `jobs/${id}/cancel`],
  }
  for (const [method, paths] of Object.entries(routes)) {
    for (const path of paths) {
      const refused = await send(server, method, `/api/admin/${path}`, undefined, ada.headers)
      assert.deepEqual([refused.status, refused.body.code], [403, 'forbidden'], path)
      assert.equal((await send(server, method, `/api/admin/${path}`, undefined)).status, 401, path)
    }
  }
})

test('the overview says what there is', async () => {
  const { status, body, headers } = await get<ApiOverview>('/api/admin/overview')
  assert.equal(status, 200)
  assert.equal(headers['cache-control'], 'no-store')
  assert.deepEqual(body.images, { pending: 0, processing: 0, completed: 2, error: 3, aborted: 0 })
  assert.deepEqual(body.failures, [{ code: 'invalid_image', images: 3 }])
  assert.equal(
    body.original_bytes,
    [...good, ...bad].reduce((sum, { size }) => sum + size, 0),
  )
  assert.equal(body.oldest_pending_ms, null)
  assert.equal(body.minutes.length, 60)
  const sums = body.minutes.slice(-5).map(({ completed, failed }) => [completed, failed])
  assert.deepEqual(
    sums.reduce((a, b) => [a[0]! + b[0]!, a[1]! + b[1]!]),
    [2, 3],
  )
  assert.ok(body.disk!.free_bytes > 0 && body.disk!.total_bytes > body.disk!.free_bytes)
  assert.ok(body.database_bytes > 0)
  assert.deepEqual([body.workers.alive, body.workers.children, body.pause], [1, 1, null])
  assert.equal(body.deletion_halt, null)
})

describe('images', () => {
  const list = async (query: string) => (await get<ApiAdminImage[]>(`/api/admin/images?${query}`)).body

  test('of everyone, with owners, by filters', async () => {
    const all = await list('')
    assert.deepEqual(idsOf(all), idsOf([...good, ...bad]))
    assert.deepEqual(all.find(({ id }) => id === good[0]!.id)!.owner, { id: ada.id, email: ada.email })
    assert.deepEqual(
      all.map(({ attempts }) => attempts),
      [1, 1, 1, 1, 1],
    )
    assert.deepEqual(idsOf(await list(`owner=${ada.id}`)), idsOf(good))
    assert.deepEqual(idsOf(await list('code=invalid_image')), idsOf(bad))
    assert.deepEqual(idsOf(await list(`code=invalid_image&owner=${ada.id}`)), [])
    assert.deepEqual(idsOf(await list('q=ONE&status=completed&format=jpeg')), [good[0]!.id])
    const from = encodeURIComponent(bad[0]!.uploaded_at)
    assert.deepEqual(idsOf(await list(`from=${from}`)), idsOf(bad))
    assert.deepEqual(idsOf(await list(`to=${from}`)), idsOf(good))
  })

  test('by pages, in each order', async () => {
    for (const sort of ['newest', 'oldest', 'name', '-name', 'size', '-size']) {
      const seen: string[] = []
      let path: string | undefined = `/api/admin/images?limit=2&sort=${sort}`
      while (path) {
        const { body, headers } = await get<ApiAdminImage[]>(path)
        seen.push(...body.map(({ id }) => id))
        path = nextOf(headers.link)
      }
      assert.deepEqual(seen.toSorted(), idsOf([...good, ...bad]), sort)
    }
  })

  test('what is no such query is refused', async () => {
    const queries = ['limit=0', 'limit=1000', 'code=none', 'owner=me', 'from=yesterday', 'sort=best', 'cursor=x', 'status=lost', 'batch=1']
    for (const query of queries) {
      const { status, body } = await get<ApiError>(`/api/admin/images?${query}`)
      assert.deepEqual([status, body.code], [400, 'bad_request'], query)
    }
    assert.equal((await get('/api/admin/images/x')).status, 400)
    assert.equal((await get(`/api/admin/images/${randomUUID()}`)).status, 404)
  })

  test('one tells its timeline: completed, failed, known before, tried again', async () => {
    const detail = async (id: string) => (await get<ApiImageDetail>(`/api/admin/images/${id}`)).body
    const steps = ({ timeline }: ApiImageDetail) => timeline.map(({ step }) => step)
    const inOrder = ({ timeline }: ApiImageDetail) =>
      timeline.every(({ at, after_ms: after }, index) => {
        const before = timeline[index - 1]
        return before === undefined ? after === null : Date.parse(at) - Date.parse(before.at) === after && after >= 0
      })
    const completed = await detail(good[0]!.id)
    assert.deepEqual(steps(completed), ['received', 'recorded', 'started', 'finished'])
    assert.ok(inOrder(completed), JSON.stringify(completed.timeline))
    const { body: workers } = await get<ApiWorker[]>('/api/admin/workers')
    assert.deepEqual(
      completed.timeline.map(({ worker }) => worker),
      [null, null, workers[0]!.id, workers[0]!.id],
    )
    assert.match(completed.timeline[0]!.detail!, /^\d+ bytes, image\/jpeg$/)
    assert.equal(completed.timeline.at(-1)!.at, completed.finished_at)

    const failed = await detail(bad[0]!.id)
    assert.deepEqual(steps(failed), ['received', 'recorded', 'started', 'failed'])
    assert.equal(failed.timeline.at(-1)!.detail, failed.error)
    assert.equal(failed.timeline[2]!.detail, null)

    const bytes = Buffer.from(
      await (await fetch(`${server.url}/api/images/${good[0]!.id}/original`, { headers: root.headers })).arrayBuffer(),
    )
    const [known] = await uploadAs(root, [{ name: 'again.jpg', bytes }])
    const again = await detail(known!.id)
    assert.deepEqual(steps(again), ['received', 'recorded', 'finished'])
    assert.match(again.timeline.at(-1)!.detail!, /^The same bytes were developed before/)
    await send(server, 'DELETE', `/api/images/${known!.id}`, undefined, root.headers)

    await tell('/api/admin/queue/pause', { minutes: 5 })
    await tell(`/api/images/${bad[0]!.id}/retry`)
    const waiting = await detail(bad[0]!.id)
    assert.equal(waiting.status, 'pending')
    assert.deepEqual(steps(waiting), ['received', 'recorded', 'started', 'failed'], 'of the attempt before')
    await tell('/api/admin/queue/resume')
    const retried = await eventually(
      'it has failed again',
      async () => {
        const now = await detail(bad[0]!.id)
        return now.status === 'error' && now
      },
      WAIT_MS,
    )
    assert.deepEqual(steps(retried), ['received', 'recorded', 'started', 'failed'])
    assert.ok(Date.parse(retried.timeline[2]!.at) > Date.parse(failed.timeline[3]!.at), 'of the last attempt')
    assert.ok(inOrder(retried))
  })
})

test('batches are found by state and owner, with whose they are', async () => {
  const list = async (query: string) => (await get<(ApiBatch & ApiAdminBatchOwner)[]>(`/api/admin/batches?${query}`)).body
  const batchOf = ({ job_id }: ApiImage) => job_id.slice(0, job_id.lastIndexOf('-'))
  const [ofAda, ofRoot] = [batchOf(good[0]!), batchOf(bad[0]!)]
  assert.deepEqual(idsOf(await list('state=done')), [ofAda, ofRoot].sort())
  assert.deepEqual(idsOf(await list('state=failed')), [ofRoot])
  assert.deepEqual(idsOf(await list('state=open')), [])
  const [batch] = await list(`owner=${ada.id}`)
  assert.deepEqual([batch!.id, batch!.owner, batch!.completed], [ofAda, { id: ada.id, email: ada.email }, 2])
  const first = await get<ApiBatch[]>('/api/admin/batches?limit=1')
  const second = await get<ApiBatch[]>(nextOf(first.headers.link)!)
  assert.deepEqual([first.body[0]!.id, second.body[0]!.id, nextOf(second.headers.link)], [ofRoot, ofAda, undefined])
  for (const query of ['state=lost', 'owner=1', 'limit=101', 'cursor=x', 'to=now']) {
    assert.equal((await get(`/api/admin/batches?${query}`)).status, 400, query)
  }
})

test('failures are grouped by code, with the last six that are there', async () => {
  const unwanted = await uploadAs(root, failingFiles(10, 'unwanted'))
  const full = await get<ApiFailureGroup[]>('/api/admin/failures')
  assert.deepEqual(
    full.body.map(({ images, samples }) => [images, samples.length]),
    [[13, 6]],
  )
  assert.ok(full.body[0]!.samples.every(({ name }) => name.startsWith('unwanted')))
  // Of many that failed so and are gone, none takes the place of one that is there.
  await tell('/api/images/delete', { ids: unwanted.map(({ id }) => id) })
  const { body } = await get<ApiFailureGroup[]>('/api/admin/failures')
  assert.deepEqual(
    body.map(({ code, images }) => [code, images]),
    [['invalid_image', 3]],
  )
  const [group] = body
  assert.match(group!.error, /damaged/)
  assert.deepEqual(idsOf(group!.samples), idsOf(bad))
  assert.ok(bad.every(({ finished_at }) => Date.parse(group!.last_at) >= Date.parse(finished_at!) - 10_000))
})

test('the embedded server is a worker', async () => {
  const { body } = await get<ApiWorker[]>('/api/admin/workers')
  assert.equal(body.length, 1)
  const { id, kind, alive, concurrency, in_hand: inHand } = body[0]!
  assert.deepEqual([kind, alive, concurrency, inHand], ['server', true, 1, []])
  assert.match(id, new RegExp(`-${server.pid}$`))
  const developed = async () => (await get<ApiWorker[]>('/api/admin/workers')).body[0]!.developed
  await eventually('it has said what it developed', async () => (await developed()) >= 2, WAIT_MS)
})

test('settings are shown without their secrets', async () => {
  const { body, text } = await get<ApiSetting[]>('/api/admin/settings')
  const of = (name: string) => body.find((setting) => setting.name === name)!
  assert.ok(!text.includes(SECRET))
  assert.deepEqual(
    [of('S3_SECRET_ACCESS_KEY').value, of('S3_SECRET_ACCESS_KEY').is_secret, of('S3_SECRET_ACCESS_KEY').is_set],
    ['***', true, true],
  )
  assert.deepEqual([of('AUTH').value, of('AUTH').is_set, of('AUTH').is_secret], ['required', true, false])
  assert.deepEqual([of('MAX_FILES').value, of('MAX_FILES').default, of('MAX_FILES').is_set], ['5000', '5000', false])
  assert.ok(body.every(({ help }) => help.length > 0))
})

test('the queue is paused by someone, for a reason, until a time; and resumed', async () => {
  const before = await get<ApiQueue>('/api/admin/queue')
  assert.deepEqual(before.body, { pending: 0, processing: 0, oldest_pending_ms: null, pause: null })
  const { status, body } = await tell<ApiQueue>('/api/admin/queue/pause', { minutes: 90, reason: ' moving disks ' })
  assert.equal(status, 200)
  assert.deepEqual([body.pause!.by, body.pause!.reason], [root.email, 'moving disks'])
  assert.equal(Date.parse(body.pause!.until) - Date.parse(body.pause!.since), 90 * 60_000)
  assert.deepEqual((await get<ApiOverview>('/api/admin/overview')).body.pause, body.pause)
  const resumed = await tell<ApiQueue>('/api/admin/queue/resume')
  assert.deepEqual([resumed.status, resumed.body.pause], [200, null])
  assert.equal((await tell('/api/admin/queue/resume')).status, 200)
  for (const bad of [
    {},
    { minutes: 0 },
    { minutes: 24 * 60 + 1 },
    { minutes: '5' },
    { minutes: 5, reason: 'x'.repeat(501) },
    { minutes: 5, by: 'me' },
  ]) {
    assert.equal((await tell('/api/admin/queue/pause', bad)).status, 400, JSON.stringify(bad))
  }
  const { body: log } = await get<ApiAuditEntry[]>('/api/admin/audit?action=queue&limit=2')
  assert.deepEqual(
    log.map(({ action, user }) => [action, user!.email]),
    [
      ['queue.resumed', root.email],
      ['queue.paused', root.email],
    ],
  )
})

describe('bulk jobs', () => {
  const count = async (selection: unknown) => tell<ApiSelectionCount>('/api/admin/selection/count', selection)

  test('a selection is counted', async () => {
    assert.deepEqual((await count({ filter: {} })).body, { images: 5 })
    assert.deepEqual((await count({ filter: { code: 'invalid_image' } })).body, { images: 3 })
    assert.deepEqual((await count({ ids: [good[0]!.id, good[0]!.id, randomUUID()] })).body, { images: 1 })
    for (const bad of [{}, { ids: ['x'] }, { ids: [], filter: {} }, { filter: { colour: 'red' } }, { filter: { status: 'lost' } }, null]) {
      assert.equal((await count(bad)).status, 400, JSON.stringify(bad))
    }
  })

  test('what was not confirmed so, or is none, is refused', async () => {
    const job = { action: 'delete', selection: { filter: {} }, confirmed: 4 }
    const { status, body } = await tell('/api/admin/jobs', job)
    assert.deepEqual([status, body.code], [409, 'count_changed'])
    for (const bad of [{ action: 'rename' }, { selection: {} }, { confirmed: -1 }, { confirmed: undefined }, { more: 1 }]) {
      assert.equal((await tell('/api/admin/jobs', { ...job, ...bad })).status, 400, JSON.stringify(bad))
    }
    assert.equal((await get(`/api/admin/jobs/${randomUUID()}`)).status, 404)
    assert.equal((await tell(`/api/admin/jobs/${randomUUID()}/cancel`)).status, 404)
    assert.equal((await get('/api/admin/jobs/x')).status, 400)
  })

  test('retries what a filter finds, deletes what ids name, and is written down', async () => {
    const made = await tell<ApiJob>('/api/admin/jobs', { action: 'retry', selection: { filter: { code: 'invalid_image' } }, confirmed: 3 })
    assert.equal(made.status, 201, made.text)
    assert.equal(made.headers.location, `/api/admin/jobs/${made.body.id}`)
    assert.deepEqual([made.body.action, made.body.state, made.body.total, made.body.by], ['retry', 'waiting', 3, root.email])
    const retried = await jobsDone(made.body.id)
    assert.deepEqual([retried.state, retried.seen, retried.changed, retried.error], ['done', 3, 3, null])
    const [extra] = await uploadAs(root, failingFiles(1, 'extra'))
    const { body } = await tell<ApiJob>('/api/admin/jobs', { action: 'delete', selection: { ids: [extra!.id] }, confirmed: 1 })
    const deleted = await jobsDone(body.id)
    assert.deepEqual([deleted.state, deleted.seen, deleted.changed], ['done', 1, 1])
    assert.equal((await get(`/api/admin/images/${extra!.id}`)).status, 404)
    assert.equal((await tell<ApiJob>(`/api/admin/jobs/${body.id}/cancel`)).body.state, 'done', 'too late')
    const { body: log } = await get<ApiAuditEntry[]>('/api/admin/audit?action=job')
    assert.deepEqual(
      log.filter(({ target }) => target!.id === body.id).map(({ action, user, via }) => [action, user!.id, via]),
      [
        ['job.done', root.id, 'session'],
        ['job.created', root.id, 'session'],
      ],
    )
    const first = await get<ApiJob[]>('/api/admin/jobs?limit=1')
    assert.deepEqual(idsOf(first.body), [body.id])
    assert.deepEqual(idsOf((await get<ApiJob[]>(nextOf(first.headers.link)!)).body), [made.body.id])
    assert.equal((await get('/api/admin/jobs?cursor=x')).status, 400)
  })
})

test('what is deleted, tried again or cancelled is written down, many as one', async () => {
  const images = await uploadAs(ada, failingFiles(3, 'logged'))
  const batch = images[0]!.job_id.slice(0, images[0]!.job_id.lastIndexOf('-'))
  await tell(`/api/images/${images[0]!.id}/retry`, undefined, ada)
  await tell('/api/images/retry', { ids: images.slice(1).map(({ id }) => id) }, ada)
  await tell(`/api/batches/${batch}/cancel`, undefined, ada)
  await tell(`/api/batches/${batch}/retry`, undefined, ada)
  await send(server, 'DELETE', `/api/images/${images[0]!.id}`, undefined, ada.headers)
  await tell('/api/images/delete', { ids: images.map(({ id }) => id) }, ada)
  const { body: log } = await get<ApiAuditEntry[]>(`/api/admin/audit?actor=${ada.email}`)
  const seen = log.map(({ action, target, detail }) => [action, target?.id ?? detail.images])
  for (const entry of [
    ['image.retried', images[0]!.id],
    ['batch.cancelled', batch],
    ['batch.retried', batch],
    ['image.deleted', images[0]!.id],
    ['images.deleted', 2],
  ]) {
    assert.ok(
      seen.some((one) => one[0] === entry[0] && one[1] === entry[1]),
      `${entry.join()} in ${JSON.stringify(seen)}`,
    )
  }
})
