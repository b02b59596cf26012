// What every image store guarantees; run on each database.
import assert from 'node:assert/strict'
import { createHash, randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { v7 as uuidv7 } from 'uuid'
import type { ErrorCode } from '../../../src/errors.ts'
import { FILE_STATUSES, type Failure, type FileStatus, type Image } from '../../../src/image.ts'
import type { RowArchive } from '../../../src/record/admin/row-archive.ts'
import type { RowSurvey } from '../../../src/record/admin/row-survey.ts'
import type { ImageStore, Lease, NewBatch, NewImage, Work } from '../../../src/record/images/image-store.ts'
import { operationsOf, PRESETS, RECIPE, recipeOf } from '../../../src/rendition/presets.ts'
import { madeOf, operationFor, sampleOutcome, sampleOutput, samplePicture } from '../../support/inputs/sample-image.ts'

export const hashOf = (content: string) => createHash('sha256').update(content).digest('hex')

export const newBatch = (): NewBatch => ({ id: uuidv7(), kind: 'batch', ownerId: null, leaseMs: 60_000 })
export const lease: Lease = { ms: 60_000, worker: 'me' }
/** What becomes of the images here, unless they have another recipe. */
export const OPERATIONS = operationsOf(RECIPE, 'jpeg').sort()
/** With one more preset. */
export const WIDER = recipeOf({ ...PRESETS, wide: { width: 2000, format: 'webp' } })
export const newImage = (batch: NewBatch, index: number, content: string, more: Partial<NewImage> = {}): NewImage => ({
  id: uuidv7(),
  batchId: batch.id,
  ownerId: batch.ownerId,
  batchIndex: index,
  name: `${content}.jpg`,
  format: 'jpeg',
  size: content.length,
  sha256: hashOf(content),
  recipe: RECIPE,
  ...more,
})

const WIDE = operationFor('wide', 'jpeg', WIDER)
const THUMBNAIL = operationFor('thumbnail')

export const DAMAGED = { code: 'invalid_image', error: 'It is damaged.' } as const satisfies Failure
/** Why what failed is tried again as soon as the same bytes are uploaded. */
const PASSING: ErrorCode[] = [
  'not_enough_memory',
  'processing_crashed',
  'processing_timeout',
  'original_missing',
  'original_damaged',
  'internal',
]

export const NO_FILES = Object.fromEntries(FILE_STATUSES.map((status) => [status, 0])) as Record<FileStatus, number>

/** Records a whole batch of these contents, acknowledged. */
export const upload = (store: ImageStore, ...contents: string[]) => uploadAs(store, { recipe: RECIPE }, ...contents)

export async function uploadAs(store: ImageStore, more: Partial<NewImage>, ...contents: string[]): Promise<Image[]> {
  const batch = { ...newBatch(), ownerId: more.ownerId ?? null }
  const images = contents.map((content, index) => newImage(batch, index, content, more))
  return store.record({ start: batch, images, received: { batchId: batch.id, rejected: [] } })
}

/** Claims the work on this content, of which there has to be some. */
export async function take(store: ImageStore, content: string, as = lease): Promise<Work> {
  const { works } = await store.claim([hashOf(content)], as)
  assert.equal(works.length, 1, `nothing to do for ${content}`)
  return works[0]!
}

export const develop = async (store: ImageStore, content: string) => store.finish(madeOf(await take(store, content)))

/** By a fault of its bytes. */
export async function fail(store: ImageStore, content: string, failure: Failure): Promise<Image[]> {
  const { sha256, token } = await take(store, content)
  return store.finish({ sha256, token, failure })
}

/** All but this output is made. */
async function failOutput(store: ImageStore, content: string, faulty: string, failure: Failure): Promise<Image[]> {
  const { sha256, token, operations } = await take(store, content)
  assert.ok(operations.includes(faulty), operations.join())
  const outputs = operations.map((operation) => (operation === faulty ? { operation, failure } : sampleOutput(operation)))
  return store.finish({ sha256, token, picture: samplePicture, outputs })
}

const statusesOf = (images: Image[]) => Object.fromEntries(images.map(({ id, status }) => [id, status]))

async function all(store: ImageStore, limit = 1_000) {
  return (await store.list({ sort: 'newest', limit }, null)).images
}

/** Gives a new, empty store each time, and the end of it. */
export type Open = () => Promise<{ store: ImageStore; survey: RowSurvey; archive: RowArchive; close: () => Promise<void> }>

export const storeTests =
  (open: Open) =>
  (name: string, body: (store: ImageStore, more: Pick<Awaited<ReturnType<Open>>, 'survey' | 'archive'>) => Promise<void>): void => {
    void test(name, async () => {
      const { store, close, ...more } = await open()
      try {
        await body(store, more)
      } finally {
        await close()
      }
    })
  }

const hashesOf = (originals: { sha256: string }[]) => originals.map(({ sha256 }) => sha256)

export function imageStoreContract(open: Open): void {
  const storeTest = storeTests(open)

  storeTest('the backlog is what waits, what is in hand, and the age of what waits longest', async (store) => {
    assert.deepEqual(await store.backlog(), { pending: 0, processing: 0, oldestPendingMs: 0 })
    await upload(store, 'first', 'second')
    await sleep(50)
    await upload(store, 'third')
    const before = await store.backlog()
    assert.deepEqual([before.pending, before.processing], [3, 0])
    assert.ok(before.oldestPendingMs >= 49 && before.oldestPendingMs < 60_000, String(before.oldestPendingMs))
    const work = await take(store, 'first')
    const claimed = await store.backlog()
    assert.deepEqual([claimed.pending, claimed.processing], [2, 1])
    await store.finish(madeOf(work))
    for (const content of ['second', 'third']) await develop(store, content)
    assert.deepEqual(await store.backlog(), { pending: 0, processing: 0, oldestPendingMs: 0 })
  })

  storeTest('an image goes from pending through processing to completed', async (store) => {
    const [image] = await upload(store, 'one')
    assert.equal(image?.status, 'pending')
    assert.deepEqual(await store.get(image.id, null), image)
    assert.equal(image.recipe, RECIPE.id)
    const claimed = await store.claim([image.sha256], lease)
    const [work] = claimed.works
    assert.deepEqual(claimed.works, [{ sha256: image.sha256, format: 'jpeg', operations: OPERATIONS, token: work!.token }])
    assert.deepEqual(
      claimed.images.map(({ id, status }) => [id, status]),
      [[image.id, 'processing']],
    )
    assert.deepEqual((await store.claim([image.sha256], lease)).works, [], 'claimed twice')
    const [done] = await store.finish(madeOf(work!))
    assert.equal(done?.status, 'completed')
    assert.deepEqual(done.outcome, sampleOutcome())
    assert.ok(done.finishedAt && done.finishedAt >= image.uploadedAt - 60_000)
    assert.deepEqual(await store.get(image.id, null), done)
    for (const preset of ['image', 'thumbnail']) {
      const rendition = { preset, ...sampleOutput(operationFor(preset)) }
      assert.deepEqual(await store.findRendition(image.id, preset, null), { image: done, rendition })
    }
    assert.equal(await store.findRendition(image.id, 'wide', null), null, 'not of its recipe')
  })

  storeTest('a failure keeps its reason, and a retry forgets it', async (store) => {
    const [image] = await upload(store, 'bad')
    const [failed] = await fail(store, 'bad', DAMAGED)
    assert.equal(failed?.status, 'error')
    assert.deepEqual((await store.get(image!.id, null))?.failure, DAMAGED)
    const [retried] = (await store.retry(image!.id, null)) ?? []
    assert.deepEqual([retried?.status, retried?.failure, retried?.finishedAt], ['pending', null, null])
    await assert.rejects(store.retry(image!.id, null), { code: 'not_retryable' })
    assert.equal(await store.retry(randomUUID(), null), null)
    const [healed] = await develop(store, 'bad')
    assert.equal(healed?.status, 'completed')
    assert.deepEqual(await store.get(image!.id, null), healed)
  })

  storeTest('the same bytes are developed once, for all their images', async (store) => {
    const images = [...(await upload(store, 'same', 'same')), ...(await upload(store, 'same'))]
    const { works, images: claimed } = await store.claim([hashOf('same')], lease)
    assert.equal(works.length, 1)
    assert.equal(claimed.length, 3)
    const [late] = await upload(store, 'same')
    assert.equal(late?.status, 'processing')
    const finished = await store.finish(madeOf(works[0]!))
    assert.deepEqual(new Set(finished.map(({ id }) => id)), new Set([...images, late].map(({ id }) => id)))
    const [known] = await upload(store, 'same')
    assert.equal(known?.status, 'completed')
    assert.deepEqual(known.outcome, sampleOutcome())
    assert.ok(known.finishedAt)
  })

  storeTest('bytes that failed for good fail at once; a passing failure gets another try, which heals the first', async (store) => {
    const [bad] = await upload(store, 'bad')
    await fail(store, 'bad', DAMAGED)
    const [again] = await upload(store, 'bad')
    assert.deepEqual([again?.status, again?.failure], ['error', DAMAGED])
    assert.deepEqual((await store.claim([bad!.sha256], lease)).works, [], 'it would only fail again')
    for (const code of PASSING) {
      const [first] = await upload(store, code)
      await fail(store, code, { code, error: 'A reason.' })
      const [second] = await upload(store, code)
      assert.equal(second?.status, 'pending', code)
      assert.equal((await store.get(first!.id, null))?.failure?.error, 'A reason.', 'no error without a reason, meanwhile')
      const work = await take(store, code)
      assert.deepEqual(work.operations, OPERATIONS)
      await store.finish(madeOf(work))
      for (const { id } of [first!, second]) assert.equal((await store.get(id, null))?.status, 'completed', code)
    }
  })

  storeTest('likewise, an output that failed for good, or for a reason that may pass', async (store) => {
    await upload(store, 'bad')
    await failOutput(store, 'bad', THUMBNAIL, DAMAGED)
    const [again] = await upload(store, 'bad')
    assert.deepEqual([again?.status, again?.failure], ['error', DAMAGED])
    assert.deepEqual((await store.claim([hashOf('bad')], lease)).works, [], 'it would only fail again')
    for (const code of PASSING) {
      const [first] = await upload(store, code)
      await failOutput(store, code, THUMBNAIL, { code, error: 'A reason.' })
      const [second] = await upload(store, code)
      assert.equal(second?.status, 'pending', code)
      assert.equal((await store.get(first!.id, null))?.failure?.error, 'A reason.', 'no error without a reason, meanwhile')
      const work = await take(store, code)
      assert.deepEqual(work.operations, [THUMBNAIL], 'what is there is not made again')
      await store.finish(madeOf(work))
      for (const { id } of [first!, second]) assert.deepEqual((await store.get(id, null))?.outcome, sampleOutcome(), code)
    }
  })

  storeTest('a fault of one output fails its image; a retry makes that output and no other', async (store) => {
    const [image] = await upload(store, 'one')
    const failure = { code: 'internal', error: 'The encoder gave up.' } as const
    const [failed, ...more] = await failOutput(store, 'one', THUMBNAIL, failure)
    assert.deepEqual([failed?.id, failed?.status, failed?.failure, failed?.outcome, more], [image!.id, 'error', failure, null, []])
    assert.deepEqual(await store.get(image!.id, null), failed)
    assert.equal(await store.findRendition(image!.id, 'image', null), null, 'of a completed image only')
    assert.deepEqual((await store.workOf([image!.id])).get(image!.id)?.failure, failure)
    const [retried] = (await store.retry(image!.id, null)) ?? []
    assert.deepEqual([retried?.id, retried?.status, retried?.failure], [image!.id, 'pending', null])
    const work = await take(store, 'one')
    assert.deepEqual(work.operations, [THUMBNAIL])
    const [done] = await store.finish(madeOf(work))
    assert.deepEqual([done?.id, done?.status, done?.outcome], [image!.id, 'completed', sampleOutcome()])
    assert.deepEqual(await store.get(image!.id, null), done)
    assert.equal((await store.workOf([image!.id])).get(image!.id)?.failure, null)
  })

  storeTest('a fault of an output leaves images alone whose recipe does not ask for it', async (store) => {
    const [image] = await upload(store, 'same')
    const [wider] = await uploadAs(store, { recipe: WIDER }, 'same')
    const changed = await failOutput(store, 'same', WIDE, DAMAGED)
    assert.deepEqual(statusesOf(changed), { [image!.id]: 'completed', [wider!.id]: 'error' })
    assert.deepEqual(
      (await store.retry(wider!.id, null))?.map(({ id }) => id),
      [wider!.id],
    )
    assert.equal((await store.get(image!.id, null))?.status, 'completed')
    assert.deepEqual((await take(store, 'same')).operations, [WIDE])
  })

  storeTest('of two faults with reasons of their own, the code and the sentence are of the same', async (store) => {
    const [image] = await upload(store, 'same')
    const { sha256, token } = await take(store, 'same')
    const faults = [
      { code: 'internal', error: 'Z: the encoder gave up.' },
      { code: 'processing_timeout', error: 'A: it took too long.' },
    ] as const
    const outputs = OPERATIONS.map((operation, at) => ({ operation, failure: faults[at]! }))
    const [failed] = await store.finish({ sha256, token, picture: samplePicture, outputs })
    const told = [failed!.failure, (await store.get(image!.id, null))!.failure, (await store.workOf([image!.id])).get(image!.id)!.failure]
    for (const failure of told)
      assert.deepEqual(
        failure,
        faults.find(({ code }) => code === failure!.code),
      )
  })

  storeTest('a preset that comes while the others are in hand is made afterwards, and nothing else', async (store) => {
    const [image] = await upload(store, 'same')
    const work = await take(store, 'same')
    const [wider] = await uploadAs(store, { recipe: WIDER }, 'same')
    assert.equal(wider?.status, 'processing')
    const finished = await store.finish(madeOf(work))
    assert.deepEqual(statusesOf(finished), { [image!.id]: 'completed', [wider.id]: 'pending' })
    assert.deepEqual([await store.countPending(), (await store.pending(10)).jobs.length], [1, 1])

    const claimed = await store.claim([hashOf('same')], lease)
    const [missing] = claimed.works
    assert.deepEqual(claimed.works, [{ ...work, operations: [WIDE], token: missing!.token }])
    assert.deepEqual(statusesOf(claimed.images), { [wider.id]: 'processing' })
    const [done, ...more] = await store.finish(madeOf(missing!))
    assert.deepEqual([done?.id, done?.status, done?.outcome, more], [wider.id, 'completed', sampleOutcome('jpeg', WIDER), []])
    assert.deepEqual(await store.get(wider.id, null), done)
    assert.deepEqual((await store.findRendition(wider.id, 'wide', null))?.rendition, { preset: 'wide', ...sampleOutput(WIDE) })
    assert.equal(await store.findRendition(image!.id, 'wide', null), null)
    assert.deepEqual((await store.claim([hashOf('same')], lease)).works, [])
  })

  storeTest('a preset that comes when the others are done is all that is still to be made', async (store) => {
    const [image] = await upload(store, 'same')
    await develop(store, 'same')
    const [wider] = await uploadAs(store, { recipe: WIDER }, 'same')
    assert.equal(wider?.status, 'pending')
    assert.equal((await store.get(image!.id, null))?.status, 'completed')
    const work = await take(store, 'same')
    assert.deepEqual(work.operations, [WIDE])
    assert.deepEqual(statusesOf(await store.finish(madeOf(work))), { [wider.id]: 'completed' })
    assert.equal((await uploadAs(store, { recipe: WIDER }, 'same'))[0]?.status, 'completed')
  })

  storeTest('images of two generations of a preset have their own outputs, whichever was uploaded first', async (store) => {
    const newer = recipeOf({ ...PRESETS, thumbnail: { width: 400, format: 'webp', still: true } })
    assert.notEqual(newer.id, RECIPE.id)
    const [before, alone] = await upload(store, 'same', 'alone')
    await store.addRecipe(newer)
    const [after] = await uploadAs(store, { recipe: newer }, 'same')
    const [last] = await upload(store, 'same')
    const [small, large] = [THUMBNAIL, operationFor('thumbnail', 'jpeg', newer)]
    const work = await take(store, 'same')
    assert.deepEqual(work.operations, [operationFor('image'), small, large].sort())
    await store.finish(madeOf(work))
    await develop(store, 'alone')
    for (const [image, recipe, thumbnail] of [
      [before, RECIPE, small],
      [alone, RECIPE, small],
      [after, newer, large],
      [last, RECIPE, small],
    ] as const) {
      const found = await store.findRendition(image!.id, 'thumbnail', null)
      assert.deepEqual(found?.rendition, { preset: 'thumbnail', ...sampleOutput(thumbnail) })
      assert.deepEqual([found.image.recipe, found.image.outcome], [recipe.id, sampleOutcome('jpeg', recipe)])
      assert.equal((await store.findRendition(image!.id, 'image', null))?.rendition.operation, operationFor('image'))
    }
  })

  storeTest('many at once share transactions and keep their own', async (store) => {
    const uploads = await Promise.all(Array.from({ length: 300 }, (_, at) => upload(store, `many${at % 200}`)))
    assert.equal(new Set(uploads.flat().map(({ id }) => id)).size, 300)
    uploads.forEach(([image], at) => assert.equal(image?.name, `many${at % 200}.jpg`))
    assert.equal((await all(store)).length, 300)
  })

  storeTest('one that can not be recorded sinks none that waited with it', async (store) => {
    const [known] = await upload(store, 'known')
    const batch = newBatch()
    const attempts = await Promise.allSettled([
      upload(store, 'a'),
      store.record({ start: batch, images: [newImage(batch, 0, 'b', { id: known!.id })] }),
      upload(store, 'c'),
      upload(store, 'd'),
    ])
    assert.deepEqual(
      attempts.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled', 'fulfilled'],
    )
  })

  storeTest('a batch counts its images and keeps what was refused', async (store) => {
    const batch = newBatch()
    await store.record({ start: batch, images: [newImage(batch, 0, 'first'), newImage(batch, 1, 'second')] })
    assert.deepEqual(await store.abandoned(true), [batch.id])
    assert.equal((await store.batch(batch.id, null))?.receivedAt, null)
    const rejected = [{ name: 'x.txt', code: 'unsupported_format', error: 'No.', index: 2 } as const]
    await store.record({ images: [newImage(batch, 3, 'third')], received: { batchId: batch.id, rejected } })
    assert.deepEqual(await store.abandoned(true), [])
    await develop(store, 'first')
    const half = await store.batch(batch.id, null)
    assert.deepEqual(half?.counts, { ...NO_FILES, pending: 2, completed: 1, rejected: 1 })
    assert.deepEqual([half.declared, half.expiresAt, half.finishedAt], [4, null, null])
    const files = await store.batchFiles({ batchId: batch.id, status: 'all', limit: 10 }, null)
    assert.deepEqual(
      files?.files.map(({ index, name, status, failure }) => [index, name, status, failure?.code]),
      [
        [0, 'first.jpg', 'completed', undefined],
        [1, 'second.jpg', 'pending', undefined],
        [2, 'x.txt', 'rejected', 'unsupported_format'],
        [3, 'third.jpg', 'pending', undefined],
      ],
    )
    await develop(store, 'second')
    await develop(store, 'third')
    assert.ok((await store.batch(batch.id, null))?.finishedAt)
    assert.equal((await store.getInBatch(batch.id, 3, null))?.name, 'third.jpg')
    assert.equal(await store.getInBatch(batch.id, 2, null), null)
    assert.equal(await store.batch(randomUUID(), null), null)
  })

  storeTest('what a cut-off body left is aborted and swept; an acknowledged batch never is', async (store) => {
    const batch = newBatch()
    await store.record({ start: batch, images: [newImage(batch, 0, 'gone'), newImage(batch, 1, 'kept too')] })
    const [kept] = await upload(store, 'kept too')
    assert.deepEqual(
      (await store.abort(batch.id)).map(({ status }) => status),
      ['aborted', 'aborted'],
    )
    assert.deepEqual((await store.claim([hashOf('gone')], lease)).works, [], 'nobody wants it any more')
    assert.equal(await store.sweepAborted(), 2)
    assert.deepEqual(await all(store), [kept])
    assert.equal(await store.batch(batch.id, null), null)
    assert.deepEqual(await store.abort(kept!.batchId), [])
    assert.equal((await store.get(kept!.id, null))?.status, 'pending')
    const collectable = await store.collectable(0, 10)
    assert.deepEqual(
      collectable.map(({ sha256 }) => sha256),
      [hashOf('gone')],
    )
  })

  storeTest('bytes are collected after their last image and the grace, and not while they are developed', async (store) => {
    const [one, two] = await upload(store, 'shared', 'shared')
    await take(store, 'shared')
    assert.equal((await store.delete(one!.id, null))?.id, one!.id)
    assert.equal(await store.delete(one!.id, null), null)
    assert.deepEqual(await store.collectable(0, 10), [])
    await store.delete(two!.id, null)
    assert.deepEqual(await store.collectable(0, 10), [], 'still being developed')
    assert.equal((await store.reclaim(true)).length, 0, 'nobody waits for it')
    assert.deepEqual(await store.collectable(60_000, 10), [], 'within the grace')
    const [released] = await store.collectable(0, 10)
    assert.ok(released && Math.abs(released.releasedAt - Date.now()) < 60_000)
    const { releasedAt, ...what } = released
    assert.deepEqual({ ...what, operations: what.operations.toSorted() }, { sha256: one!.sha256, size: one!.size, operations: OPERATIONS })
    assert.deepEqual(await store.known([one!.sha256]), new Map([[one!.sha256, releasedAt]]))
    await store.keep([one!.sha256])
    await upload(store, 'shared')
    assert.deepEqual(await store.known([one!.sha256]), new Map([[one!.sha256, null]]), 'what is kept can be taken up again')
    for (const { id } of await all(store)) await store.delete(id, null)
    await store.collectable(0, 10)
    await assert.rejects(upload(store, 'shared'), { code: 'overloaded' })
    await store.forget([one!.sha256])
    assert.deepEqual(await store.known([one!.sha256]), new Map())
    const [again] = await upload(store, 'shared')
    assert.equal(again?.status, 'pending')
    assert.equal(await store.batch(one!.batchId, null), null, 'a batch goes with its last image')
  })

  storeTest('an upload of released bytes takes them back', async (store) => {
    const [first] = await upload(store, 'back')
    await develop(store, 'back')
    await store.delete(first!.id, null)
    const [second] = await upload(store, 'back')
    assert.equal(second?.status, 'completed')
    assert.deepEqual(await store.collectable(0, 10), [])
  })

  storeTest('bytes that are uploaded while their last image is deleted stay', async (store) => {
    for (let round = 0; round < 25; round++) {
      const contents = ['a', 'b', 'c', 'd'].map((letter) => `${letter}${round}`)
      const last = await upload(store, ...contents)
      const [again] = await Promise.all([upload(store, ...contents.toReversed()), ...last.map(({ id }) => store.delete(id, null))])
      assert.deepEqual(await store.collectable(0, 10), [])
      await Promise.all(again.map(({ id }) => store.delete(id, null)))
      await store.forget((await store.collectable(0, 10)).map(({ sha256 }) => sha256))
    }
  })

  storeTest('bytes that were stored but not recorded can be released', async (store) => {
    const [used] = await upload(store, 'used')
    await store.release([used!, { sha256: hashOf('never recorded'), size: 5 }])
    assert.deepEqual(hashesOf(await store.collectable(0, 10)), [hashOf('never recorded')])
  })

  storeTest('bytes that are about to be stored are left alone until they are recorded or released', async (store) => {
    const [used] = await upload(store, 'used')
    const [lost, kept] = [
      { sha256: hashOf('lost'), size: 5 },
      { sha256: hashOf('kept'), size: 6 },
    ]
    await Promise.all([store.expect([lost, kept]), store.expect([kept, used!])])
    assert.deepEqual(await store.collectable(0, 10), [])
    await store.release([lost, used!])
    assert.deepEqual(hashesOf(await store.collectable(0, 10)), [lost.sha256])
  })

  storeTest('every original has a row before its bytes are stored, and says when', async (store) => {
    const [used] = await upload(store, 'used')
    const coming = { sha256: hashOf('coming'), size: 6 }
    const before = Date.now()
    const expectedAt = await store.expect([used!, coming])
    assert.ok(Number.isInteger(expectedAt) && expectedAt >= before && expectedAt <= Date.now())
    const known = await store.known([used!.sha256, coming.sha256, hashOf('unknown')])
    assert.deepEqual([...known.keys()].sort(), [used!.sha256, coming.sha256].sort())
    assert.equal(known.get(used!.sha256), null)
    assert.ok(known.get(coming.sha256)! > expectedAt, 'its release is still to come')
    await store.giveUpExpected()
    assert.deepEqual(hashesOf(await store.collectable(0, 10)), [coming.sha256], 'after a crash nothing is on its way')
  })

  storeTest('bytes that wait to be collected are not, once they are about to be stored again', async (store) => {
    const [gone] = await upload(store, 'again')
    await store.delete(gone!.id, null)
    await Promise.all([store.expect([gone!]), store.expect([gone!, { sha256: hashOf('new'), size: 3 }])])
    assert.deepEqual(await store.collectable(0, 10), [], 'its bytes may be on their way')
    const [again] = await upload(store, 'again')
    await store.delete(again!.id, null)
    await store.expect([again!])
    await store.release([again!])
    const going = (await store.collectable(0, 10)).map(({ sha256 }) => sha256)
    assert.deepEqual(going, [again!.sha256], 'nothing came of it')

    await assert.rejects(store.expect([again!]), { code: 'overloaded' })
    await store.expect([{ sha256: hashOf('other'), size: 5 }])
    await store.forget(going)
    await store.expect([again!])
    assert.equal((await upload(store, 'again')).length, 1)
  })

  storeTest('a restart finds what was claimed and what waits', async (store) => {
    await upload(store, ...Array.from({ length: 25 }, (_, at) => `wait${at}`))
    await store.claim([hashOf('wait3'), hashOf('wait4')], lease)
    assert.equal((await store.reclaim(true)).length, 2)
    const found = []
    for (let cursor: string | undefined; ;) {
      const { jobs, next } = await store.pending(10, cursor)
      found.push(...jobs.map(({ sha256 }) => sha256))
      if (!next) break
      cursor = next
    }
    assert.deepEqual(
      found,
      Array.from({ length: 25 }, (_, at) => hashOf(`wait${at}`)),
    )
  })

  storeTest('keyset pages hold every image once, in every order, also between equals', async (store) => {
    const batch = newBatch()
    const images = Array.from({ length: 23 }, (_, at) => newImage(batch, at, `page${at}`, { name: `same name ${at % 3}`, size: at % 4 }))
    // Some share the moment they were recorded, some do not.
    for (let at = 0; at < 23; at += 5) await store.record({ ...(at === 0 && { start: batch }), images: images.slice(at, at + 5) })
    for (const sort of ['newest', 'oldest', 'name', '-name', 'size', '-size'] as const) {
      const seen = []
      for (let cursor: string | undefined; ;) {
        const { images: page, next } = await store.list({ sort, limit: 4, ...(cursor && { cursor }) }, null)
        seen.push(...page)
        if (!next) break
        cursor = next
      }
      assert.equal(new Set(seen.map(({ id }) => id)).size, 23, sort)
      const keys = seen.map((image) => (sort.endsWith('name') ? image.name : sort.endsWith('size') ? image.size : image.uploadedAt))
      const sorted = [...keys].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
      assert.deepEqual(keys, ['newest', '-name', '-size'].includes(sort) ? sorted.reverse() : sorted, sort)
    }
    await assert.rejects(store.list({ sort: 'newest', limit: 4, cursor: 'nonsense' }, null), { code: 'bad_request' })
  })

  storeTest('lists are filtered by part of a name, status, format and batch', async (store) => {
    const batch = newBatch()
    const named = (at: number, name: string, format: 'jpeg' | 'png' = 'jpeg') => newImage(batch, at, `f${at}`, { name, format })
    const images = [named(0, 'Sunset 100%.JPG'), named(1, 'sunset_2.png', 'png'), named(2, 'O\'Brien "x" \0 \u202E🌅.jpg')]
    await store.record({ start: batch, images, received: { batchId: batch.id, rejected: [] } })
    await upload(store, 'other')
    await develop(store, 'other')
    const names = async (query: object) => (await store.list({ sort: 'oldest', limit: 10, ...query }, null)).images.map(({ name }) => name)
    assert.deepEqual(await names({ q: 'SUNSET' }), ['Sunset 100%.JPG', 'sunset_2.png'])
    assert.deepEqual(await names({ q: '0%' }), ['Sunset 100%.JPG'])
    assert.deepEqual(await names({ q: 't_' }), ['sunset_2.png'])
    assert.deepEqual(await names({ q: '\\' }), [])
    assert.deepEqual(await names({ format: 'png' }), ['sunset_2.png'])
    assert.deepEqual(await names({ status: 'completed' }), ['other.jpg'])
    assert.equal((await names({ batch: batch.id })).length, 3)
    assert.equal((await store.get(images[2]!.id, null))?.name, images[2]!.name)
  })

  storeTest('an idempotency key is held by one upload and remembers its answer', async (store) => {
    const batches = Array.from({ length: 10 }, newBatch)
    const held = await Promise.all(batches.map(({ id }) => store.reserve('key', id, 60_000)))
    assert.equal(held.filter(({ state }) => state === 'reserved').length, 1)
    // Whichever connection was quickest.
    const batch = batches[held.findIndex(({ state }) => state === 'reserved')]!
    assert.deepEqual(await store.reserve('key', randomUUID(), 60_000), { state: 'arriving' })
    await store.record({
      start: batch,
      images: [newImage(batch, 0, 'keyed')],
      received: {
        batchId: batch.id,
        rejected: [],
        idempotency: { key: 'key', fingerprint: 'print', answer: (images) => `${images.length} image` },
      },
    })
    const answered = { state: 'answered', batchId: batch.id, fingerprint: 'print', answer: '1 image' }
    assert.deepEqual(await store.reserve('key', randomUUID(), 60_000), answered)
    await store.unreserve('key', batch.id)
    assert.deepEqual(await store.reserve('key', randomUUID(), 60_000), answered, 'an answer is not given back')
    await sleep(5)
    await store.sweepKeys(1, false)
    assert.deepEqual(await store.reserve('key', randomUUID(), 60_000), { state: 'reserved' })
    await store.sweepKeys(60_000, true)
    assert.deepEqual(await store.reserve('key', batch.id, 60_000), { state: 'reserved' })
    await store.unreserve('key', batch.id)
    assert.deepEqual(await store.reserve('key', batch.id, 60_000), { state: 'reserved' })
  })

  storeTest('a lease that ran out passes the work on, and its holder comes too late', async (store) => {
    const [image] = await upload(store, 'zombie')
    const zombie = await take(store, 'zombie', { ms: 1, worker: 'zombie' })
    await sleep(20)
    const [waiting] = await store.reclaim(false)
    assert.deepEqual([waiting?.id, waiting?.status], [image!.id, 'pending'])
    assert.deepEqual(await store.reclaim(false), [])
    const work = await take(store, 'zombie')
    const { sha256, token, operations } = zombie
    const outputs = operations.map((operation) => ({ ...sampleOutput(operation), width: 1 }))
    const late = { sha256, token, picture: { ...samplePicture, width: 1 }, outputs }
    assert.deepEqual(await store.finish(late), [])
    assert.equal((await store.get(image!.id, null))?.status, 'processing')
    await store.finish(madeOf(work))
    assert.deepEqual(await store.finish(late), [])
    assert.deepEqual((await store.get(image!.id, null))?.outcome, sampleOutcome())
  })

  storeTest('an outcome of an earlier claim changes nothing, even if the same process claimed again', async (store) => {
    const [image] = await upload(store, 'again')
    const ways: [string, (work: Work) => Promise<unknown>][] = [
      ['given back', (work) => store.giveBack([work])],
      ['run out', () => sleep(20).then(() => store.reclaim(false))],
    ]
    for (const [way, end] of ways) {
      const earlier = await take(store, 'again', { ...lease, ms: 1 })
      await end(earlier)
      const work = await take(store, 'again')
      assert.notEqual(work.token, earlier.token)
      const { sha256, token } = earlier
      assert.deepEqual(await store.finish(madeOf(earlier)), [], way)
      assert.deepEqual(await store.finish({ sha256, token, failure: DAMAGED }), [], way)
      assert.deepEqual(await store.giveBack([earlier]), [], way)
      await store.renew([earlier.token], { ...lease, ms: 0 })
      assert.deepEqual(await store.reclaim(false), [], 'nor does the lease of another')
      assert.equal((await store.get(image!.id, null))?.status, 'processing', way)
      await store.giveBack([work])
    }
    const [done] = await develop(store, 'again')
    assert.deepEqual(done?.outcome, sampleOutcome())
  })

  storeTest('an outcome that comes too late decides nothing, even in a commit with the one that counts', async (store) => {
    const [image] = await upload(store, 'again', 'other')
    const earlier = await take(store, 'again')
    await store.giveBack([earlier])
    const [work, other] = [await take(store, 'again'), await take(store, 'other')]
    const { sha256, token } = earlier
    // While the first is committed the others wait, and share the next.
    const [, late, done] = await Promise.all([
      store.finish(madeOf(other)),
      store.finish({ sha256, token, failure: DAMAGED }),
      store.finish(madeOf(work)),
    ])
    assert.deepEqual(late, [])
    assert.deepEqual(done, [await store.get(image!.id, null)])
    assert.deepEqual(done[0]?.outcome, sampleOutcome())
  })

  storeTest('a lease that is renewed does not run out', async (store) => {
    await upload(store, 'slow')
    const work = await take(store, 'slow', { ...lease, ms: 200 })
    await store.renew([work.token], lease)
    await sleep(250)
    assert.deepEqual(await store.reclaim(false), [])
    assert.equal((await store.finish(madeOf(work))).length, 1)
  })

  storeTest('what was not begun is given back', async (store) => {
    const [one, two] = await upload(store, 'begun', 'not begun')
    const { works } = await store.claim([one!.sha256, two!.sha256], lease)
    const notBegun = works.filter(({ sha256 }) => sha256 === two!.sha256)
    const back = await store.giveBack(notBegun)
    assert.deepEqual(
      back.map(({ id, status }) => [id, status]),
      [[two!.id, 'pending']],
    )
    assert.equal((await store.get(one!.id, null))?.status, 'processing')
    await take(store, 'not begun', { ...lease, worker: 'other' })
    assert.deepEqual(await store.giveBack(notBegun), [], 'not mine any more')
    assert.equal((await store.get(two!.id, null))?.status, 'processing')
  })

  storeTest('what ends every worker that takes it has failed in the end', async (store) => {
    const [image] = await upload(store, 'poison')
    for (let attempt = 1; attempt <= 10; attempt++) {
      assert.equal((await store.get(image!.id, null))?.status, 'pending', `attempt ${attempt}`)
      await take(store, 'poison', { ...lease, ms: 0 })
      await sleep(2)
      await store.reclaim(false)
    }
    const failed = await store.get(image!.id, null)
    assert.deepEqual([failed?.status, failed?.failure?.code], ['error', 'processing_crashed'])
  })

  storeTest('many workers claim the same hints, and each original goes to one of them', async (store) => {
    const images = await upload(store, ...Array.from({ length: 40 }, (_, at) => `race${at}`))
    const hashes = images.map(({ sha256 }) => sha256)
    const claims = await Promise.all(Array.from({ length: 8 }, (_, at) => store.claim(hashes, { ...lease, worker: `worker${at}` })))
    const taken = claims.flatMap(({ works }) => works.map(({ sha256 }) => sha256))
    assert.equal(new Set(taken).size, taken.length)
    const tokens = claims.map(({ works }) => new Set(works.map(({ token }) => token)))
    assert.ok(tokens.every(({ size }) => size <= 1))
    assert.equal(new Set(tokens.flatMap((own) => [...own])).size, tokens.filter(({ size }) => size === 1).length, 'each claim has its own')
    // One that was passed over because another held it is claimed at the next hint.
    const rest = await store.claim(hashes, lease)
    assert.equal(taken.length + rest.works.length, 40)
  })

  storeTest('an upload whose server ended is given up, one that is renewed is not', async (store) => {
    const [gone, alive] = [newBatch(), newBatch()]
    await store.record({ start: gone, images: [newImage(gone, 0, 'gone')] })
    await store.record({ start: alive, images: [newImage(alive, 0, 'alive')] })
    await store.reserve('key', gone.id, 60_000)
    await store.renewUpload(gone.id, 0)
    await store.renewUpload(alive.id, 60_000)
    await sleep(5)
    assert.deepEqual(await store.abandoned(false), [gone.id])
    assert.deepEqual(await store.reserve('key', alive.id, 60_000), { state: 'reserved' }, 'its key is free')
    await store.abort(gone.id)
    const late = store.record({ images: [], received: { batchId: gone.id, rejected: [] } })
    await assert.rejects(late, { code: 'upload_timeout' })
  })

  storeTest('an upload whose key a repeat has taken over is not acknowledged', async (store) => {
    const slow = newBatch()
    await store.reserve('key', slow.id, 0)
    await sleep(5)
    assert.deepEqual(await store.reserve('key', randomUUID(), 60_000), { state: 'reserved' })
    const late = store.record({
      start: slow,
      images: [newImage(slow, 0, 'late')],
      received: { batchId: slow.id, rejected: [], idempotency: { key: 'key', fingerprint: 'print', answer: null } },
    })
    await assert.rejects(late, { code: 'upload_timeout' })
    assert.deepEqual(await all(store), [], 'and leaves nothing')
  })
}
