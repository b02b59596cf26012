// What every survey of the rows guarantees; run on each database.
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { ERRORS } from '../../src/errors.ts'
import { RECIPE } from '../../src/image.ts'
import { develop, hashOf, lease, newBatch, newImage, rendition, storeTests, upload, type Open } from './image-store.ts'

const MISSING = { code: 'original_missing', error: ERRORS.original_missing } as const
const DAMAGED = { code: 'original_damaged', error: ERRORS.original_damaged } as const

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
    const development = { sha256: hashOf('content 0'), recipe: RECIPE, format: 'jpeg', status: 'completed', code: null }
    assert.deepEqual(await survey.original(hashOf('content 0')), {
      sha256: hashOf('content 0'),
      size: 9,
      developments: [{ ...development, imageSize: rendition.imageSize, thumbnailSize: rendition.thumbnailSize }],
    })
    assert.equal(await survey.original(hashOf('gone')), null)
  })

  surveyTest('tells what was completed last, in pages', async (store, { survey }) => {
    await upload(store, 'one', 'two', 'three', 'waits')
    for (const content of ['one', 'two', 'three']) await develop(store, content)
    const hashes = ['one', 'two', 'three'].map(hashOf).sort()
    const [first, ...more] = await survey.recentlyCompleted(60_000, null, 2)
    const { imageSize, thumbnailSize } = rendition
    assert.deepEqual(first, { sha256: hashes[0], recipe: RECIPE, format: 'jpeg', imageSize, thumbnailSize })
    const rest = await survey.recentlyCompleted(60_000, more.at(-1)!, 2)
    assert.deepEqual(
      [first, ...more, ...rest].map(({ sha256 }) => sha256),
      hashes,
    )
    await sleep(20)
    await develop(store, 'waits')
    assert.deepEqual(
      (await survey.recentlyCompleted(5, null, 10)).map(({ sha256 }) => sha256),
      [hashOf('waits')],
    )
  })

  surveyTest('what was developed is developed again, and looked for by whoever looks for work', async (store, { survey }) => {
    const [image] = await upload(store, 'one')
    await develop(store, 'one')
    const changed = await survey.redevelop([{ sha256: hashOf('one'), recipe: RECIPE }])
    assert.deepEqual(
      changed.map(({ id, status, finishedAt }) => [id, status, finishedAt]),
      [[image!.id, 'pending', null]],
    )
    assert.deepEqual(await survey.redevelop([{ sha256: hashOf('one'), recipe: RECIPE }]), [], 'repeated')
    assert.deepEqual(
      (await store.pending(10)).jobs.map(({ sha256 }) => sha256),
      [hashOf('one')],
    )
    assert.equal((await develop(store, 'one'))[0]?.status, 'completed')
  })

  surveyTest('images of a lost original say so, whatever they were; a late result changes nothing', async (store, { survey }) => {
    const images = [...(await upload(store, 'done', 'waits', 'in hand'))]
    await develop(store, 'done')
    await store.claim([hashOf('in hand')], RECIPE, lease)
    const changed = await survey.giveUp([...images.map(({ sha256 }) => sha256), hashOf('never came')], MISSING)
    assert.equal(changed.length, 3)
    await store.finish({ sha256: hashOf('in hand'), recipe: RECIPE, token: lease.token, rendition })
    for (const { id } of images) {
      const image = await store.get(id, null)
      assert.deepEqual([image?.status, image?.failure, image?.rendition], ['error', MISSING, null])
    }
    const [again] = await upload(store, 'waits')
    assert.equal(again?.status, 'pending', 'the bytes came with it')
    const back = await survey.redevelop([{ sha256: hashOf('done'), recipe: RECIPE }])
    assert.deepEqual([back[0]?.status, (await store.get(images[0]!.id, null))?.failure], ['pending', null])
    assert.equal((await store.retry(images[2]!.id, null))?.length, 1)
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
    await store.claim([hashOf('in hand')], RECIPE, { token: 'dead', ms: 1, worker: 'dead' })
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
