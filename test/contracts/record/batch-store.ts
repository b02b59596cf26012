// What every ledger of batches guarantees; run on each database, as a part of its image store.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { v7 as uuidv7 } from 'uuid'
import type { Failure, FileStatus } from '../../../src/image.ts'
import type { Arrival, Arrived, Declaration, FileToDeclare } from '../../../src/record/batches/batch-store.ts'
import type { ImageStore } from '../../../src/record/images/image-store.ts'
import { RECIPE } from '../../../src/rendition/presets.ts'
import { madeOf, sampleOutcome } from '../../support/inputs/sample-image.ts'
import { develop, fail, hashOf, lease, newBatch, newImage, NO_FILES, storeTests, take, upload, type Open } from './image-store.ts'

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

const declare = (store: ImageStore, files: FileToDeclare[], more: Partial<Declaration> = {}) =>
  store.declare({ batchId: uuidv7(), files, ttlMs: HOUR_MS, ownerId: null, sees: null, recipe: RECIPE, ...more })

const arrival = (index: number | null, content: string): Arrival => ({
  index,
  file: { id: uuidv7(), format: 'jpeg', size: content.length, sha256: hashOf(content), recipe: RECIPE },
})

const said = (arrived: Arrived[]) => arrived.map((one) => ('image' in one ? (one.isNew ? 'new' : 'there') : one.failure.code))

/** The counts that are not zero, having checked that they add up. */
async function ledger(store: ImageStore, id: string): Promise<Partial<Record<FileStatus, number>>> {
  const batch = await store.batch(id, null)
  assert.ok(batch)
  const sum = Object.values(batch.counts).reduce((total, count) => total + count, 0)
  assert.equal(sum, batch.declared, JSON.stringify(batch.counts))
  return Object.fromEntries(Object.entries(batch.counts).filter(([, count]) => count > 0))
}

export function batchLedgerContract(open: Open): void {
  const storeTest = storeTests(open)

  storeTest('declared files are needed, then have images in their places, once', async (store) => {
    const { batchId, files, expiresAt } = await declare(store, [toDeclare('a'), toDeclare('b', { sha256: null }), toDeclare('c')])
    assert.deepEqual(files, [null, null, null])
    assert.deepEqual(await ledger(store, batchId), { needed: 3 })
    assert.deepEqual([await store.isDeclared(batchId, null), await store.isDeclared(randomUUID(), null)], [true, false])
    assert.deepEqual(await store.abandoned(true), [], 'acknowledged from the start')

    const arrived = await store.arrive(batchId, [arrival(2, 'c'), arrival(1, 'b')], null)
    assert.deepEqual(said(arrived), ['new', 'new'])
    assert.deepEqual(
      arrived.map((one) => 'image' in one && [one.image.batchIndex, one.image.name, one.image.status]),
      [
        [2, 'c.jpg', 'pending'],
        [1, 'b.jpg', 'pending'],
      ],
    )
    const again = await store.arrive(batchId, [arrival(1, 'b'), arrival(0, 'a'), arrival(0, 'a')], null)
    assert.deepEqual(said(again), ['there', 'new', 'there'])
    const [, first] = arrived as [Arrived, Arrived & { image: object }]
    assert.deepEqual('image' in again[0]! && again[0].image, first.image)
    assert.deepEqual(await ledger(store, batchId), { pending: 3 })

    for (const content of ['a', 'b', 'c']) await develop(store, content)
    const batch = await store.batch(batchId, null)
    assert.deepEqual([batch?.kind, batch?.declared, batch?.expiresAt, batch?.counts.completed], ['batch', 3, expiresAt, 3])
    assert.ok(batch?.finishedAt && batch.receivedAt && batch.finishedAt >= batch.receivedAt)
  })

  storeTest('the same files sent by many at once leave one image each', async (store) => {
    for (let round = 0; round < 10; round++) {
      const contents = ['a', 'b', 'c', 'd'].map((letter) => `${letter}${round}`)
      const { batchId } = await declare(
        store,
        contents.map((content) => toDeclare(content, { sha256: null })),
      )
      const bundle = () => contents.map((content, at) => arrival(at, content))
      const arrived = (await Promise.all(Array.from({ length: 8 }, () => store.arrive(batchId, bundle(), null)))).flat()
      assert.equal(said(arrived).filter((one) => one === 'new').length, 4)
      assert.equal(new Set(arrived.map((one) => 'image' in one && one.image.id)).size, 4)
      assert.deepEqual(await ledger(store, batchId), { pending: 4 })
    }
  })

  storeTest('what is not as it was declared is refused with its reason', async (store) => {
    const { batchId } = await declare(store, [toDeclare('right'), toDeclare('free', { sha256: null })])
    assert.deepEqual(said(await store.arrive(batchId, [arrival(null, 'right'), arrival(2, 'right')], null)), [
      'not_declared',
      'not_declared',
    ])
    assert.deepEqual(said(await store.arrive(randomUUID(), [arrival(0, 'right')], null)), ['not_declared'])
    assert.deepEqual(await ledger(store, batchId), { needed: 2 })
    assert.deepEqual(said(await store.arrive(batchId, [arrival(0, 'wrong'), arrival(1, 'longer')], null)), [
      'declaration_mismatch',
      'declaration_mismatch',
    ])
    assert.deepEqual(await ledger(store, batchId), { rejected: 2 })
    assert.deepEqual(said(await store.arrive(batchId, [arrival(0, 'right'), arrival(1, 'free'), arrival(1, 'eerf')], null)), [
      'new',
      'new',
      'declaration_mismatch',
    ])
    assert.deepEqual(said(await store.arrive(batchId, [arrival(1, 'eerf')], null)), ['declaration_mismatch'])
    assert.deepEqual(await ledger(store, batchId), { pending: 2 })
  })

  storeTest('why a file was refused is kept, whatever its sender put into it', async (store) => {
    const { batchId } = await declare(store, [toDeclare('odd'), toDeclare('fine')])
    const failure: Failure = { code: 'wrong_field', error: 'Not in "\0\uFFFF0".' }
    assert.deepEqual(said(await store.arrive(batchId, [{ index: 0, failure }, arrival(1, 'fine')], null)), ['wrong_field', 'new'])
    assert.deepEqual((await store.batchFiles({ batchId, status: 'rejected', limit: 10 }, null))?.files[0]?.failure, failure)
  })

  storeTest('bytes that are here make an image at once; nobody sees those that are not in use', async (store) => {
    const [done] = await upload(store, 'done', 'waiting')
    await develop(store, 'done')
    const [gone] = await upload(store, 'gone')
    await store.delete(gone!.id, null)
    await store.expect([{ sha256: hashOf('coming'), size: 6 }])
    const { batchId, files } = await declare(store, [
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
    assert.deepEqual(await store.get(known.image.id, null), known.image)
    assert.deepEqual(await ledger(store, batchId), { completed: 1, pending: 1, needed: 4, rejected: 1 })

    // Its bytes stay as long as this image does, whoever else deletes theirs.
    await store.delete(done!.id, null)
    const collectable = (await store.collectable(0, 10)).map(({ sha256 }) => sha256)
    assert.deepEqual(collectable, [hashOf('gone')])
    const late = await declare(store, [toDeclare('gone')])
    assert.deepEqual(late.files, [null], 'its bytes are just being removed')
  })

  storeTest('a refused file is rejected, sent again as it should be it is not; one that is here stays', async (store) => {
    const { batchId } = await declare(store, [toDeclare('one', { sha256: null }), toDeclare('two')])
    assert.deepEqual(said(await store.arrive(batchId, [{ index: 0, failure: UNREADABLE }, arrival(1, 'two')], null)), [
      'unsupported_format',
      'new',
    ])
    assert.deepEqual(await ledger(store, batchId), { rejected: 1, pending: 1 })
    const rejected = (await store.batchFiles({ batchId, status: 'rejected', limit: 10 }, null))!.files
    assert.deepEqual(rejected, [{ index: 0, name: 'one.jpg', size: 3, status: 'rejected', image: null, failure: UNREADABLE }])
    assert.deepEqual(said(await store.arrive(batchId, [{ index: 1, failure: UNREADABLE }, arrival(0, 'one')], null)), [
      'unsupported_format',
      'new',
    ])
    assert.deepEqual(await ledger(store, batchId), { pending: 2 })
  })

  storeTest('cancelled: what is not done is aborted, late results and late files change nothing', async (store) => {
    const names = ['done', 'working', 'waiting', 'needed', 'refused']
    const { batchId } = await declare(
      store,
      names.map((name) => toDeclare(name)),
    )
    await store.arrive(batchId, [arrival(0, 'done'), arrival(1, 'working'), arrival(2, 'waiting'), { index: 4, failure: UNREADABLE }], null)
    await develop(store, 'done')
    const work = await take(store, 'working')
    assert.deepEqual(await ledger(store, batchId), { completed: 1, processing: 1, pending: 1, needed: 1, rejected: 1 })

    const aborted = await store.cancelBatch(batchId, null)
    assert.deepEqual(aborted?.map(({ name, status }) => [name, status]).sort(), [
      ['waiting.jpg', 'aborted'],
      ['working.jpg', 'aborted'],
    ])
    const after = { completed: 1, rejected: 1, aborted: 3 }
    assert.deepEqual(await ledger(store, batchId), after)
    assert.deepEqual(await store.cancelBatch(batchId, null), [])
    assert.deepEqual(await store.finish(madeOf(work)), [])
    assert.deepEqual((await store.claim([hashOf('waiting')], lease)).works, [], 'nobody wants it')
    assert.deepEqual([await store.countPending(), (await store.pending(10)).jobs, await store.reclaim(true)], [0, [], []])
    assert.deepEqual(said(await store.arrive(batchId, [arrival(1, 'working'), arrival(3, 'needed')], null)), [
      'batch_cancelled',
      'batch_cancelled',
    ])
    assert.deepEqual(await ledger(store, batchId), after)
    assert.equal((await store.batchFiles({ batchId, status: 'aborted', limit: 10 }, null))?.files.length, 3)
    assert.ok((await store.batch(batchId, null))?.finishedAt)

    // Who uploads the same bytes gets them developed.
    const [again] = await upload(store, 'waiting')
    assert.equal(again?.status, 'pending')
    await develop(store, 'waiting')
    assert.equal((await store.get(again.id, null))?.status, 'completed')
    assert.deepEqual(await ledger(store, batchId), after)
    assert.equal(await store.cancelBatch(randomUUID(), null), null)
  })

  storeTest('a cancelled batch stays cancelled: nothing of it comes any more, and nothing is needed again', async (store) => {
    const { batchId } = await declare(store, [toDeclare('refused'), toDeclare('done'), toDeclare('bad')])
    await store.arrive(batchId, [{ index: 0, failure: UNREADABLE }, arrival(1, 'done'), arrival(2, 'bad')], null)
    await develop(store, 'done')
    await fail(store, 'bad', BAD)
    assert.equal(await store.isCancelled(batchId), false)
    assert.deepEqual(await store.cancelBatch(batchId, null), [], 'nothing was left to do')
    assert.deepEqual([await store.isCancelled(batchId), await store.isCancelled(randomUUID())], [true, false])

    const late = [arrival(0, 'refused'), { index: 0, failure: UNREADABLE }, arrival(1, 'done'), arrival(2, 'bad'), arrival(3, 'none')]
    const cancelled = 'batch_cancelled'
    assert.deepEqual(said(await store.arrive(batchId, late, null)), [cancelled, cancelled, 'there', 'there', 'not_declared'])
    assert.deepEqual(await ledger(store, batchId), { rejected: 1, completed: 1, error: 1 })
    assert.deepEqual(
      (await store.retryBatch(batchId, MAX_FILE_BYTES, null))?.map(({ name, status }) => [name, status]),
      [['bad.jpg', 'pending']],
    )
    assert.deepEqual(await ledger(store, batchId), { rejected: 1, completed: 1, pending: 1 })
  })

  storeTest('batches that ended without an image are removed after a while, the others stay', async (store) => {
    const cancelled = await declare(store, [toDeclare('a'), toDeclare('b')])
    await store.arrive(cancelled.batchId, [{ index: 0, failure: UNREADABLE }], null)
    const refusal: Failure = { code: 'empty_file', error: 'Empty.' }
    const expired = await declare(store, [toDeclare('c'), toDeclare('d', { refusal })], { ttlMs: 0 })
    const rejected = await declare(store, [toDeclare('e', { refusal })], { ttlMs: 0 })
    const open = await declare(store, [toDeclare('f')])
    const refused = await declare(store, [toDeclare('g', { refusal })])
    const withImages = await declare(store, [toDeclare('h'), toDeclare('i')])
    await store.arrive(withImages.batchId, [arrival(0, 'h')], null)
    for (const { batchId } of [cancelled, withImages]) await store.cancelBatch(batchId, null)
    const [plain] = await upload(store, 'plain')
    await store.cancelBatch(plain!.batchId, null)
    const left = async () => new Set((await store.batches({ limit: 100 }, null)).batches.map(({ id }) => id))

    assert.equal(await store.sweepEmpty(0), 1, 'what has expired has not ended before that is seen')
    assert.equal(await store.expireDeclared(), 1)
    assert.equal(await store.sweepEmpty(HOUR_MS), 0)
    assert.equal((await left()).size, 6)
    assert.deepEqual([await store.sweepEmpty(0), await store.sweepEmpty(0)], [2, 0])
    for (const { batchId } of [cancelled, expired, rejected]) {
      assert.deepEqual(
        [
          await store.batch(batchId, null),
          await store.batchFiles({ batchId, status: 'all', limit: 10 }, null),
          await store.isDeclared(batchId, null),
        ],
        [null, null, false],
      )
      assert.deepEqual(said(await store.arrive(batchId, [arrival(0, 'c')], null)), ['not_declared'])
    }
    assert.deepEqual(await left(), new Set([open.batchId, refused.batchId, withImages.batchId, plain!.batchId]))
    assert.deepEqual(await ledger(store, withImages.batchId), { aborted: 2 })
  })

  storeTest('more batches than a transaction takes, and large ones, are removed', async (store) => {
    for (let at = 0; at < 25; at++) {
      const { batchId } = await declare(
        store,
        Array.from({ length: at === 0 ? 5_000 : 3 }, (_, file) => toDeclare(`${at}-${file}`)),
      )
      await store.cancelBatch(batchId, null)
    }
    assert.equal(await store.sweepEmpty(0), 25)
    assert.deepEqual((await store.batches({ limit: 10 }, null)).batches, [])
  })

  storeTest('declared batches without an image are forgotten, whatever is still to come of them', async (store) => {
    const open = await declare(store, [toDeclare('a')])
    const cancelled = await declare(store, [toDeclare('b')])
    await store.cancelBatch(cancelled.batchId, null)
    const begun = await declare(store, [toDeclare('c'), toDeclare('d')])
    const [arrived] = await store.arrive(begun.batchId, [arrival(0, 'c')], null)
    const [plain] = await upload(store, 'plain')
    assert.equal(await store.forgetDeclared(), 2)
    assert.deepEqual([await store.batch(open.batchId, null), await store.batch(cancelled.batchId, null)], [null, null])
    assert.deepEqual(await ledger(store, begun.batchId), { pending: 1, needed: 1 })
    assert.ok(arrived && 'image' in arrived)
    await store.delete(arrived.image.id, null)
    assert.deepEqual([await store.forgetDeclared(), await store.forgetDeclared()], [1, 0])
    assert.deepEqual(
      (await store.batches({ limit: 10 }, null)).batches.map(({ id }) => id),
      [plain!.batchId],
    )
  })

  storeTest('files that come while their batch is forgotten have their images, or none is left of it', async (store) => {
    for (let round = 0; round < 10; round++) {
      const { batchId } = await declare(store, [toDeclare(`race${round}`)])
      const [arrived, forgotten] = await Promise.all([store.arrive(batchId, [arrival(0, `race${round}`)], null), store.forgetDeclared()])
      assert.deepEqual(said(arrived), [forgotten ? 'not_declared' : 'new'])
      assert.equal((await store.batch(batchId, null))?.counts.pending, forgotten ? undefined : 1)
    }
  })

  storeTest('cancelling leaves alone who shares the bytes; an upload that is still arriving is not cancelled', async (store) => {
    const [other] = await upload(store, 'shared')
    const { batchId } = await declare(store, [toDeclare('shared')])
    assert.deepEqual(await ledger(store, batchId), { pending: 1 })
    await store.cancelBatch(batchId, null)
    await develop(store, 'shared')
    assert.deepEqual([(await store.get(other!.id, null))?.status, await ledger(store, batchId)], ['completed', { aborted: 1 }])
    assert.deepEqual((await store.cancelBatch((await upload(store, 'plain'))[0]!.batchId, null))?.length, 1)
    const arriving = newBatch()
    await store.record({ start: arriving, images: [newImage(arriving, 0, 'arriving')] })
    await assert.rejects(store.cancelBatch(arriving.id, null), { code: 'still_arriving' })
  })

  storeTest('a retry of a batch tries again what failed, and what was refused can come again', async (store) => {
    const { batchId } = await declare(store, [
      toDeclare('good'),
      toDeclare('bad'),
      toDeclare('refused'),
      toDeclare('huge', { size: MAX_FILE_BYTES + 1, refusal: { code: 'file_too_large', error: 'Huge.' } }),
    ])
    await store.arrive(batchId, [arrival(0, 'good'), arrival(1, 'bad'), { index: 2, failure: UNREADABLE }], null)
    await develop(store, 'good')
    await fail(store, 'bad', BAD)
    assert.deepEqual(await ledger(store, batchId), { completed: 1, error: 1, rejected: 2 })
    const failed = (await store.batchFiles({ batchId, status: 'error', limit: 10 }, null))!.files
    assert.deepEqual(
      failed.map(({ index, image, failure }) => [index, image?.status, failure?.code]),
      [[1, 'error', 'invalid_image']],
    )
    assert.deepEqual(
      (await store.retryBatch(batchId, MAX_FILE_BYTES, null))?.map(({ name, status }) => [name, status]),
      [['bad.jpg', 'pending']],
    )
    assert.deepEqual(await ledger(store, batchId), { completed: 1, pending: 1, needed: 1, rejected: 1 })
    assert.equal((await store.batch(batchId, null))?.finishedAt, null)
    await develop(store, 'bad')
    assert.deepEqual(said(await store.arrive(batchId, [arrival(2, 'refused')], null)), ['new'])
    assert.deepEqual(await store.retryBatch(batchId, MAX_FILE_BYTES, null), [])
    assert.deepEqual(await ledger(store, batchId), { completed: 2, pending: 1, rejected: 1 })
    assert.equal(await store.retryBatch(randomUUID(), MAX_FILE_BYTES, null), null)
  })

  storeTest('what is missing when the time is over has expired, and nothing else', async (store) => {
    const { batchId } = await declare(store, [toDeclare('here'), toDeclare('late'), toDeclare('refused')], { ttlMs: 1_500 })
    const open = await declare(store, [toDeclare('later')])
    await store.arrive(batchId, [arrival(0, 'here'), { index: 2, failure: UNREADABLE }], null)
    assert.equal(await store.expireDeclared(), 0)
    await sleep(1_550)
    assert.deepEqual(said(await store.arrive(batchId, [arrival(1, 'late'), arrival(0, 'here')], null)), ['batch_expired', 'there'])
    assert.deepEqual([await store.expireDeclared(), await store.expireDeclared()], [1, 0])
    assert.deepEqual(await ledger(store, batchId), { pending: 1, expired: 1, rejected: 1 })
    assert.deepEqual(said(await store.arrive(batchId, [arrival(1, 'late')], null)), ['batch_expired'])
    await store.retryBatch(batchId, MAX_FILE_BYTES, null)
    assert.deepEqual(await ledger(store, batchId), { pending: 1, expired: 1, rejected: 1 }, 'nothing is needed any more')
    assert.deepEqual(await ledger(store, open.batchId), { needed: 1 })
  })

  storeTest('a deleted image takes its declared file along, the last one the batch', async (store) => {
    const { batchId } = await declare(store, [toDeclare('x'), toDeclare('y'), toDeclare('z')])
    const [x, y] = await store.arrive(batchId, [arrival(0, 'x'), arrival(1, 'y')], null)
    assert.ok(x && y && 'image' in x && 'image' in y)
    await store.delete(x.image.id, null)
    assert.equal((await store.batch(batchId, null))?.declared, 2)
    assert.deepEqual(await ledger(store, batchId), { pending: 1, needed: 1 })
    assert.deepEqual(said(await store.arrive(batchId, [arrival(0, 'x')], null)), ['not_declared'])
    await store.delete(y.image.id, null)
    assert.deepEqual(await ledger(store, batchId), { needed: 1 }, 'more is to come')
    const [z] = await store.arrive(batchId, [arrival(2, 'z')], null)
    assert.ok(z && 'image' in z)
    await store.delete(z.image.id, null)
    assert.equal(await store.batch(batchId, null), null)
  })

  storeTest('files come in pages, each once, by their place and their state', async (store) => {
    const contents = Array.from({ length: 30 }, (_, at) => `page${at}`)
    const { batchId } = await declare(
      store,
      contents.map((content) => toDeclare(content)),
    )
    await store.arrive(
      batchId,
      contents.flatMap((content, at) => (at % 3 === 0 ? arrival(at, content) : [])),
      null,
    )
    const pages = async (status: FileStatus | 'all') => {
      const seen = []
      for (let cursor: string | undefined; ;) {
        const { files, next } = (await store.batchFiles({ batchId, status, limit: 7, ...(cursor && { cursor }) }, null))!
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
    assert.equal(await store.batchFiles({ batchId: randomUUID(), status: 'all', limit: 7 }, null), null)
    await assert.rejects(store.batchFiles({ batchId, status: 'all', limit: 7, cursor: 'nonsense' }, null), { code: 'bad_request' })
  })

  storeTest('batches come newest first, in pages, each with its own counts', async (store) => {
    const ids = []
    for (let at = 0; at < 7; at++) {
      ids.unshift(at % 2 ? (await declare(store, [toDeclare(`d${at}`)])).batchId : (await upload(store, `u${at}`))[0]!.batchId)
      await sleep(2)
    }
    const seen = []
    for (let cursor: string | undefined; ;) {
      const { batches, next } = await store.batches({ limit: 3, ...(cursor && { cursor }) }, null)
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
    assert.deepEqual(await store.batch(ids[0]!, null), seen[0])
    await assert.rejects(store.batches({ limit: 3, cursor: 'nonsense' }, null), { code: 'bad_request' })
  })

  storeTest('a declaration under an idempotency key keeps its answer', async (store) => {
    const batchId = uuidv7()
    await store.reserve('key', batchId, 60_000)
    const answer = ({ files }: { files: unknown[] }) => `${files.length} files`
    await declare(store, [toDeclare('keyed')], { batchId, idempotency: { key: 'key', fingerprint: 'print', answer } })
    const kept = { state: 'answered', batchId, fingerprint: 'print', answer: '1 files' }
    assert.deepEqual(await store.reserve('key', randomUUID(), 60_000), kept)
    await assert.rejects(declare(store, [toDeclare('late')], { idempotency: { key: 'key', fingerprint: 'other', answer } }), {
      code: 'upload_timeout',
    })
  })

  storeTest('it adds up at every moment: while files come, are developed, cancelled, tried again and deleted', async (store) => {
    const contents = Array.from({ length: 300 }, (_, at) => `sum${at}`)
    const { batchId } = await declare(
      store,
      contents.map((content) => toDeclare(content, { sha256: null })),
    )
    let working = true
    let looked = 0
    const work = async () => {
      for (let at = 0; at < 300; at += 30) {
        const group = contents.slice(at, at + 30)
        const arrived = await store.arrive(
          batchId,
          group.map((content, n): Arrival => (n % 10 === 9 ? { index: at + n, failure: UNREADABLE } : arrival(at + n, content))),
          null,
        )
        const { works } = await store.claim(group.map(hashOf), lease)
        const taken = new Map(works.map((work) => [work.sha256, work]))
        await Promise.all(
          group.slice(0, 20).map(async (content, n) => {
            const work = taken.get(hashOf(content))
            if (!work) return
            const { sha256, token } = work
            await store.finish(n % 5 === 0 ? { sha256, token, failure: BAD } : madeOf(work))
          }),
        )
        const [first] = arrived
        if (first && 'image' in first) await store.delete(first.image.id, null)
        if (at === 150) await store.retryBatch(batchId, MAX_FILE_BYTES, null)
        if (at === 240) await store.cancelBatch(batchId, null)
        // However fast the work is.
        for (const before = looked; looked === before;) await nextTurn()
      }
      working = false
    }
    const look = async () => {
      for (; working; looked++) await ledger(store, batchId)
    }
    await Promise.all([work(), look(), look()])
    assert.ok(looked >= 10)
    assert.equal((await store.batch(batchId, null))?.declared, 291)
  })

  storeTest('ten thousand files', async (store) => {
    const known = await upload(store, ...Array.from({ length: 500 }, (_, at) => `k${at}`))
    const files = Array.from({ length: 10_000 }, (_, at) => toDeclare(at % 20 === 0 ? `k${at / 20}` : `n${at}`))
    const { batchId, files: declared } = await declare(store, files)
    assert.equal(declared.filter(Boolean).length, known.length)
    assert.deepEqual(await ledger(store, batchId), { pending: 500, needed: 9_500 })
    assert.equal((await store.cancelBatch(batchId, null))?.length, 500)
    assert.deepEqual(await ledger(store, batchId), { aborted: 10_000 })
  })
}
