// What every store of uploads guarantees; run on each database.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ErrorCode } from '../../../src/error-codes.ts'
import { madeOf, operationFor, sampleOutcome } from '../../support/inputs/sample-image.ts'
import {
  all,
  DAMAGED,
  develop,
  fail,
  failOutput,
  hashOf,
  lease,
  newBatch,
  newImage,
  NO_FILES,
  OPERATIONS,
  recordsTests,
  take,
  upload,
  type Open,
} from './records.ts'

const THUMBNAIL = operationFor('thumbnail')
/** Why what failed is tried again as soon as the same bytes are uploaded. */
const PASSING: ErrorCode[] = [
  'not_enough_memory',
  'processing_crashed',
  'processing_timeout',
  'original_missing',
  'original_damaged',
  'internal',
]

export function uploadStoreContract(open: Open): void {
  const recordsTest = recordsTests(open)

  recordsTest('bytes that failed for good fail at once; a passing failure gets another try, which heals the first', async (records) => {
    const [bad] = await upload(records, 'bad')
    await fail(records, 'bad', DAMAGED)
    const [again] = await upload(records, 'bad')
    assert.deepEqual([again?.status, again?.failure], ['error', DAMAGED])
    assert.deepEqual((await records.work.claim([bad!.sha256], lease)).works, [], 'it would only fail again')
    for (const code of PASSING) {
      const [first] = await upload(records, code)
      await fail(records, code, { code, error: 'A reason.' })
      const [second] = await upload(records, code)
      assert.equal(second?.status, 'pending', code)
      assert.equal((await records.images.get(first!.id, null))?.failure?.error, 'A reason.', 'no error without a reason, meanwhile')
      const work = await take(records, code)
      assert.deepEqual(work.operations, OPERATIONS)
      await records.work.finish(madeOf(work))
      for (const { id } of [first!, second]) assert.equal((await records.images.get(id, null))?.status, 'completed', code)
    }
  })

  recordsTest('likewise, an output that failed for good, or for a reason that may pass', async (records) => {
    await upload(records, 'bad')
    await failOutput(records, 'bad', THUMBNAIL, DAMAGED)
    const [again] = await upload(records, 'bad')
    assert.deepEqual([again?.status, again?.failure], ['error', DAMAGED])
    assert.deepEqual((await records.work.claim([hashOf('bad')], lease)).works, [], 'it would only fail again')
    for (const code of PASSING) {
      const [first] = await upload(records, code)
      await failOutput(records, code, THUMBNAIL, { code, error: 'A reason.' })
      const [second] = await upload(records, code)
      assert.equal(second?.status, 'pending', code)
      assert.equal((await records.images.get(first!.id, null))?.failure?.error, 'A reason.', 'no error without a reason, meanwhile')
      const work = await take(records, code)
      assert.deepEqual(work.operations, [THUMBNAIL], 'what is there is not made again')
      await records.work.finish(madeOf(work))
      for (const { id } of [first!, second]) assert.deepEqual((await records.images.get(id, null))?.outcome, sampleOutcome(), code)
    }
  })

  recordsTest('many at once share transactions and keep their own', async (records) => {
    const uploads = await Promise.all(Array.from({ length: 300 }, (_, at) => upload(records, `many${at % 200}`)))
    assert.equal(new Set(uploads.flat().map(({ id }) => id)).size, 300)
    uploads.forEach(([image], at) => assert.equal(image?.name, `many${at % 200}.jpg`))
    assert.equal((await all(records)).length, 300)
  })

  recordsTest('one that can not be recorded sinks none that waited with it', async (records) => {
    const [known] = await upload(records, 'known')
    const batch = newBatch()
    const attempts = await Promise.allSettled([
      upload(records, 'a'),
      records.uploads.record({ start: batch, images: [newImage(batch, 0, 'b', { id: known!.id })] }),
      upload(records, 'c'),
      upload(records, 'd'),
    ])
    assert.deepEqual(
      attempts.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled', 'fulfilled'],
    )
  })

  recordsTest('a batch counts its images and keeps what was refused', async (records) => {
    const batch = newBatch()
    await records.uploads.record({ start: batch, images: [newImage(batch, 0, 'first'), newImage(batch, 1, 'second')] })
    assert.deepEqual(await records.uploads.abandoned(true), [batch.id])
    assert.equal((await records.batches.get(batch.id, null))?.receivedAt, null)
    const rejected = [{ name: 'x.txt', code: 'unsupported_format', error: 'No.', index: 2 } as const]
    await records.uploads.record({ images: [newImage(batch, 3, 'third')], acknowledgement: { batchId: batch.id, rejected } })
    assert.deepEqual(await records.uploads.abandoned(true), [])
    await develop(records, 'first')
    const half = await records.batches.get(batch.id, null)
    assert.deepEqual(half?.counts, { ...NO_FILES, pending: 2, completed: 1, rejected: 1 })
    assert.deepEqual([half.declared, half.expiresAt, half.finishedAt], [4, null, null])
    const files = await records.batches.listFiles({ batchId: batch.id, status: 'all', limit: 10 }, null)
    assert.deepEqual(
      files?.files.map(({ index, name, status, failure }) => [index, name, status, failure?.code]),
      [
        [0, 'first.jpg', 'completed', undefined],
        [1, 'second.jpg', 'pending', undefined],
        [2, 'x.txt', 'rejected', 'unsupported_format'],
        [3, 'third.jpg', 'pending', undefined],
      ],
    )
    await develop(records, 'second')
    await develop(records, 'third')
    assert.ok((await records.batches.get(batch.id, null))?.finishedAt)
    assert.equal((await records.images.getInBatch(batch.id, 3, null))?.name, 'third.jpg')
    assert.equal(await records.images.getInBatch(batch.id, 2, null), null)
    assert.equal(await records.batches.get(randomUUID(), null), null)
  })

  recordsTest('what a cut-off body left is aborted and swept; an acknowledged batch never is', async (records) => {
    const batch = newBatch()
    await records.uploads.record({ start: batch, images: [newImage(batch, 0, 'gone'), newImage(batch, 1, 'kept too')] })
    const [kept] = await upload(records, 'kept too')
    assert.deepEqual(
      (await records.uploads.abort(batch.id)).map(({ status }) => status),
      ['aborted', 'aborted'],
    )
    assert.deepEqual((await records.work.claim([hashOf('gone')], lease)).works, [], 'nobody wants it any more')
    assert.equal(await records.uploads.sweepAborted(), 2)
    assert.deepEqual(await all(records), [kept])
    assert.equal(await records.batches.get(batch.id, null), null)
    assert.deepEqual(await records.uploads.abort(kept!.batchId), [])
    assert.equal((await records.images.get(kept!.id, null))?.status, 'pending')
    const collectable = await records.originals.collectable(0, 10)
    assert.deepEqual(
      collectable.map(({ sha256 }) => sha256),
      [hashOf('gone')],
    )
  })

  recordsTest('an idempotency key is held by one upload and remembers its answer', async (records) => {
    const batches = Array.from({ length: 10 }, newBatch)
    const held = await Promise.all(batches.map(({ id }) => records.uploads.reserveKey('key', id, 60_000)))
    assert.equal(held.filter(({ state }) => state === 'reserved').length, 1)
    // Whichever connection was quickest.
    const batch = batches[held.findIndex(({ state }) => state === 'reserved')]!
    assert.deepEqual(await records.uploads.reserveKey('key', randomUUID(), 60_000), { state: 'arriving' })
    await records.uploads.record({
      start: batch,
      images: [newImage(batch, 0, 'keyed')],
      acknowledgement: {
        batchId: batch.id,
        rejected: [],
        idempotency: { key: 'key', fingerprint: 'print', answer: (images) => `${images.length} image` },
      },
    })
    const answered = { state: 'answered', batchId: batch.id, fingerprint: 'print', answer: '1 image' }
    assert.deepEqual(await records.uploads.reserveKey('key', randomUUID(), 60_000), answered)
    await records.uploads.releaseKey('key', batch.id)
    assert.deepEqual(await records.uploads.reserveKey('key', randomUUID(), 60_000), answered, 'an answer is not given back')
    await sleep(5)
    await records.uploads.sweepKeys(1, false)
    assert.deepEqual(await records.uploads.reserveKey('key', randomUUID(), 60_000), { state: 'reserved' })
    await records.uploads.sweepKeys(60_000, true)
    assert.deepEqual(await records.uploads.reserveKey('key', batch.id, 60_000), { state: 'reserved' })
    await records.uploads.releaseKey('key', batch.id)
    assert.deepEqual(await records.uploads.reserveKey('key', batch.id, 60_000), { state: 'reserved' })
  })

  recordsTest('an upload whose server ended is given up, one that is renewed is not', async (records) => {
    const [gone, alive] = [newBatch(), newBatch()]
    await records.uploads.record({ start: gone, images: [newImage(gone, 0, 'gone')] })
    await records.uploads.record({ start: alive, images: [newImage(alive, 0, 'alive')] })
    await records.uploads.reserveKey('key', gone.id, 60_000)
    await records.uploads.renewLease(gone.id, 0)
    await records.uploads.renewLease(alive.id, 60_000)
    await sleep(5)
    assert.deepEqual(await records.uploads.abandoned(false), [gone.id])
    assert.deepEqual(await records.uploads.reserveKey('key', alive.id, 60_000), { state: 'reserved' }, 'its key is free')
    await records.uploads.abort(gone.id)
    const late = records.uploads.record({ images: [], acknowledgement: { batchId: gone.id, rejected: [] } })
    await assert.rejects(late, { code: 'upload_timeout' })
  })

  recordsTest('an upload whose key a repeat has taken over is not acknowledged', async (records) => {
    const slow = newBatch()
    await records.uploads.reserveKey('key', slow.id, 0)
    await sleep(5)
    assert.deepEqual(await records.uploads.reserveKey('key', randomUUID(), 60_000), { state: 'reserved' })
    const late = records.uploads.record({
      start: slow,
      images: [newImage(slow, 0, 'late')],
      acknowledgement: { batchId: slow.id, rejected: [], idempotency: { key: 'key', fingerprint: 'print', answer: null } },
    })
    await assert.rejects(late, { code: 'upload_timeout' })
    assert.deepEqual(await all(records), [], 'and leaves nothing')
  })
}
