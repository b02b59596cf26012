// What every store of work guarantees; run on each database.
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Work } from '../../../src/record/work/work-store.ts'
import { RECIPE } from '../../../src/rendition/presets.ts'
import { madeOf, operationFor, sampleOutcome, sampleOutput, samplePicture } from '../../support/inputs/sample-image.ts'
import { DAMAGED, develop, failOutput, hashOf, lease, OPERATIONS, recordsTests, take, upload, type Open } from './records.ts'

const THUMBNAIL = operationFor('thumbnail')
export function workStoreContract(open: Open): void {
  const recordsTest = recordsTests(open)

  recordsTest('the backlog is what waits, what is in hand, and the age of what waits longest', async (records) => {
    assert.deepEqual(await records.work.backlog(), { pending: 0, processing: 0, oldestPendingMs: null })
    await upload(records, 'first', 'second')
    await sleep(50)
    await upload(records, 'third')
    const before = await records.work.backlog()
    assert.deepEqual([before.pending, before.processing], [3, 0])
    assert.ok(before.oldestPendingMs! >= 49 && before.oldestPendingMs! < 60_000, String(before.oldestPendingMs))
    const work = await take(records, 'first')
    const claimed = await records.work.backlog()
    assert.deepEqual([claimed.pending, claimed.processing], [2, 1])
    await records.work.finish(madeOf(work))
    for (const content of ['second', 'third']) await develop(records, content)
    assert.deepEqual(await records.work.backlog(), { pending: 0, processing: 0, oldestPendingMs: null })
  })

  recordsTest('an image goes from pending through processing to completed', async (records) => {
    const [image] = await upload(records, 'one')
    assert.equal(image?.status, 'pending')
    assert.deepEqual(await records.images.get(image.id, null), image)
    assert.equal(image.recipe, RECIPE.id)
    const claimed = await records.work.claim([image.sha256], lease)
    const [work] = claimed.works
    assert.deepEqual(claimed.works, [{ sha256: image.sha256, format: 'jpeg', operations: OPERATIONS, token: work!.token }])
    assert.deepEqual(
      claimed.images.map(({ id, status }) => [id, status]),
      [[image.id, 'processing']],
    )
    assert.deepEqual((await records.work.claim([image.sha256], lease)).works, [], 'claimed twice')
    const [done] = await records.work.finish(madeOf(work!))
    assert.equal(done?.status, 'completed')
    assert.deepEqual(done.outcome, sampleOutcome())
    assert.ok(done.finishedAt && done.finishedAt >= image.uploadedAt - 60_000)
    assert.deepEqual(await records.images.get(image.id, null), done)
    for (const preset of ['image', 'thumbnail']) {
      const rendition = { preset, ...sampleOutput(operationFor(preset)) }
      assert.deepEqual(await records.renditions.find(image.id, preset, null), { image: done, rendition })
    }
    assert.equal(await records.renditions.find(image.id, 'wide', null), null, 'not of its recipe')
  })

  recordsTest('the same bytes are developed once, for all their images', async (records) => {
    const images = [...(await upload(records, 'same', 'same')), ...(await upload(records, 'same'))]
    const { works, images: claimed } = await records.work.claim([hashOf('same')], lease)
    assert.equal(works.length, 1)
    assert.equal(claimed.length, 3)
    const [late] = await upload(records, 'same')
    assert.equal(late?.status, 'processing')
    const finished = await records.work.finish(madeOf(works[0]!))
    assert.deepEqual(new Set(finished.map(({ id }) => id)), new Set([...images, late].map(({ id }) => id)))
    const [known] = await upload(records, 'same')
    assert.equal(known?.status, 'completed')
    assert.deepEqual(known.outcome, sampleOutcome())
    assert.ok(known.finishedAt)
  })

  recordsTest('a fault of one output fails its image; a retry makes that output and no other', async (records) => {
    const [image] = await upload(records, 'one')
    const failure = { code: 'internal', error: 'The encoder gave up.' } as const
    const [failed, ...more] = await failOutput(records, 'one', THUMBNAIL, failure)
    assert.deepEqual([failed?.id, failed?.status, failed?.failure, failed?.outcome, more], [image!.id, 'error', failure, null, []])
    assert.deepEqual(await records.images.get(image!.id, null), failed)
    assert.equal(await records.renditions.find(image!.id, 'image', null), null, 'of a completed image only')
    assert.deepEqual((await records.work.doneFor([image!.id])).get(image!.id)?.failure, failure)
    const [retried] = (await records.images.retry(image!.id, null)) ?? []
    assert.deepEqual([retried?.id, retried?.status, retried?.failure], [image!.id, 'pending', null])
    const work = await take(records, 'one')
    assert.deepEqual(work.operations, [THUMBNAIL])
    const [done] = await records.work.finish(madeOf(work))
    assert.deepEqual([done?.id, done?.status, done?.outcome], [image!.id, 'completed', sampleOutcome()])
    assert.deepEqual(await records.images.get(image!.id, null), done)
    assert.equal((await records.work.doneFor([image!.id])).get(image!.id)?.failure, null)
  })

  recordsTest('of two faults with reasons of their own, the code and the sentence are of the same', async (records) => {
    const [image] = await upload(records, 'same')
    const { sha256, token } = await take(records, 'same')
    const faults = [
      { code: 'internal', error: 'Z: the encoder gave up.' },
      { code: 'processing_timeout', error: 'A: it took too long.' },
    ] as const
    const outputs = OPERATIONS.map((operation, at) => ({ operation, failure: faults[at]! }))
    const [failed] = await records.work.finish({ sha256, token, picture: samplePicture, outputs })
    const told = [
      failed!.failure,
      (await records.images.get(image!.id, null))!.failure,
      (await records.work.doneFor([image!.id])).get(image!.id)!.failure,
    ]
    for (const failure of told)
      assert.deepEqual(
        failure,
        faults.find(({ code }) => code === failure!.code),
      )
  })

  recordsTest('a restart finds what was claimed and what waits', async (records) => {
    await upload(records, ...Array.from({ length: 25 }, (_, at) => `wait${at}`))
    await records.work.claim([hashOf('wait3'), hashOf('wait4')], lease)
    assert.equal((await records.work.reclaim(true)).length, 2)
    const found = []
    for (let cursor: string | undefined; ;) {
      const { jobs, next } = await records.work.pending(10, cursor)
      found.push(...jobs.map(({ sha256 }) => sha256))
      if (!next) break
      cursor = next
    }
    assert.deepEqual(
      found,
      Array.from({ length: 25 }, (_, at) => hashOf(`wait${at}`)),
    )
  })

  recordsTest('a lease that ran out passes the work on, and its holder comes too late', async (records) => {
    const [image] = await upload(records, 'zombie')
    const zombie = await take(records, 'zombie', { ms: 1, worker: 'zombie' })
    await sleep(20)
    const [waiting] = await records.work.reclaim(false)
    assert.deepEqual([waiting?.id, waiting?.status], [image!.id, 'pending'])
    assert.deepEqual(await records.work.reclaim(false), [])
    const work = await take(records, 'zombie')
    const { sha256, token, operations } = zombie
    const outputs = operations.map((operation) => ({ ...sampleOutput(operation), width: 1 }))
    const late = { sha256, token, picture: { ...samplePicture, width: 1 }, outputs }
    assert.deepEqual(await records.work.finish(late), [])
    assert.equal((await records.images.get(image!.id, null))?.status, 'processing')
    await records.work.finish(madeOf(work))
    assert.deepEqual(await records.work.finish(late), [])
    assert.deepEqual((await records.images.get(image!.id, null))?.outcome, sampleOutcome())
  })

  recordsTest('an outcome of an earlier claim changes nothing, even if the same process claimed again', async (records) => {
    const [image] = await upload(records, 'again')
    const ways: [string, (work: Work) => Promise<unknown>][] = [
      ['given back', (work) => records.work.giveBack([work])],
      ['run out', () => sleep(20).then(() => records.work.reclaim(false))],
    ]
    for (const [way, end] of ways) {
      const earlier = await take(records, 'again', { ...lease, ms: 1 })
      await end(earlier)
      const work = await take(records, 'again')
      assert.notEqual(work.token, earlier.token)
      const { sha256, token } = earlier
      assert.deepEqual(await records.work.finish(madeOf(earlier)), [], way)
      assert.deepEqual(await records.work.finish({ sha256, token, failure: DAMAGED }), [], way)
      assert.deepEqual(await records.work.giveBack([earlier]), [], way)
      await records.work.renew([earlier.token], { ...lease, ms: 0 })
      assert.deepEqual(await records.work.reclaim(false), [], 'nor does the lease of another')
      assert.equal((await records.images.get(image!.id, null))?.status, 'processing', way)
      await records.work.giveBack([work])
    }
    const [done] = await develop(records, 'again')
    assert.deepEqual(done?.outcome, sampleOutcome())
  })

  recordsTest('an outcome that comes too late decides nothing, even in a commit with the one that counts', async (records) => {
    const [image] = await upload(records, 'again', 'other')
    const earlier = await take(records, 'again')
    await records.work.giveBack([earlier])
    const [work, other] = [await take(records, 'again'), await take(records, 'other')]
    const { sha256, token } = earlier
    // While the first is committed the others wait, and share the next.
    const [, late, done] = await Promise.all([
      records.work.finish(madeOf(other)),
      records.work.finish({ sha256, token, failure: DAMAGED }),
      records.work.finish(madeOf(work)),
    ])
    assert.deepEqual(late, [])
    assert.deepEqual(done, [await records.images.get(image!.id, null)])
    assert.deepEqual(done[0]?.outcome, sampleOutcome())
  })

  recordsTest('a lease that is renewed does not run out', async (records) => {
    await upload(records, 'slow')
    const work = await take(records, 'slow', { ...lease, ms: 200 })
    await records.work.renew([work.token], lease)
    await sleep(250)
    assert.deepEqual(await records.work.reclaim(false), [])
    assert.equal((await records.work.finish(madeOf(work))).length, 1)
  })

  recordsTest('what was not begun is given back', async (records) => {
    const [one, two] = await upload(records, 'begun', 'not begun')
    const { works } = await records.work.claim([one!.sha256, two!.sha256], lease)
    const notBegun = works.filter(({ sha256 }) => sha256 === two!.sha256)
    const back = await records.work.giveBack(notBegun)
    assert.deepEqual(
      back.map(({ id, status }) => [id, status]),
      [[two!.id, 'pending']],
    )
    assert.equal((await records.images.get(one!.id, null))?.status, 'processing')
    await take(records, 'not begun', { ...lease, worker: 'other' })
    assert.deepEqual(await records.work.giveBack(notBegun), [], 'not mine any more')
    assert.equal((await records.images.get(two!.id, null))?.status, 'processing')
  })

  recordsTest('what ends every worker that takes it has failed in the end', async (records) => {
    const [image] = await upload(records, 'poison')
    for (let attempt = 1; attempt <= 10; attempt++) {
      assert.equal((await records.images.get(image!.id, null))?.status, 'pending', `attempt ${attempt}`)
      await take(records, 'poison', { ...lease, ms: 0 })
      await sleep(2)
      await records.work.reclaim(false)
    }
    const failed = await records.images.get(image!.id, null)
    assert.deepEqual([failed?.status, failed?.failure?.code], ['error', 'processing_crashed'])
  })

  recordsTest('many workers claim the same hints, and each original goes to one of them', async (records) => {
    const images = await upload(records, ...Array.from({ length: 40 }, (_, at) => `race${at}`))
    const hashes = images.map(({ sha256 }) => sha256)
    const claims = await Promise.all(Array.from({ length: 8 }, (_, at) => records.work.claim(hashes, { ...lease, worker: `worker${at}` })))
    const taken = claims.flatMap(({ works }) => works.map(({ sha256 }) => sha256))
    assert.equal(new Set(taken).size, taken.length)
    const tokens = claims.map(({ works }) => new Set(works.map(({ token }) => token)))
    assert.ok(tokens.every(({ size }) => size <= 1))
    assert.equal(new Set(tokens.flatMap((own) => [...own])).size, tokens.filter(({ size }) => size === 1).length, 'each claim has its own')
    // One that was passed over because another held it is claimed at the next hint.
    const rest = await records.work.claim(hashes, lease)
    assert.equal(taken.length + rest.works.length, 40)
  })
}
