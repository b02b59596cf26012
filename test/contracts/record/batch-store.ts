// What every store of batches guarantees; run on each database.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { v7 as uuidv7 } from 'uuid'
import type { Failure, FileStatus } from '../../../src/image.ts'
import type { Arrival, Arrived, Declaration, FileToDeclare } from '../../../src/record/batches/batch-store.ts'
import type { Records } from '../../../src/record/records.ts'
import { RECIPE } from '../../../src/rendition/presets.ts'
import { madeOf, sampleOutcome } from '../../support/inputs/sample-image.ts'
import { develop, fail, hashOf, lease, newBatch, newImage, NO_FILES, recordsTests, take, upload, type Open } from './records.ts'

const HOUR_MS = 60 * 60 * 1000
const MAX_FILE_BYTES = 1_000
const UNREADABLE: Failure = { code: 'unsupported_format', error: 'No image.' }
const BAD: Failure = { code: 'invalid_image', error: 'Bad.' }

const toDeclare = (content: string, more: Partial<FileToDeclare> = {}): FileToDeclare => ({
  name: `${content}.jpg`,
  size: content.length,
  sha256: hashOf(content),
  refusal: null,
  ...more,
})

const declare = (records: Records, files: FileToDeclare[], more: Partial<Declaration> = {}) =>
  records.batches.declare({ batchId: uuidv7(), files, ttlMs: HOUR_MS, ownerId: null, sees: null, recipe: RECIPE, ...more })

const arrival = (index: number | null, content: string): Arrival => ({
  index,
  file: { id: uuidv7(), format: 'jpeg', size: content.length, sha256: hashOf(content), recipe: RECIPE },
})

const said = (arrived: Arrived[]) => arrived.map((one) => ('image' in one ? (one.isNew ? 'new' : 'there') : one.failure.code))

/** The counts that are not zero, having checked that they add up. */
async function ledger(records: Records, id: string): Promise<Partial<Record<FileStatus, number>>> {
  const batch = await records.batches.get(id, null)
  assert.ok(batch)
  const sum = Object.values(batch.counts).reduce((total, count) => total + count, 0)
  assert.equal(sum, batch.declared, JSON.stringify(batch.counts))
  return Object.fromEntries(Object.entries(batch.counts).filter(([, count]) => count > 0))
}

export function batchStoreContract(open: Open): void {
  const recordsTest = recordsTests(open)

  recordsTest('declared files are needed, then have images in their places, once', async (records) => {
    const { batchId, files, expiresAt } = await declare(records, [toDeclare('a'), toDeclare('b', { sha256: null }), toDeclare('c')])
    assert.deepEqual(files, [null, null, null])
    assert.deepEqual(await ledger(records, batchId), { needed: 3 })
    assert.deepEqual([await records.batches.isDeclared(batchId, null), await records.batches.isDeclared(randomUUID(), null)], [true, false])
    assert.deepEqual(await records.uploads.abandoned(true), [], 'acknowledged from the start')

    const arrived = await records.batches.receive(batchId, [arrival(2, 'c'), arrival(1, 'b')], null)
    assert.deepEqual(said(arrived), ['new', 'new'])
    assert.deepEqual(
      arrived.map((one) => 'image' in one && [one.image.batchIndex, one.image.name, one.image.status]),
      [
        [2, 'c.jpg', 'pending'],
        [1, 'b.jpg', 'pending'],
      ],
    )
    const again = await records.batches.receive(batchId, [arrival(1, 'b'), arrival(0, 'a'), arrival(0, 'a')], null)
    assert.deepEqual(said(again), ['there', 'new', 'there'])
    const [, first] = arrived as [Arrived, Arrived & { image: object }]
    assert.deepEqual('image' in again[0]! && again[0].image, first.image)
    assert.deepEqual(await ledger(records, batchId), { pending: 3 })

    for (const content of ['a', 'b', 'c']) await develop(records, content)
    const batch = await records.batches.get(batchId, null)
    assert.deepEqual([batch?.kind, batch?.declared, batch?.expiresAt, batch?.counts.completed], ['batch', 3, expiresAt, 3])
    assert.ok(batch?.finishedAt && batch.receivedAt && batch.finishedAt >= batch.receivedAt)
  })

  recordsTest('the same files sent by many at once leave one image each', async (records) => {
    for (let round = 0; round < 10; round++) {
      const contents = ['a', 'b', 'c', 'd'].map((letter) => `${letter}${round}`)
      const { batchId } = await declare(
        records,
        contents.map((content) => toDeclare(content, { sha256: null })),
      )
      const bundle = () => contents.map((content, at) => arrival(at, content))
      const arrived = (await Promise.all(Array.from({ length: 8 }, () => records.batches.receive(batchId, bundle(), null)))).flat()
      assert.equal(said(arrived).filter((one) => one === 'new').length, 4)
      assert.equal(new Set(arrived.map((one) => 'image' in one && one.image.id)).size, 4)
      assert.deepEqual(await ledger(records, batchId), { pending: 4 })
    }
  })

  recordsTest('what is not as it was declared is refused with its reason', async (records) => {
    const { batchId } = await declare(records, [toDeclare('right'), toDeclare('free', { sha256: null })])
    assert.deepEqual(said(await records.batches.receive(batchId, [arrival(null, 'right'), arrival(2, 'right')], null)), [
      'not_declared',
      'not_declared',
    ])
    assert.deepEqual(said(await records.batches.receive(randomUUID(), [arrival(0, 'right')], null)), ['not_declared'])
    assert.deepEqual(await ledger(records, batchId), { needed: 2 })
    assert.deepEqual(said(await records.batches.receive(batchId, [arrival(0, 'wrong'), arrival(1, 'longer')], null)), [
      'declaration_mismatch',
      'declaration_mismatch',
    ])
    assert.deepEqual(await ledger(records, batchId), { rejected: 2 })
    assert.deepEqual(said(await records.batches.receive(batchId, [arrival(0, 'right'), arrival(1, 'free'), arrival(1, 'eerf')], null)), [
      'new',
      'new',
      'declaration_mismatch',
    ])
    assert.deepEqual(said(await records.batches.receive(batchId, [arrival(1, 'eerf')], null)), ['declaration_mismatch'])
    assert.deepEqual(await ledger(records, batchId), { pending: 2 })
  })

  recordsTest('why a file was refused is kept, whatever its sender put into it', async (records) => {
    const { batchId } = await declare(records, [toDeclare('odd'), toDeclare('fine')])
    const failure: Failure = { code: 'wrong_field', error: 'Not in "\0\uFFFF0".' }
    assert.deepEqual(said(await records.batches.receive(batchId, [{ index: 0, failure }, arrival(1, 'fine')], null)), [
      'wrong_field',
      'new',
    ])
    assert.deepEqual((await records.batches.listFiles({ batchId, status: 'rejected', limit: 10 }, null))?.files[0]?.failure, failure)
  })

  recordsTest('bytes that are here make an image at once; nobody sees those that are not in use', async (records) => {
    const [done] = await upload(records, 'done', 'waiting')
    await develop(records, 'done')
    const [gone] = await upload(records, 'gone')
    await records.images.delete(gone!.id, null)
    await records.originals.expect([{ sha256: hashOf('coming'), size: 6 }])
    const { batchId, files } = await declare(records, [
      toDeclare('done', { name: 'mine.jpg' }),
      toDeclare('waiting'),
      toDeclare('gone'),
      toDeclare('done', { size: 5 }),
      toDeclare('coming'),
      toDeclare('new'),
      toDeclare('empty', { refusal: { code: 'empty_file', error: 'Empty.' } }),
    ])
    const states = files.map((file) => (file === null ? 'needed' : 'image' in file ? file.image.status : file.failure.code))
    assert.deepEqual(states, ['completed', 'pending', 'needed', 'needed', 'needed', 'needed', 'empty_file'])
    const known = files[0]
    assert.ok(known && 'image' in known)
    assert.notEqual(known.image.id, done!.id)
    assert.deepEqual([known.image.name, known.image.batchIndex, known.image.outcome], ['mine.jpg', 0, sampleOutcome()])
    assert.deepEqual(await records.images.get(known.image.id, null), known.image)
    assert.deepEqual(await ledger(records, batchId), { completed: 1, pending: 1, needed: 4, rejected: 1 })

    // Its bytes stay as long as this image does, whoever else deletes theirs.
    await records.images.delete(done!.id, null)
    const collectable = (await records.originals.collectable(0, 10)).map(({ sha256 }) => sha256)
    assert.deepEqual(collectable, [hashOf('gone')])
    const late = await declare(records, [toDeclare('gone')])
    assert.deepEqual(late.files, [null], 'its bytes are just being removed')
  })

  recordsTest('a refused file is rejected, sent again as it should be it is not; one that is here stays', async (records) => {
    const { batchId } = await declare(records, [toDeclare('one', { sha256: null }), toDeclare('two')])
    assert.deepEqual(said(await records.batches.receive(batchId, [{ index: 0, failure: UNREADABLE }, arrival(1, 'two')], null)), [
      'unsupported_format',
      'new',
    ])
    assert.deepEqual(await ledger(records, batchId), { rejected: 1, pending: 1 })
    const rejected = (await records.batches.listFiles({ batchId, status: 'rejected', limit: 10 }, null))!.files
    assert.deepEqual(rejected, [{ index: 0, name: 'one.jpg', size: 3, status: 'rejected', image: null, failure: UNREADABLE }])
    assert.deepEqual(said(await records.batches.receive(batchId, [{ index: 1, failure: UNREADABLE }, arrival(0, 'one')], null)), [
      'unsupported_format',
      'new',
    ])
    assert.deepEqual(await ledger(records, batchId), { pending: 2 })
  })

  recordsTest('cancelled: what is not done is aborted, late results and late files change nothing', async (records) => {
    const names = ['done', 'working', 'waiting', 'needed', 'refused']
    const { batchId } = await declare(
      records,
      names.map((name) => toDeclare(name)),
    )
    await records.batches.receive(
      batchId,
      [arrival(0, 'done'), arrival(1, 'working'), arrival(2, 'waiting'), { index: 4, failure: UNREADABLE }],
      null,
    )
    await develop(records, 'done')
    const work = await take(records, 'working')
    assert.deepEqual(await ledger(records, batchId), { completed: 1, processing: 1, pending: 1, needed: 1, rejected: 1 })

    const aborted = await records.batches.cancel(batchId, null)
    assert.deepEqual(aborted?.map(({ name, status }) => [name, status]).sort(), [
      ['waiting.jpg', 'aborted'],
      ['working.jpg', 'aborted'],
    ])
    const after = { completed: 1, rejected: 1, aborted: 3 }
    assert.deepEqual(await ledger(records, batchId), after)
    assert.deepEqual(await records.batches.cancel(batchId, null), [])
    assert.deepEqual(await records.work.finish(madeOf(work)), [])
    assert.deepEqual((await records.work.claim([hashOf('waiting')], lease)).works, [], 'nobody wants it')
    assert.deepEqual(
      [await records.work.countPending(), (await records.work.pending(10)).jobs, await records.work.reclaim(true)],
      [0, [], []],
    )
    assert.deepEqual(said(await records.batches.receive(batchId, [arrival(1, 'working'), arrival(3, 'needed')], null)), [
      'batch_cancelled',
      'batch_cancelled',
    ])
    assert.deepEqual(await ledger(records, batchId), after)
    assert.equal((await records.batches.listFiles({ batchId, status: 'aborted', limit: 10 }, null))?.files.length, 3)
    assert.ok((await records.batches.get(batchId, null))?.finishedAt)

    // Who uploads the same bytes gets them developed.
    const [again] = await upload(records, 'waiting')
    assert.equal(again?.status, 'pending')
    await develop(records, 'waiting')
    assert.equal((await records.images.get(again.id, null))?.status, 'completed')
    assert.deepEqual(await ledger(records, batchId), after)
    assert.equal(await records.batches.cancel(randomUUID(), null), null)
  })

  recordsTest('a cancelled batch stays cancelled: nothing of it comes any more, and nothing is needed again', async (records) => {
    const { batchId } = await declare(records, [toDeclare('refused'), toDeclare('done'), toDeclare('bad')])
    await records.batches.receive(batchId, [{ index: 0, failure: UNREADABLE }, arrival(1, 'done'), arrival(2, 'bad')], null)
    await develop(records, 'done')
    await fail(records, 'bad', BAD)
    assert.equal(await records.batches.isCancelled(batchId), false)
    assert.deepEqual(await records.batches.cancel(batchId, null), [], 'nothing was left to do')
    assert.deepEqual([await records.batches.isCancelled(batchId), await records.batches.isCancelled(randomUUID())], [true, false])

    const late = [arrival(0, 'refused'), { index: 0, failure: UNREADABLE }, arrival(1, 'done'), arrival(2, 'bad'), arrival(3, 'none')]
    const cancelled = 'batch_cancelled'
    assert.deepEqual(said(await records.batches.receive(batchId, late, null)), [cancelled, cancelled, 'there', 'there', 'not_declared'])
    assert.deepEqual(await ledger(records, batchId), { rejected: 1, completed: 1, error: 1 })
    assert.deepEqual(
      (await records.batches.retry(batchId, MAX_FILE_BYTES, null))?.map(({ name, status }) => [name, status]),
      [['bad.jpg', 'pending']],
    )
    assert.deepEqual(await ledger(records, batchId), { rejected: 1, completed: 1, pending: 1 })
  })

  recordsTest('batches that ended without an image are removed after a while, the others stay', async (records) => {
    const cancelled = await declare(records, [toDeclare('a'), toDeclare('b')])
    await records.batches.receive(cancelled.batchId, [{ index: 0, failure: UNREADABLE }], null)
    const refusal: Failure = { code: 'empty_file', error: 'Empty.' }
    const expired = await declare(records, [toDeclare('c'), toDeclare('d', { refusal })], { ttlMs: 0 })
    const rejected = await declare(records, [toDeclare('e', { refusal })], { ttlMs: 0 })
    const open = await declare(records, [toDeclare('f')])
    const refused = await declare(records, [toDeclare('g', { refusal })])
    const withImages = await declare(records, [toDeclare('h'), toDeclare('i')])
    await records.batches.receive(withImages.batchId, [arrival(0, 'h')], null)
    for (const { batchId } of [cancelled, withImages]) await records.batches.cancel(batchId, null)
    const [plain] = await upload(records, 'plain')
    await records.batches.cancel(plain!.batchId, null)
    const left = async () => new Set((await records.batches.list({ limit: 100 }, null)).batches.map(({ id }) => id))

    assert.equal(await records.batches.sweepEmpty(0), 1, 'what has expired has not ended before that is seen')
    assert.equal(await records.batches.expireDeclared(), 1)
    assert.equal(await records.batches.sweepEmpty(HOUR_MS), 0)
    assert.equal((await left()).size, 6)
    assert.deepEqual([await records.batches.sweepEmpty(0), await records.batches.sweepEmpty(0)], [2, 0])
    for (const { batchId } of [cancelled, expired, rejected]) {
      assert.deepEqual(
        [
          await records.batches.get(batchId, null),
          await records.batches.listFiles({ batchId, status: 'all', limit: 10 }, null),
          await records.batches.isDeclared(batchId, null),
        ],
        [null, null, false],
      )
      assert.deepEqual(said(await records.batches.receive(batchId, [arrival(0, 'c')], null)), ['not_declared'])
    }
    assert.deepEqual(await left(), new Set([open.batchId, refused.batchId, withImages.batchId, plain!.batchId]))
    assert.deepEqual(await ledger(records, withImages.batchId), { aborted: 2 })
  })

  recordsTest('more batches than a transaction takes, and large ones, are removed', async (records) => {
    for (let at = 0; at < 25; at++) {
      const { batchId } = await declare(
        records,
        Array.from({ length: at === 0 ? 5_000 : 3 }, (_, file) => toDeclare(`${at}-${file}`)),
      )
      await records.batches.cancel(batchId, null)
    }
    assert.equal(await records.batches.sweepEmpty(0), 25)
    assert.deepEqual((await records.batches.list({ limit: 10 }, null)).batches, [])
  })

  recordsTest('declared batches without an image are forgotten, whatever is still to come of them', async (records) => {
    const open = await declare(records, [toDeclare('a')])
    const cancelled = await declare(records, [toDeclare('b')])
    await records.batches.cancel(cancelled.batchId, null)
    const begun = await declare(records, [toDeclare('c'), toDeclare('d')])
    const [arrived] = await records.batches.receive(begun.batchId, [arrival(0, 'c')], null)
    const [plain] = await upload(records, 'plain')
    assert.equal(await records.batches.forgetDeclared(), 2)
    assert.deepEqual([await records.batches.get(open.batchId, null), await records.batches.get(cancelled.batchId, null)], [null, null])
    assert.deepEqual(await ledger(records, begun.batchId), { pending: 1, needed: 1 })
    assert.ok(arrived && 'image' in arrived)
    await records.images.delete(arrived.image.id, null)
    assert.deepEqual([await records.batches.forgetDeclared(), await records.batches.forgetDeclared()], [1, 0])
    assert.deepEqual(
      (await records.batches.list({ limit: 10 }, null)).batches.map(({ id }) => id),
      [plain!.batchId],
    )
  })

  recordsTest('files that come while their batch is forgotten have their images, or none is left of it', async (records) => {
    for (let round = 0; round < 10; round++) {
      const { batchId } = await declare(records, [toDeclare(`race${round}`)])
      const [arrived, forgotten] = await Promise.all([
        records.batches.receive(batchId, [arrival(0, `race${round}`)], null),
        records.batches.forgetDeclared(),
      ])
      assert.deepEqual(said(arrived), [forgotten ? 'not_declared' : 'new'])
      assert.equal((await records.batches.get(batchId, null))?.counts.pending, forgotten ? undefined : 1)
    }
  })

  recordsTest('cancelling leaves alone who shares the bytes; an upload that is still arriving is not cancelled', async (records) => {
    const [other] = await upload(records, 'shared')
    const { batchId } = await declare(records, [toDeclare('shared')])
    assert.deepEqual(await ledger(records, batchId), { pending: 1 })
    await records.batches.cancel(batchId, null)
    await develop(records, 'shared')
    assert.deepEqual([(await records.images.get(other!.id, null))?.status, await ledger(records, batchId)], ['completed', { aborted: 1 }])
    assert.deepEqual((await records.batches.cancel((await upload(records, 'plain'))[0]!.batchId, null))?.length, 1)
    const arriving = newBatch()
    await records.uploads.record({ start: arriving, images: [newImage(arriving, 0, 'arriving')] })
    await assert.rejects(records.batches.cancel(arriving.id, null), { code: 'still_arriving' })
  })

  recordsTest('a retry of a batch tries again what failed, and what was refused can come again', async (records) => {
    const { batchId } = await declare(records, [
      toDeclare('good'),
      toDeclare('bad'),
      toDeclare('refused'),
      toDeclare('huge', { size: MAX_FILE_BYTES + 1, refusal: { code: 'file_too_large', error: 'Huge.' } }),
    ])
    await records.batches.receive(batchId, [arrival(0, 'good'), arrival(1, 'bad'), { index: 2, failure: UNREADABLE }], null)
    await develop(records, 'good')
    await fail(records, 'bad', BAD)
    assert.deepEqual(await ledger(records, batchId), { completed: 1, error: 1, rejected: 2 })
    const failed = (await records.batches.listFiles({ batchId, status: 'error', limit: 10 }, null))!.files
    assert.deepEqual(
      failed.map(({ index, image, failure }) => [index, image?.status, failure?.code]),
      [[1, 'error', 'invalid_image']],
    )
    assert.deepEqual(
      (await records.batches.retry(batchId, MAX_FILE_BYTES, null))?.map(({ name, status }) => [name, status]),
      [['bad.jpg', 'pending']],
    )
    assert.deepEqual(await ledger(records, batchId), { completed: 1, pending: 1, needed: 1, rejected: 1 })
    assert.equal((await records.batches.get(batchId, null))?.finishedAt, null)
    await develop(records, 'bad')
    assert.deepEqual(said(await records.batches.receive(batchId, [arrival(2, 'refused')], null)), ['new'])
    assert.deepEqual(await records.batches.retry(batchId, MAX_FILE_BYTES, null), [])
    assert.deepEqual(await ledger(records, batchId), { completed: 2, pending: 1, rejected: 1 })
    assert.equal(await records.batches.retry(randomUUID(), MAX_FILE_BYTES, null), null)
  })

  recordsTest('what is missing when the time is over has expired, and nothing else', async (records) => {
    const { batchId } = await declare(records, [toDeclare('here'), toDeclare('late'), toDeclare('refused')], { ttlMs: 1_500 })
    const open = await declare(records, [toDeclare('later')])
    await records.batches.receive(batchId, [arrival(0, 'here'), { index: 2, failure: UNREADABLE }], null)
    assert.equal(await records.batches.expireDeclared(), 0)
    await sleep(1_550)
    assert.deepEqual(said(await records.batches.receive(batchId, [arrival(1, 'late'), arrival(0, 'here')], null)), [
      'batch_expired',
      'there',
    ])
    assert.deepEqual([await records.batches.expireDeclared(), await records.batches.expireDeclared()], [1, 0])
    assert.deepEqual(await ledger(records, batchId), { pending: 1, expired: 1, rejected: 1 })
    assert.deepEqual(said(await records.batches.receive(batchId, [arrival(1, 'late')], null)), ['batch_expired'])
    await records.batches.retry(batchId, MAX_FILE_BYTES, null)
    assert.deepEqual(await ledger(records, batchId), { pending: 1, expired: 1, rejected: 1 }, 'nothing is needed any more')
    assert.deepEqual(await ledger(records, open.batchId), { needed: 1 })
  })

  recordsTest('a deleted image takes its declared file along, the last one the batch', async (records) => {
    const { batchId } = await declare(records, [toDeclare('x'), toDeclare('y'), toDeclare('z')])
    const [x, y] = await records.batches.receive(batchId, [arrival(0, 'x'), arrival(1, 'y')], null)
    assert.ok(x && y && 'image' in x && 'image' in y)
    await records.images.delete(x.image.id, null)
    assert.equal((await records.batches.get(batchId, null))?.declared, 2)
    assert.deepEqual(await ledger(records, batchId), { pending: 1, needed: 1 })
    assert.deepEqual(said(await records.batches.receive(batchId, [arrival(0, 'x')], null)), ['not_declared'])
    await records.images.delete(y.image.id, null)
    assert.deepEqual(await ledger(records, batchId), { needed: 1 }, 'more is to come')
    const [z] = await records.batches.receive(batchId, [arrival(2, 'z')], null)
    assert.ok(z && 'image' in z)
    await records.images.delete(z.image.id, null)
    assert.equal(await records.batches.get(batchId, null), null)
  })

  recordsTest('files come in pages, each once, by their place and their state', async (records) => {
    const contents = Array.from({ length: 30 }, (_, at) => `page${at}`)
    const { batchId } = await declare(
      records,
      contents.map((content) => toDeclare(content)),
    )
    await records.batches.receive(
      batchId,
      contents.flatMap((content, at) => (at % 3 === 0 ? arrival(at, content) : [])),
      null,
    )
    const pages = async (status: FileStatus | 'all') => {
      const seen = []
      for (let cursor: string | undefined; ;) {
        const { files, next } = (await records.batches.listFiles({ batchId, status, limit: 7, ...(cursor && { cursor }) }, null))!
        seen.push(...files)
        if (next === null) return seen
        cursor = next
      }
    }
    const places = contents.map((_, at) => at)
    assert.deepEqual(
      (await pages('all')).map(({ index }) => index),
      places,
    )
    assert.deepEqual(
      (await pages('pending')).map(({ index, image }) => [index, image?.batchIndex]),
      places.filter((at) => at % 3 === 0).map((at) => [at, at]),
    )
    assert.deepEqual(
      (await pages('needed')).map(({ index, name, image }) => [index, name, image]),
      places.filter((at) => at % 3 !== 0).map((at) => [at, `page${at}.jpg`, null]),
    )
    assert.deepEqual(await pages('completed'), [])
    assert.equal(await records.batches.listFiles({ batchId: randomUUID(), status: 'all', limit: 7 }, null), null)
    await assert.rejects(records.batches.listFiles({ batchId, status: 'all', limit: 7, cursor: 'nonsense' }, null), { code: 'bad_request' })
  })

  recordsTest('batches come newest first, in pages, each with its own counts', async (records) => {
    const ids = []
    for (let at = 0; at < 7; at++) {
      ids.unshift(at % 2 ? (await declare(records, [toDeclare(`d${at}`)])).batchId : (await upload(records, `u${at}`))[0]!.batchId)
      await sleep(2)
    }
    const seen = []
    for (let cursor: string | undefined; ;) {
      const { batches, next } = await records.batches.list({ limit: 3, ...(cursor && { cursor }) }, null)
      seen.push(...batches)
      if (next === null) break
      cursor = next
    }
    assert.deepEqual(
      seen.map(({ id }) => id),
      ids,
    )
    assert.deepEqual(
      seen.map(({ counts }) => counts),
      ids.map((_, at) => ({ ...NO_FILES, [at % 2 ? 'needed' : 'pending']: 1 })),
    )
    assert.deepEqual(await records.batches.get(ids[0]!, null), seen[0])
    await assert.rejects(records.batches.list({ limit: 3, cursor: 'nonsense' }, null), { code: 'bad_request' })
  })

  recordsTest('a declaration under an idempotency key keeps its answer', async (records) => {
    const batchId = uuidv7()
    await records.uploads.reserveKey('key', batchId, 60_000)
    const answer = ({ files }: { files: unknown[] }) => `${files.length} files`
    await declare(records, [toDeclare('keyed')], { batchId, idempotency: { key: 'key', fingerprint: 'print', answer } })
    const kept = { state: 'answered', batchId, fingerprint: 'print', answer: '1 files' }
    assert.deepEqual(await records.uploads.reserveKey('key', randomUUID(), 60_000), kept)
    await assert.rejects(declare(records, [toDeclare('late')], { idempotency: { key: 'key', fingerprint: 'other', answer } }), {
      code: 'upload_timeout',
    })
  })

  recordsTest('it adds up at every moment: while files come, are developed, cancelled, tried again and deleted', async (records) => {
    const contents = Array.from({ length: 300 }, (_, at) => `sum${at}`)
    const { batchId } = await declare(
      records,
      contents.map((content) => toDeclare(content, { sha256: null })),
    )
    let working = true
    let looked = 0
    const work = async () => {
      for (let at = 0; at < 300; at += 30) {
        const group = contents.slice(at, at + 30)
        const arrived = await records.batches.receive(
          batchId,
          group.map((content, n): Arrival => (n % 10 === 9 ? { index: at + n, failure: UNREADABLE } : arrival(at + n, content))),
          null,
        )
        const { works } = await records.work.claim(group.map(hashOf), lease)
        const taken = new Map(works.map((work) => [work.sha256, work]))
        await Promise.all(
          group.slice(0, 20).map(async (content, n) => {
            const work = taken.get(hashOf(content))
            if (!work) return
            const { sha256, token } = work
            await records.work.finish(n % 5 === 0 ? { sha256, token, failure: BAD } : madeOf(work))
          }),
        )
        const [first] = arrived
        if (first && 'image' in first) await records.images.delete(first.image.id, null)
        if (at === 150) await records.batches.retry(batchId, MAX_FILE_BYTES, null)
        if (at === 240) await records.batches.cancel(batchId, null)
        // However fast the work is.
        for (const before = looked; looked === before;) await nextTurn()
      }
      working = false
    }
    const look = async () => {
      for (; working; looked++) await ledger(records, batchId)
    }
    await Promise.all([work(), look(), look()])
    assert.ok(looked >= 10)
    assert.equal((await records.batches.get(batchId, null))?.declared, 291)
  })

  recordsTest('ten thousand files', async (records) => {
    const known = await upload(records, ...Array.from({ length: 500 }, (_, at) => `k${at}`))
    const files = Array.from({ length: 10_000 }, (_, at) => toDeclare(at % 20 === 0 ? `k${at / 20}` : `n${at}`))
    const { batchId, files: declared } = await declare(records, files)
    assert.equal(declared.filter(Boolean).length, known.length)
    assert.deepEqual(await ledger(records, batchId), { pending: 500, needed: 9_500 })
    assert.equal((await records.batches.cancel(batchId, null))?.length, 500)
    assert.deepEqual(await ledger(records, batchId), { aborted: 10_000 })
  })
}
