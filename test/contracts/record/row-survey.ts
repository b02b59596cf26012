// What every survey of the rows guarantees; run on each database.
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { ERRORS } from '../../../src/error-codes.ts'
import type { Image } from '../../../src/image.ts'
import type { Recent } from '../../../src/record/admin/row-survey.ts'
import { madeOf, operationFor, sampleOutcome, sampleOutput } from '../../support/inputs/sample-image.ts'
import {
  develop,
  hashOf,
  lease,
  newBatch,
  newImage,
  OPERATIONS,
  recordsTests,
  take,
  upload,
  uploadAs,
  WIDER,
  type Open,
} from './records.ts'

const MISSING = { code: 'original_missing', error: ERRORS.original_missing } as const
const THUMBNAIL = operationFor('thumbnail')
const DAMAGED = { code: 'original_damaged', error: ERRORS.original_damaged } as const

const idsOf = (images: Image[]) => images.map(({ id }) => id)

export function rowSurveyContract(open: Open): void {
  const surveyTest = recordsTests(open)

  surveyTest('tells the originals in use, by the beginning of their hash, in pages', async (records, { survey }) => {
    const contents = Array.from({ length: 40 }, (_, index) => `content ${index}`)
    await upload(records, ...contents)
    await develop(records, 'content 0')
    const [gone] = await upload(records, 'gone')
    await records.images.delete(gone!.id, null)
    const found = []
    for (const digit of '0123456789abcdef') {
      for (let after = ''; ;) {
        const page = await survey.originals(digit, after, 2)
        assert.ok(page.every(({ sha256 }) => sha256.startsWith(digit)))
        found.push(...page)
        const last = page.at(-1)
        if (!last) break
        after = last.sha256
      }
    }
    assert.deepEqual(
      found.map(({ sha256 }) => sha256),
      contents.map(hashOf).sort(),
    )
    assert.equal(await survey.countOriginals(), 40)
    const one = await survey.original(hashOf('content 0'))
    assert.deepEqual(one && { ...one, renditions: one.renditions.toSorted((a, b) => (a.operation < b.operation ? -1 : 1)) }, {
      sha256: hashOf('content 0'),
      size: 9,
      status: 'idle',
      code: null,
      renditions: OPERATIONS.map((operation) => ({ operation, status: 'completed', size: sampleOutput(operation).size })),
    })
    const waiting = await survey.original(hashOf('content 1'))
    assert.deepEqual(
      [waiting?.status, waiting?.renditions.map(({ status, size }) => [status, size])],
      ['pending', OPERATIONS.map(() => ['pending', null])],
    )
    assert.equal(await survey.original(hashOf('gone')), null)
  })

  surveyTest('tells what was completed last, in pages', async (records, { survey }) => {
    await upload(records, 'one', 'two', 'three', 'waits')
    for (const content of ['one', 'two', 'three']) await develop(records, content)
    const madeFrom = (...contents: string[]) =>
      contents
        .map(hashOf)
        .sort()
        .flatMap((sha256) => OPERATIONS.map((operation) => ({ sha256, operation, size: sampleOutput(operation).size })))
    const found: Recent[] = []
    for (let after: Recent | null = null; ;) {
      // Pages end between the renditions of one original, too.
      const page: Recent[] = await survey.recentlyCompleted(60_000, after, 3)
      found.push(...page)
      after = page.at(-1) ?? null
      if (!after) break
    }
    assert.deepEqual(found, madeFrom('one', 'two', 'three'))
    await sleep(20)
    await develop(records, 'waits')
    assert.deepEqual(await survey.recentlyCompleted(5, null, 10), madeFrom('waits'))
  })

  surveyTest('what was made is made again, and looked for by whoever looks for work', async (records, { survey }) => {
    const [image] = await upload(records, 'one')
    await develop(records, 'one')
    const all = OPERATIONS.map((operation) => ({ sha256: hashOf('one'), operation }))
    const changed = await survey.remake(all)
    assert.deepEqual(
      changed.map(({ id, status, finishedAt }) => [id, status, finishedAt]),
      [[image!.id, 'pending', null]],
    )
    assert.deepEqual(await survey.remake(all), [], 'repeated')
    assert.deepEqual(
      (await records.work.pending(10)).jobs.map(({ sha256 }) => sha256),
      [hashOf('one')],
    )
    assert.equal((await develop(records, 'one'))[0]?.status, 'completed')

    await survey.remake([{ sha256: hashOf('one'), operation: THUMBNAIL }])
    const work = await take(records, 'one')
    assert.deepEqual(work.operations, [THUMBNAIL], 'only what is lost')
    assert.deepEqual((await records.work.finish(madeOf(work)))[0]?.outcome, sampleOutcome())
    const held = (await survey.original(hashOf('one')))!
    assert.deepEqual([held.status, held.renditions.every(({ status }) => status === 'completed')], ['idle', true])
  })

  surveyTest('only images that show what is made again wait for it; what is in hand goes on', async (records, { survey }) => {
    const [image] = await upload(records, 'same')
    await develop(records, 'same')
    const [wider] = await uploadAs(records, { recipe: WIDER }, 'same')
    const work = await take(records, 'same')
    assert.deepEqual(idsOf(await survey.remake([{ sha256: hashOf('same'), operation: THUMBNAIL }])), [image!.id])
    assert.deepEqual((await records.work.claim([hashOf('same')], lease)).works, [], 'in hand already')
    const [waits] = await records.work.finish(madeOf(work))
    assert.deepEqual([waits?.id, waits?.status], [wider!.id, 'pending'])
    const again = await take(records, 'same')
    assert.deepEqual(again.operations, [THUMBNAIL])
    const done = await records.work.finish(madeOf(again))
    assert.deepEqual([idsOf(done).sort(), done.map(({ status }) => status)], [[image!.id, wider!.id].sort(), ['completed', 'completed']])

    const wide = operationFor('wide', 'jpeg', WIDER)
    assert.deepEqual(idsOf(await survey.remake([{ sha256: hashOf('same'), operation: wide }])), [wider!.id])
    assert.equal((await records.images.get(image!.id, null))?.status, 'completed')
  })

  surveyTest('images of a lost original say so, whatever they were; a late result changes nothing', async (records, { survey }) => {
    const images = [...(await upload(records, 'done', 'waits', 'in hand'))]
    await develop(records, 'done')
    const work = await take(records, 'in hand')
    const changed = await survey.giveUp([...images.map(({ sha256 }) => sha256), hashOf('never came')], MISSING)
    assert.equal(changed.length, 3)
    assert.deepEqual(await records.work.finish(madeOf(work)), [])
    for (const { id } of images) {
      const image = await records.images.get(id, null)
      assert.deepEqual([image?.status, image?.failure, image?.outcome], ['error', MISSING, null])
    }
    const [again] = await upload(records, 'waits')
    assert.equal(again?.status, 'pending', 'the bytes came with it')
    assert.deepEqual(await survey.takeBack([hashOf('never came')]), [])
    const back = await survey.takeBack([hashOf('done')])
    assert.deepEqual([back[0]?.status, (await records.images.get(images[0]!.id, null))?.failure], ['pending', null])
    assert.deepEqual(await survey.takeBack([hashOf('done')]), [], 'repeated')
    assert.equal((await records.images.retry(images[2]!.id, null))?.length, 1)
    assert.deepEqual((await take(records, 'done')).operations, OPERATIONS, 'whatever was made of it before')
  })

  surveyTest('images of a lost original are healed by its bytes, should these be uploaded again', async (records, { survey }) => {
    for (const wasDone of [true, false]) {
      const content = wasDone ? 'done' : 'waits'
      const [lost] = await upload(records, content)
      if (wasDone) await develop(records, content)
      await survey.giveUp([hashOf(content)], MISSING)
      const [again] = await upload(records, content)
      if (again?.status !== 'completed') await develop(records, content)
      assert.deepEqual(
        (await records.images.getMany([lost!.id, again!.id], null)).map(({ status }) => status),
        ['completed', 'completed'],
        content,
      )
      assert.equal((await survey.original(hashOf(content)))?.status, 'idle')
    }
    assert.deepEqual(await survey.reconcileStatuses(), [])
  })

  surveyTest('what is damaged is not tried again, alone or with others', async (records, { survey }) => {
    const [damaged, missing] = await upload(records, 'damaged', 'missing')
    await survey.giveUp([damaged!.sha256], DAMAGED)
    await survey.giveUp([missing!.sha256], MISSING)
    await assert.rejects(records.images.retry(damaged!.id, null), { code: 'not_retryable', message: ERRORS.original_damaged })
    const retried = await records.images.retryMany([damaged!.id, missing!.id], null)
    assert.deepEqual(
      retried.map(({ id }) => id),
      [missing!.id],
    )
  })

  surveyTest('unknown bytes are marked for deletion, and an upload of the same waits until they are gone', async (records, { survey }) => {
    const [known] = await upload(records, 'known')
    const expected = { sha256: hashOf('expected'), size: 8 }
    await records.originals.expect([expected])
    const bytes = [known!, { sha256: hashOf('unknown'), size: 7 }, expected]
    assert.deepEqual(await survey.markForDeletion(bytes), [hashOf('unknown')])
    await assert.rejects(records.originals.expect([{ sha256: hashOf('unknown'), size: 7 }]), { code: 'overloaded' })
    await assert.rejects(upload(records, 'unknown'), { code: 'overloaded' })
    assert.deepEqual(
      (await records.originals.collectable(0, 10)).map(({ sha256 }) => sha256),
      [hashOf('unknown')],
      'a sweep ends it',
    )
    await records.originals.forget([hashOf('unknown')])
    assert.equal((await upload(records, 'unknown'))[0]?.status, 'pending')
    assert.equal((await records.images.get(known!.id, null))?.status, 'pending')
  })

  surveyTest('counts what is overdue, and nothing else', async (records, { survey }) => {
    const none = { count: 0, longestMs: 0 }
    const nothing = { leaseGone: none, arriving: none, disagreeing: none, unexpired: none, removing: none, waiting: none }
    assert.deepEqual(await survey.stuck(0), nothing)
    await upload(records, 'waits', 'in hand')
    await take(records, 'in hand', { ms: 1, worker: 'dead' })
    const batch = { ...newBatch(), leaseMs: 1 }
    await records.uploads.record({ start: batch, images: [newImage(batch, 0, 'arrives')] })
    await survey.markForDeletion([{ sha256: hashOf('unknown'), size: 7 }])
    await sleep(30)
    assert.deepEqual(await survey.stuck(60_000), nothing)
    const { leaseGone, arriving, removing, waiting, disagreeing } = await survey.stuck(5)
    assert.deepEqual([leaseGone.count, arriving.count, removing.count, waiting.count, disagreeing.count], [1, 1, 1, 2, 0])
    assert.ok(leaseGone.longestMs >= 5 && leaseGone.longestMs < 60_000)
    assert.deepEqual(await survey.reconcileStatuses(), [])
  })
}
