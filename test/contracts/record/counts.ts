// What all records guarantee about their kept counts, and about finding names; run on each database.
import assert from 'node:assert/strict'
import { STATUSES, type Failure, type Image } from '../../../src/image.ts'
import type { ListQuery, Sort } from '../../../src/record/images/image-store.ts'
import type { Records } from '../../../src/record/records.ts'
import type { NewBatch } from '../../../src/record/uploads/upload-store.ts'
import { RECIPE } from '../../../src/rendition/presets.ts'
import { madeOf } from '../../support/inputs/sample-image.ts'
import { develop, fail, hashOf, lease, newBatch, newImage, recordsTests, type Open } from './records.ts'

const SORTS: Sort[] = ['newest', 'oldest', 'name', '-name', 'size', '-size']
const OWNERS = ['ann', 'ben', null]
const HOUR_MS = 60 * 60 * 1000

function uploadAs(records: Records, ownerId: string | null, files: { content: string; name?: string }[]): Promise<Image[]> {
  const batch: NewBatch = { ...newBatch(), ownerId }
  const images = files.map(({ content, name }, index) => ({ ...newImage(batch, index, content), ...(name !== undefined && { name }) }))
  return records.uploads.record({ start: batch, images, acknowledgement: { batchId: batch.id, rejected: [] } })
}

const because = (code: 'invalid_image' | 'processing_crashed'): Failure => ({ code, error: 'A reason.' })

/** Kept and counted are the same, whoever asks; before and after they are added up. */
async function assertKept(records: Records) {
  for (const fold of [false, true]) {
    if (fold) await records.counts.fold()
    assert.deepEqual(await records.counts.differences(), [])
    for (const owner of [...OWNERS, 'nobody']) {
      const { images } = await records.images.list({ sort: 'newest', limit: 1_000 }, owner)
      assert.equal(await records.images.count({}, owner), images.length)
      for (const status of STATUSES) {
        assert.equal(
          await records.images.count({ status }, owner),
          images.filter((image) => image.status === status).length,
          `${status} of ${owner}`,
        )
      }
    }
  }
}

/** Every page of a list, however short. */
async function walk(records: Records, query: ListQuery, owner: string | null = null): Promise<Image[]> {
  const images: Image[] = []
  let cursor: string | undefined
  do {
    const page = await records.images.list({ ...query, ...(cursor && { cursor }) }, owner)
    assert.ok(page.images.length <= query.limit)
    images.push(...page.images)
    cursor = page.next ?? undefined
  } while (cursor)
  return images
}

export function countsContract(open: Open): void {
  const recordsTest = recordsTests(open)

  recordsTest('the counts are kept through whatever becomes of images', async (records) => {
    await assertKept(records)
    const ann = await uploadAs(
      records,
      'ann',
      ['a', 'b', 'c', 'same'].map((content) => ({ content })),
    )
    const nobody = await uploadAs(
      records,
      null,
      ['d', 'same'].map((content) => ({ content })),
    )
    await assertKept(records)
    const { works } = await records.work.claim([hashOf('a'), hashOf('b')], lease)
    await assertKept(records)
    await records.work.giveBack(works.filter(({ sha256 }) => sha256 === hashOf('b')))
    await fail(records, 'b', because('invalid_image'))
    await develop(records, 'same')
    await fail(records, 'd', because('processing_crashed'))
    await assertKept(records)
    // Comes again, and ends otherwise: the image that failed first shows the new reason.
    await uploadAs(records, 'ben', [{ content: 'd' }])
    await assertKept(records)
    await fail(records, 'd', because('invalid_image'))
    assert.equal((await records.images.get(nobody[0]!.id, null))?.failure?.code, 'invalid_image')
    await assertKept(records)
    await records.images.retry(ann[1]!.id, 'ann')
    await assertKept(records)
    await records.images.delete(ann[0]!.id, null)
    await records.images.deleteMany([ann[3]!.id, nobody[1]!.id], null)
    await assertKept(records)
    const cutOff = { ...newBatch(), ownerId: 'ben' }
    await records.uploads.record({ start: cutOff, images: [newImage(cutOff, 0, 'x'), newImage(cutOff, 1, 'b')] })
    await records.uploads.abort(cutOff.id)
    await assertKept(records)
    await records.uploads.sweepAborted()
    await assertKept(records)
    assert.equal(
      await records.work.countPending(),
      (await records.images.count({ status: 'pending' }, null)) + (await records.images.count({ status: 'processing' }, null)),
    )
  })

  recordsTest('the counts of batches are kept through whatever becomes of their files', async (records) => {
    const declare = (contents: string[], ttlMs = HOUR_MS) => {
      const batch = newBatch()
      const files = contents.map((content) => ({ name: content, size: content.length, sha256: hashOf(content), refusal: null }))
      return records.batches.declare({ batchId: batch.id, ownerId: 'ann', sees: 'ann', files, ttlMs, recipe: RECIPE })
    }
    const { batchId } = await declare(['a', 'b', 'c', 'd'])
    const arrival = (index: number, content: string) => {
      const { id, format, size, sha256, recipe } = newImage({ ...newBatch(), id: batchId }, index, content)
      return { index, file: { id, format, size, sha256, recipe } }
    }
    const counts = async () => {
      await assertKept(records)
      const { pending, needed, completed, rejected, aborted, expired } = (await records.batches.get(batchId, 'ann'))!.counts
      const [listed] = (await records.batches.list({ limit: 10 }, null)).batches.filter(({ id }) => id === batchId)
      assert.deepEqual(listed?.counts, (await records.batches.get(batchId, null))?.counts)
      return { pending, needed, completed, rejected, aborted, expired }
    }
    const none = { pending: 0, needed: 0, completed: 0, rejected: 0, aborted: 0, expired: 0 }
    assert.deepEqual(await counts(), { ...none, needed: 4 })
    await records.batches.receive(batchId, [arrival(0, 'a'), arrival(1, 'not b'), arrival(2, 'c')], 'ann')
    assert.deepEqual(await counts(), { ...none, pending: 2, needed: 1, rejected: 1 })
    const developed = (await develop(records, 'a'))[0]!
    assert.deepEqual(await counts(), { ...none, pending: 1, completed: 1, needed: 1, rejected: 1 })
    await records.batches.cancel(batchId, 'ann')
    assert.deepEqual(await counts(), { ...none, completed: 1, rejected: 1, aborted: 2 })
    await records.images.delete(developed.id, null)
    assert.deepEqual(await counts(), { ...none, rejected: 1, aborted: 2 })

    await declare(['e', 'f'], 0)
    await records.batches.expireDeclared()
    await assertKept(records)
    await records.batches.sweepEmpty(0)
    await records.batches.forgetDeclared()
    await assertKept(records)
  })

  recordsTest('many write at once, some count meanwhile, and nothing is counted twice or not at all', async (records) => {
    let isOver = false
    const counting = (async () => {
      while (!isOver) {
        assert.deepEqual(await records.counts.differences(), [])
        await records.counts.fold()
      }
    })()
    await Promise.all(
      Array.from({ length: 8 }, async (_, writer) => {
        for (let round = 0; round < 6; round++) {
          // Some bytes are everyone's.
          const contents = [`own ${writer} ${round}`, `shared ${round}`, `shared ${round + 1}`]
          const images = await uploadAs(
            records,
            OWNERS[writer % 3]!,
            contents.map((content) => ({ content })),
          )
          const { works } = await records.work.claim(contents.map(hashOf), { ...lease, worker: `worker ${writer}` })
          for (const work of works) {
            const { sha256, token } = work
            const at = contents.findIndex((content) => hashOf(content) === sha256)
            const failure = because(at === 1 ? 'invalid_image' : 'processing_crashed')
            await records.work.finish((writer + at) % 2 ? { sha256, token, failure } : madeOf(work))
          }
          if (round % 2) await records.images.deleteMany(images.map(({ id }) => id).slice(1), null)
          else
            await records.images.retryMany(
              images.map(({ id }) => id),
              null,
            )
        }
      }),
    ).finally(() => (isOver = true))
    await counting
    await assertKept(records)
    assert.deepEqual(await records.counts.recount(), [])
  })

  recordsTest('a part of a name is found in each order, among each owner and status, page by page', async (records) => {
    const names = ['Sunset.jpg', 'sunset 2.JPG', '100%.png', 'a_b', 'axb', 'C:\\sun', 'naïve “日本語の写真”.jpg', 'nul\0sun\uFFFF', 'IMG_1']
    for (const owner of OWNERS)
      await uploadAs(
        records,
        owner,
        names.map((name) => ({ content: `${owner} ${name}`, name })),
      )
    await develop(records, 'ann Sunset.jpg')
    for (const [q, found] of [
      ['SUN', ['Sunset.jpg', 'sunset 2.JPG', 'C:\\sun', 'nul\0sun\uFFFF']],
      ['sunset', ['Sunset.jpg', 'sunset 2.JPG']],
      ['%', ['100%.png']],
      ['0%.', ['100%.png']],
      ['a_b', ['a_b']],
      ['_b', ['a_b']],
      ['\\sun', ['C:\\sun']],
      ['日本語', ['naïve “日本語の写真”.jpg']],
      ['写', ['naïve “日本語の写真”.jpg']],
      ['ïve “日', ['naïve “日本語の写真”.jpg']],
      ['l\0s', ['nul\0sun\uFFFF']],
      ['"sun', []],
      ['sun*', []],
      ['sun OR axb', []],
      ['sunset 2.JPG and much more than any name has', []],
    ] as [string, string[]][]) {
      for (const owner of OWNERS) {
        const expected = owner === null ? [...found, ...found, ...found] : found
        assert.equal(await records.images.count({ q }, owner), expected.length, q)
        for (const sort of SORTS) {
          const images = await walk(records, { q, sort, limit: 2 }, owner)
          assert.deepEqual(images.map(({ name }) => name).sort(), [...expected].sort(), `${q} by ${sort}`)
          assert.deepEqual(
            images.map(({ id }) => id),
            (await walk(records, { sort, limit: 100 }, owner)).map(({ id }) => id).filter((id) => images.some((image) => image.id === id)),
          )
        }
      }
    }
    const completed = await walk(records, { q: 'sun', status: 'completed', format: 'jpeg', sort: 'name', limit: 1 }, 'ann')
    assert.deepEqual(
      completed.map(({ name }) => name),
      ['Sunset.jpg'],
    )
    assert.equal(await records.images.count({ q: 'sun', status: 'pending' }, 'ann'), 3)
    await records.images.delete(completed[0]!.id, null)
    assert.deepEqual(
      (await walk(records, { q: 'sunset', sort: 'newest', limit: 10 }, 'ann')).map(({ name }) => name),
      ['sunset 2.JPG'],
    )
  })

  recordsTest('what no index finds is looked for among so many images a page, and found to the last', async (records) => {
    const files = Array.from({ length: 9_000 }, (_, at) => ({ content: 'many', name: at % 3_000 === 0 ? `zq ${at}` : `IMG_${at}` }))
    for (let at = 0; at < files.length; at += 1_000) await uploadAs(records, 'ann', files.slice(at, at + 1_000))
    for (const [q, count] of [
      ['zq', 3],
      ['IMG_', 8_997],
      ['IMG_899', 11],
      ['nowhere', 0],
      ['qx', 0],
    ] as const) {
      for (const sort of ['newest', 'name', '-size'] as const) {
        for (const owner of ['ann', null]) {
          const images = await walk(records, { q, sort, limit: 1_000 }, owner)
          assert.equal(new Set(images.map(({ id }) => id)).size, count, `${q} by ${sort}`)
          assert.equal(images.length, count)
        }
      }
      assert.equal(await records.images.count({ q }, null), count)
    }
  })
}
