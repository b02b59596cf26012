// What administrators are told of images, batches, work and workers, and the pause; run on each database.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Database } from '../../../src/db/schema.ts'
import type { Failure, Image } from '../../../src/image.ts'
import type { ImageFilter } from '../../../src/record/images/image-filter.ts'
import type { Records } from '../../../src/record/records.ts'
import { createSqlRecords } from '../../../src/record/sql-records.ts'
import { createSqlOverview } from '../../../src/record/admin/sql-overview.ts'
import { createSqlWorkPause } from '../../../src/record/work/sql-work-pause.ts'
import { createSqlWorkerRegistry } from '../../../src/record/work/sql-worker-registry.ts'
import { RECIPE } from '../../../src/rendition/presets.ts'
import type { OpenDatabase } from '../../support/engines/databases.ts'
import { madeOf } from '../../support/inputs/sample-image.ts'
import { DAMAGED, develop, fail, lease, newBatch, newImage, take, upload, uploadAs as record } from './records.ts'

const CRASHED = { code: 'processing_crashed', error: 'It crashed.' } as const

const failOne = async (records: Records, content: string, failure: Failure = DAMAGED): Promise<Image> =>
  (await fail(records, content, failure))[0]!

const uploadAs = (records: Records, ownerId: string | null, ...contents: string[]) => record(records, { ownerId }, ...contents)

export function oversightContract(open: OpenDatabase): void {
  const it = (name: string, body: (records: Records, database: Database) => Promise<void>): void =>
    void test(name, async () => {
      const { database, close } = await open()
      try {
        const records = createSqlRecords(database)
        await records.renditions.addRecipe(RECIPE)
        await body(records, database)
      } finally {
        await close()
      }
    })

  it('lists and counts take owners, codes and times', async (records) => {
    const ann = await uploadAs(records, 'ann', 'a', 'b')
    await sleep(5)
    const ben = await uploadAs(records, 'ben', 'c', 'd')
    await failOne(records, 'a')
    await failOne(records, 'c', CRASHED)
    await failOne(records, 'd')
    await develop(records, 'b')
    const names = async (filter: ImageFilter) => {
      const { images } = await records.images.list({ ...filter, sort: 'name', limit: 10 }, null)
      assert.equal(await records.images.count(filter, null), images.length)
      return images.map(({ name }) => name[0]).join('')
    }
    assert.equal(await names({}), 'abcd')
    assert.equal(await names({ owner: 'ann' }), 'ab')
    assert.equal(await names({ owner: 'eve' }), '')
    assert.equal(await names({ code: 'invalid_image' }), 'ad')
    assert.equal(await names({ code: 'invalid_image', owner: 'ben' }), 'd')
    assert.equal(await names({ code: 'processing_crashed', status: 'error' }), 'c')
    assert.equal(await names({ code: 'processing_crashed', status: 'completed' }), '')
    assert.equal(await names({ code: 'processing_timeout' }), '')
    const between = ben[0]!.uploadedAt
    assert.equal(await names({ from: between }), 'cd')
    assert.equal(await names({ to: between }), 'ab')
    assert.equal(await names({ from: ann[0]!.uploadedAt, to: between, code: 'invalid_image' }), 'a')
    assert.equal(await names({ owner: 'ben', batch: ben[0]!.batchId, q: 'D' }), 'd')
    // What somebody does not see does not come by naming whose it is.
    assert.deepEqual((await records.images.list({ sort: 'newest', limit: 10, owner: 'ben' }, 'ann')).images, [])
    // A code that is being tried again is not a failure any more.
    await records.images.retry(
      (await records.images.list({ sort: 'name', limit: 1, code: 'processing_crashed' }, null)).images[0]!.id,
      null,
    )
    assert.equal(await names({ code: 'processing_crashed' }), '')
  })

  it('batches say whose they are, and are found by owner, time and state', async (records) => {
    const [open] = await uploadAs(records, 'ann', 'a')
    await sleep(5)
    const [done] = await uploadAs(records, 'ben', 'b')
    const [failed] = await uploadAs(records, 'ben', 'c', 'd')
    await develop(records, 'b')
    await develop(records, 'd')
    await failOne(records, 'c')
    const declared = await records.batches.declare({
      batchId: newBatch().id,
      ownerId: null,
      sees: null,
      files: [{ name: 'x', size: 1, sha256: null, refusal: null }],
      ttlMs: 60_000,
      recipe: RECIPE,
    })
    const arriving = newBatch()
    await records.uploads.record({ start: arriving, images: [newImage(arriving, 0, 'e')] })
    await develop(records, 'e')
    const of = async (filter: object) => {
      const { batches } = await records.batches.list({ limit: 10, ...filter }, null)
      return batches.map(({ id }) => id).sort()
    }
    const ids = (...batches: string[]) => batches.sort()
    assert.deepEqual(await of({ state: 'open' }), ids(open!.batchId, declared.batchId, arriving.id))
    assert.deepEqual(await of({ state: 'done' }), ids(done!.batchId, failed!.batchId))
    assert.deepEqual(await of({ state: 'failed' }), ids(failed!.batchId))
    assert.deepEqual(await of({ owner: 'ben' }), ids(done!.batchId, failed!.batchId))
    assert.deepEqual(await of({ owner: 'ann', state: 'done' }), [])
    const { createdAt, ownerId } = (await records.batches.get(done!.batchId, null))!
    assert.equal(ownerId, 'ben')
    assert.deepEqual(await of({ to: createdAt }), ids(open!.batchId))
    assert.ok(!(await of({ from: createdAt })).includes(open!.batchId))
    const first = await records.batches.list({ limit: 1, state: 'done' }, null)
    const second = await records.batches.list({ limit: 1, state: 'done', cursor: first.next! }, null)
    assert.deepEqual(ids(first.batches[0]!.id, second.batches[0]!.id), ids(done!.batchId, failed!.batchId))
    assert.equal(second.next, null)
  })

  it('work says who had it, since when, how often, and how it ended', async (records) => {
    const [image] = await upload(records, 'one')
    const work = async () => (await records.work.doneFor([image!.id])).get(image!.id)!
    assert.deepEqual(await work(), { attempts: 0, startedAt: null, finishedAt: null, worker: null, failure: null })
    const begun = await take(records, 'one')
    const started = await work()
    assert.deepEqual([started.attempts, started.worker, started.finishedAt], [1, 'me', null])
    assert.ok(started.startedAt! >= image!.uploadedAt)
    await records.work.giveBack([begun])
    assert.equal((await work()).attempts, 0)
    await take(records, 'one', { ...lease, ms: 0 })
    await sleep(5)
    await records.work.reclaim(false)
    const { sha256, token } = await take(records, 'one', { ...lease, worker: 'another' })
    await records.work.finish({ sha256, token, failure: CRASHED })
    const failed = await work()
    assert.deepEqual([failed.attempts, failed.worker, failed.failure], [2, 'another', CRASHED])
    await records.images.retry(image!.id, null)
    assert.deepEqual((await work()).failure, CRASHED, 'until there is a new outcome')
    await develop(records, 'one')
    const done = await work()
    assert.deepEqual([done.attempts, done.worker, done.failure], [1, 'me', null])
    assert.ok(done.finishedAt! >= done.startedAt! && done.startedAt! >= failed.finishedAt!)
    assert.equal((await records.work.doneFor(['nobody'])).size, 0)
  })

  it('while there is a pause nothing is claimed; it ends by itself or by someone', async (records, database) => {
    const pause = createSqlWorkPause(database)
    const [image] = await upload(records, 'one')
    const claim = async () => (await records.work.claim([image!.sha256], lease)).works.length
    assert.equal(await pause.current(), null)
    assert.equal(await pause.end(), null)
    const begun = await pause.begin({ by: 'root@example.org', reason: 'disk\0', ms: 60_000 })
    assert.deepEqual([begun.by, begun.reason, begun.until - begun.since], ['root@example.org', 'disk\0', 60_000])
    assert.deepEqual(await pause.current(), begun)
    assert.equal(await claim(), 0)
    assert.equal((await records.images.get(image!.id, null))?.status, 'pending')
    assert.equal((await pause.end())?.by, 'root@example.org')
    assert.equal(await pause.end(), null)
    await pause.begin({ by: 'a', reason: '', ms: 60_000 })
    await pause.begin({ by: 'b', reason: 'shorter', ms: 300 })
    assert.equal((await pause.current())?.by, 'b')
    assert.equal(await claim(), 0)
    await sleep(400)
    assert.equal(await pause.current(), null)
    assert.equal(await claim(), 1)
  })

  it('what is in hand is finished while there is a pause', async (records, database) => {
    await upload(records, 'one')
    const work = await take(records, 'one')
    await createSqlWorkPause(database).begin({ by: 'a', reason: '', ms: 60_000 })
    const [done] = await records.work.finish(madeOf(work))
    assert.equal(done?.status, 'completed')
  })

  it('workers say that they live, and what they have in hand', async (records, database) => {
    const workers = createSqlWorkerRegistry(database)
    const report = { id: 'me', kind: 'worker', concurrency: 2, busy: 1, developed: 5, isFirst: true } as const
    assert.deepEqual(await workers.sum(), { alive: 0, children: 0, busy: 0 })
    await workers.report(report)
    await sleep(5)
    await workers.report({ ...report, busy: 2, developed: 7, isFirst: false })
    await workers.report({ ...report, id: 'gone', kind: 'server' })
    await database.write.updateTable('workers').set({ seen_at: 1, started_at: 1 }).where('id', '=', 'gone').execute()
    const [image] = await upload(records, 'one')
    await upload(records, 'one')
    await take(records, 'one')
    const [me, gone] = await workers.list()
    assert.deepEqual([me!.id, me!.kind, me!.isAlive, me!.busy, me!.developed, me!.concurrency], ['me', 'worker', true, 2, 7, 2])
    assert.ok(me!.seenAt > me!.startedAt)
    assert.deepEqual([me!.inHand.length, me!.inHand[0]!.id, me!.inHand[0]!.name], [1, image!.id, 'one.jpg'])
    assert.ok(me!.inHand[0]!.startedAt >= image!.uploadedAt)
    assert.deepEqual([gone!.id, gone!.isAlive, gone!.inHand], ['gone', false, []])
    assert.deepEqual(await workers.sum(), { alive: 1, children: 2, busy: 2 })
    await workers.report({ ...report, id: 'gone', kind: 'server' })
    assert.ok((await workers.list()).find(({ id }) => id === 'gone')!.startedAt > 1, 'another process of this name')
    await database.write.updateTable('workers').set({ seen_at: 1 }).where('id', '=', 'gone').execute()
    assert.deepEqual([await workers.sweep(60_000), (await workers.list()).map(({ id }) => id)], [1, ['me']])
  })

  it('the overview counts, and groups failures by their code', async (records, database) => {
    const overview = createSqlOverview(database)
    const none = await overview.counts()
    assert.deepEqual([none.images.completed, none.failures, none.bytes], [0, [], 0])
    assert.deepEqual(await records.work.backlog(), { pending: 0, processing: 0, oldestPendingMs: null })
    await upload(records, 'done', 'bad', 'worse', 'crash', 'claimed', 'waits', 'bad')
    await develop(records, 'done')
    await failOne(records, 'bad')
    await failOne(records, 'crash', CRASHED)
    await sleep(5)
    const last = await failOne(records, 'worse')
    await take(records, 'claimed')
    const { images, failures, bytes } = await overview.counts()
    assert.deepEqual(images, { pending: 1, processing: 1, completed: 1, error: 4, aborted: 0 })
    assert.deepEqual(failures, [
      { code: 'invalid_image', images: 3 },
      { code: 'processing_crashed', images: 1 },
    ])
    assert.equal(bytes, 'donebadworsecrashclaimedwaitsbad'.length)
    const waiting = await records.work.backlog()
    assert.deepEqual([waiting.pending, waiting.processing], [1, 1])
    assert.ok(waiting.oldestPendingMs! >= 0 && waiting.oldestPendingMs! < 60_000)
    const groups = await overview.failures(2)
    assert.deepEqual(
      groups.map(({ code, images, samples }) => [code, images, samples.length]),
      [
        ['invalid_image', 3, 2],
        ['processing_crashed', 1, 1],
      ],
    )
    assert.deepEqual([groups[0]!.samples[0]!.id, groups[0]!.samples[0]!.failure], [last.id, DAMAGED])
    assert.equal(groups[0]!.lastAt, last.finishedAt)
    const minutes = await overview.minutes(60)
    assert.equal(minutes.length, 60)
    assert.ok(minutes.every(({ at }, index) => at % 60_000 === 0 && (index === 0 || at - minutes[index - 1]!.at === 60_000)))
    const sum = (what: 'completed' | 'failed') => minutes.slice(-3).reduce((all, minute) => all + minute[what], 0)
    assert.deepEqual([sum('completed'), sum('failed')], [1, 4])
    assert.ok((await overview.databaseBytes()) > 10_000)
  })

  it('the samples of a failure are the last images that are there, however many that failed so later were deleted', async (records, database) => {
    const overview = createSqlOverview(database)
    const idsOf = (images: Image[]) => images.map(({ id }) => id)
    const contents = Array.from({ length: 30 }, (_, at) => `bad ${at}`)
    await upload(records, ...contents)
    const failed: Image[] = []
    for (const content of contents) failed.push(await failOne(records, content))
    const last = failed.toSorted((a, b) => b.finishedAt! - a.finishedAt! || (a.id < b.id ? 1 : -1))
    await records.images.deleteMany(idsOf(last.slice(0, 22)), null)
    const [group, ...more] = await overview.failures(6)
    assert.deepEqual(more, [])
    assert.deepEqual([group!.images, idsOf(group!.samples), group!.lastAt], [8, idsOf(last.slice(22, 28)), last[22]!.finishedAt])
    // Bytes that are known to fail make an image that has failed just now.
    await sleep(5)
    const [again] = await upload(records, contents[0]!)
    assert.deepEqual(idsOf((await overview.failures(2))[0]!.samples), [again!.id, last[22]!.id])
    await records.images.deleteMany(idsOf([again!, ...last.slice(22, 29)]), null)
    assert.deepEqual(idsOf((await overview.failures(6))[0]!.samples), [last[29]!.id])
    await records.images.delete(last[29]!.id, null)
    assert.deepEqual(await overview.failures(6), [])
  })
}
