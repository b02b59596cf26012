// What every survey of the rows guarantees; run on each database.
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { ERRORS } from '../../../src/errors.ts'
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
  storeTests,
  take,
  upload,
  uploadAs,
  WIDER,
  type Open,
} from './image-store.ts'

const MISSING = { code: 'original_missing', error: ERRORS.original_missing } as const
const THUMBNAIL = operationFor('thumbnail')
const DAMAGED = { code: 'original_damaged', error: ERRORS.original_damaged } as const

const idsOf = (images: Image[]) => images.map(({ id }) => id)

export function rowSurveyContract(open: Open): void {
  const surveyTest = storeTests(open)

  surveyTest('tells the originals in use, by the beginning of their hash, in pages', async (store, { survey }) => {
    const contents = Array.from({ length: 40 }, (_, index) => `content ${index}`)
    await upload(store, ...contents)
    await develop(store, 'content 0')
    const [gone] = await upload(store, 'gone')
    await store.delete(gone!.id, null)
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

  surveyTest('tells what was completed last, in pages', async (store, { survey }) => {
    await upload(store, 'one', 'two', 'three', 'waits')
    for (const content of ['one', 'two', 'three']) await develop(store, content)
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
    await develop(store, 'waits')
    assert.deepEqual(await survey.recentlyCompleted(5, null, 10), madeFrom('waits'))
  })

  surveyTest('what was made is made again, and looked for by whoever looks for work', async (store, { survey }) => {
    const [image] = await upload(store, 'one')
    await develop(store, 'one')
    const all = OPERATIONS.map((operation) => ({ sha256: hashOf('one'), operation }))
    const changed = await survey.remake(all)
    assert.deepEqual(
      changed.map(({ id, status, finishedAt }) => [id, status, finishedAt]),
      [[image!.id, 'pending', null]],
    )
    assert.deepEqual(await survey.remake(all), [], 'repeated')
    assert.deepEqual(
      (await store.pending(10)).jobs.map(({ sha256 }) => sha256),
      [hashOf('one')],
    )
    assert.equal((await develop(store, 'one'))[0]?.status, 'completed')

    await survey.remake([{ sha256: hashOf('one'), operation: THUMBNAIL }])
    const work = await take(store, 'one')
    assert.deepEqual(work.operations, [THUMBNAIL], 'only what is lost')
    assert.deepEqual((await store.finish(madeOf(work)))[0]?.outcome, sampleOutcome())
    const held = (await survey.original(hashOf('one')))!
    assert.deepEqual([held.status, held.renditions.every(({ status }) => status === 'completed')], ['idle', true])
  })

  surveyTest('only images that show what is made again wait for it; what is in hand goes on', async (store, { survey }) => {
    const [image] = await upload(store, 'same')
    await develop(store, 'same')
    const [wider] = await uploadAs(store, { recipe: WIDER }, 'same')
    const work = await take(store, 'same')
    assert.deepEqual(idsOf(await survey.remake([{ sha256: hashOf('same'), operation: THUMBNAIL }])), [image!.id])
    assert.deepEqual((await store.claim([hashOf('same')], lease)).works, [], 'in hand already')
    const [waits] = await store.finish(madeOf(work))
    assert.deepEqual([waits?.id, waits?.status], [wider!.id, 'pending'])
    const again = await take(store, 'same')
    assert.deepEqual(again.operations, [THUMBNAIL])
    const done = await store.finish(madeOf(again))
    assert.deepEqual([idsOf(done).sort(), done.map(({ status }) => status)], [[image!.id, wider!.id].sort(), ['completed', 'completed']])

    const wide = operationFor('wide', 'jpeg', WIDER)
    assert.deepEqual(idsOf(await survey.remake([{ sha256: hashOf('same'), operation: wide }])), [wider!.id])
    assert.equal((await store.get(image!.id, null))?.status, 'completed')
  })

  surveyTest('images of a lost original say so, whatever they were; a late result changes nothing', async (store, { survey }) => {
    const images = [...(await upload(store, 'done', 'waits', 'in hand'))]
    await develop(store, 'done')
    const work = await take(store, 'in hand')
    const changed = await survey.giveUp([...images.map(({ sha256 }) => sha256), hashOf('never came')], MISSING)
    assert.equal(changed.length, 3)
    assert.deepEqual(await store.finish(madeOf(work)), [])
    for (const { id } of images) {
      const image = await store.get(id, null)
      assert.deepEqual([image?.status, image?.failure, image?.outcome], ['error', MISSING, null])
    }
    const [again] = await upload(store, 'waits')
    assert.equal(again?.status, 'pending', 'the bytes came with it')
    assert.deepEqual(await survey.takeBack([hashOf('never came')]), [])
    const back = await survey.takeBack([hashOf('done')])
    assert.deepEqual([back[0]?.status, (await store.get(images[0]!.id, null))?.failure], ['pending', null])
    assert.deepEqual(await survey.takeBack([hashOf('done')]), [], 'repeated')
    assert.equal((await store.retry(images[2]!.id, null))?.length, 1)
    assert.deepEqual((await take(store, 'done')).operations, OPERATIONS, 'whatever was made of it before')
  })

  surveyTest('images of a lost original are healed by its bytes, should these be uploaded again', async (store, { survey }) => {
    for (const wasDone of [true, false]) {
      const content = wasDone ? 'done' : 'waits'
      const [lost] = await upload(store, content)
      if (wasDone) await develop(store, content)
      await survey.giveUp([hashOf(content)], MISSING)
      const [again] = await upload(store, content)
      if (again?.status !== 'completed') await develop(store, content)
      assert.deepEqual(
        (await store.getMany([lost!.id, again!.id], null)).map(({ status }) => status),
        ['completed', 'completed'],
        content,
      )
      assert.equal((await survey.original(hashOf(content)))?.status, 'idle')
    }
    assert.deepEqual(await survey.untangle(), [])
  })

  surveyTest('what is damaged is not tried again, alone or with others', async (store, { survey }) => {
    const [damaged, missing] = await upload(store, 'damaged', 'missing')
    await survey.giveUp([damaged!.sha256], DAMAGED)
    await survey.giveUp([missing!.sha256], MISSING)
    await assert.rejects(store.retry(damaged!.id, null), { code: 'not_retryable', message: ERRORS.original_damaged })
    const retried = await store.retryMany([damaged!.id, missing!.id], null)
    assert.deepEqual(
      retried.map(({ id }) => id),
      [missing!.id],
    )
  })

  surveyTest('unknown bytes are marked for deletion, and an upload of the same waits until they are gone', async (store, { survey }) => {
    const [known] = await upload(store, 'known')
    const expected = { sha256: hashOf('expected'), size: 8 }
    await store.expect([expected])
    const bytes = [known!, { sha256: hashOf('unknown'), size: 7 }, expected]
    assert.deepEqual(await survey.markForDeletion(bytes), [hashOf('unknown')])
    await assert.rejects(store.expect([{ sha256: hashOf('unknown'), size: 7 }]), { code: 'overloaded' })
    await assert.rejects(upload(store, 'unknown'), { code: 'overloaded' })
    assert.deepEqual(
      (await store.collectable(0, 10)).map(({ sha256 }) => sha256),
      [hashOf('unknown')],
      'a sweep ends it',
    )
    await store.forget([hashOf('unknown')])
    assert.equal((await upload(store, 'unknown'))[0]?.status, 'pending')
    assert.equal((await store.get(known!.id, null))?.status, 'pending')
  })

  surveyTest('counts what is overdue, and nothing else', async (store, { survey }) => {
    const none = { count: 0, longestMs: 0 }
    const nothing = { leaseGone: none, arriving: none, disagreeing: none, unexpired: none, removing: none, waiting: none }
    assert.deepEqual(await survey.stuck(0), nothing)
    await upload(store, 'waits', 'in hand')
    await take(store, 'in hand', { ms: 1, worker: 'dead' })
    const batch = { ...newBatch(), leaseMs: 1 }
    await store.record({ start: batch, images: [newImage(batch, 0, 'arrives')] })
    await survey.markForDeletion([{ sha256: hashOf('unknown'), size: 7 }])
    await sleep(30)
    assert.deepEqual(await survey.stuck(60_000), nothing)
    const { leaseGone, arriving, removing, waiting, disagreeing } = await survey.stuck(5)
    assert.deepEqual([leaseGone.count, arriving.count, removing.count, waiting.count, disagreeing.count], [1, 1, 1, 2, 0])
    assert.ok(leaseGone.longestMs >= 5 && leaseGone.longestMs < 60_000)
    assert.deepEqual(await survey.untangle(), [])
  })
}
