// What every image store guarantees about its kept counts, and about finding names; run on each database.
import assert from 'node:assert/strict'
import { STATUSES, type Failure, type Image } from '../../../src/image.ts'
import type { ImageStore, ListQuery, NewBatch, Sort } from '../../../src/record/images/image-store.ts'
import { RECIPE } from '../../../src/rendition/presets.ts'
import { madeOf } from '../../support/inputs/sample-image.ts'
import { develop, fail, hashOf, lease, newBatch, newImage, storeTests, type Open } from './image-store.ts'

const SORTS: Sort[] = ['newest', 'oldest', 'name', '-name', 'size', '-size']
const OWNERS = ['ann', 'ben', null]
const HOUR_MS = 60 * 60 * 1000

function uploadAs(store: ImageStore, ownerId: string | null, files: { content: string; name?: string }[]): Promise<Image[]> {
  const batch: NewBatch = { ...newBatch(), ownerId }
  const images = files.map(({ content, name }, index) => ({ ...newImage(batch, index, content), ...(name !== undefined && { name }) }))
  return store.record({ start: batch, images, received: { batchId: batch.id, rejected: [] } })
}

const because = (code: 'invalid_image' | 'processing_crashed'): Failure => ({ code, error: 'A reason.' })

/** Kept and counted are the same, whoever asks; before and after they are added up. */
async function assertKept(store: ImageStore) {
  for (const fold of [false, true]) {
    if (fold) await store.foldCounts()
    assert.deepEqual(await store.differingCounts(), [])
    for (const owner of [...OWNERS, 'nobody']) {
      const { images } = await store.list({ sort: 'newest', limit: 1_000 }, owner)
      assert.equal(await store.count({}, owner), images.length)
      for (const status of STATUSES) {
        assert.equal(
          await store.count({ status }, owner),
          images.filter((image) => image.status === status).length,
          `${status} of ${owner}`,
        )
      }
    }
  }
}

/** Every page of a list, however short. */
async function walk(store: ImageStore, query: ListQuery, owner: string | null = null): Promise<Image[]> {
  const images: Image[] = []
  let cursor: string | undefined
  do {
    const page = await store.list({ ...query, ...(cursor && { cursor }) }, owner)
    assert.ok(page.images.length <= query.limit)
    images.push(...page.images)
    cursor = page.next ?? undefined
  } while (cursor)
  return images
}

export function countsContract(open: Open): void {
  const storeTest = storeTests(open)

  storeTest('the counts are kept through whatever becomes of images', async (store) => {
    await assertKept(store)
    const ann = await uploadAs(
      store,
      'ann',
      ['a', 'b', 'c', 'same'].map((content) => ({ content })),
    )
    const nobody = await uploadAs(
      store,
      null,
      ['d', 'same'].map((content) => ({ content })),
    )
    await assertKept(store)
    const { works } = await store.claim([hashOf('a'), hashOf('b')], lease)
    await assertKept(store)
    await store.giveBack(works.filter(({ sha256 }) => sha256 === hashOf('b')))
    await fail(store, 'b', because('invalid_image'))
    await develop(store, 'same')
    await fail(store, 'd', because('processing_crashed'))
    await assertKept(store)
    // Comes again, and ends otherwise: the image that failed first shows the new reason.
    await uploadAs(store, 'ben', [{ content: 'd' }])
    await assertKept(store)
    await fail(store, 'd', because('invalid_image'))
    assert.equal((await store.get(nobody[0]!.id, null))?.failure?.code, 'invalid_image')
    await assertKept(store)
    await store.retry(ann[1]!.id, 'ann')
    await assertKept(store)
    await store.delete(ann[0]!.id, null)
    await store.deleteMany([ann[3]!.id, nobody[1]!.id], null)
    await assertKept(store)
    const cutOff = { ...newBatch(), ownerId: 'ben' }
    await store.record({ start: cutOff, images: [newImage(cutOff, 0, 'x'), newImage(cutOff, 1, 'b')] })
    await store.abort(cutOff.id)
    await assertKept(store)
    await store.sweepAborted()
    await assertKept(store)
    assert.equal(
      await store.countPending(),
      (await store.count({ status: 'pending' }, null)) + (await store.count({ status: 'processing' }, null)),
    )
  })

  storeTest('the counts of batches are kept through whatever becomes of their files', async (store) => {
    const declare = (contents: string[], ttlMs = HOUR_MS) => {
      const batch = newBatch()
      const files = contents.map((content) => ({ name: content, size: content.length, sha256: hashOf(content), refusal: null }))
      return store.declare({ batchId: batch.id, ownerId: 'ann', sees: 'ann', files, ttlMs, recipe: RECIPE })
    }
    const { batchId } = await declare(['a', 'b', 'c', 'd'])
    const arrival = (index: number, content: string) => {
      const { id, format, size, sha256, recipe } = newImage({ ...newBatch(), id: batchId }, index, content)
      return { index, file: { id, format, size, sha256, recipe } }
    }
    const counts = async () => {
      await assertKept(store)
      const { pending, needed, completed, rejected, aborted, expired } = (await store.batch(batchId, 'ann'))!.counts
      const [listed] = (await store.batches({ limit: 10 }, null)).batches.filter(({ id }) => id === batchId)
      assert.deepEqual(listed?.counts, (await store.batch(batchId, null))?.counts)
      return { pending, needed, completed, rejected, aborted, expired }
    }
    const none = { pending: 0, needed: 0, completed: 0, rejected: 0, aborted: 0, expired: 0 }
    assert.deepEqual(await counts(), { ...none, needed: 4 })
    await store.arrive(batchId, [arrival(0, 'a'), arrival(1, 'not b'), arrival(2, 'c')], 'ann')
    assert.deepEqual(await counts(), { ...none, pending: 2, needed: 1, rejected: 1 })
    const developed = (await develop(store, 'a'))[0]!
    assert.deepEqual(await counts(), { ...none, pending: 1, completed: 1, needed: 1, rejected: 1 })
    await store.cancelBatch(batchId, 'ann')
    assert.deepEqual(await counts(), { ...none, completed: 1, rejected: 1, aborted: 2 })
    await store.delete(developed.id, null)
    assert.deepEqual(await counts(), { ...none, rejected: 1, aborted: 2 })

    await declare(['e', 'f'], 0)
    await store.expireDeclared()
    await assertKept(store)
    await store.sweepEmpty(0)
    await store.forgetDeclared()
    await assertKept(store)
  })

  storeTest('many write at once, some count meanwhile, and nothing is counted twice or not at all', async (store) => {
    let isOver = false
    const counting = (async () => {
      while (!isOver) {
        assert.deepEqual(await store.differingCounts(), [])
        await store.foldCounts()
      }
    })()
    await Promise.all(
      Array.from({ length: 8 }, async (_, writer) => {
        for (let round = 0; round < 6; round++) {
          // Some bytes are everyone's.
          const contents = [`own ${writer} ${round}`, `shared ${round}`, `shared ${round + 1}`]
          const images = await uploadAs(
            store,
            OWNERS[writer % 3]!,
            contents.map((content) => ({ content })),
          )
          const { works } = await store.claim(contents.map(hashOf), { ...lease, worker: `worker ${writer}` })
          for (const work of works) {
            const { sha256, token } = work
            const at = contents.findIndex((content) => hashOf(content) === sha256)
            const failure = because(at === 1 ? 'invalid_image' : 'processing_crashed')
            await store.finish((writer + at) % 2 ? { sha256, token, failure } : madeOf(work))
          }
          if (round % 2) await store.deleteMany(images.map(({ id }) => id).slice(1), null)
          else
            await store.retryMany(
              images.map(({ id }) => id),
              null,
            )
        }
      }),
    ).finally(() => (isOver = true))
    await counting
    await assertKept(store)
    assert.deepEqual(await store.recount(), [])
  })

  storeTest('a part of a name is found in each order, among each owner and status, page by page', async (store) => {
    const names = ['Sunset.jpg', 'sunset 2.JPG', '100%.png', 'a_b', 'axb', 'C:\\sun', 'naïve “日本語の写真”.jpg', 'nul\0sun\uFFFF', 'IMG_1']
    for (const owner of OWNERS)
      await uploadAs(
        store,
        owner,
        names.map((name) => ({ content: `${owner} ${name}`, name })),
      )
    await develop(store, 'ann Sunset.jpg')
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
        assert.equal(await store.count({ q }, owner), expected.length, q)
        for (const sort of SORTS) {
          const images = await walk(store, { q, sort, limit: 2 }, owner)
          assert.deepEqual(images.map(({ name }) => name).sort(), [...expected].sort(), `${q} by ${sort}`)
          assert.deepEqual(
            images.map(({ id }) => id),
            (await walk(store, { sort, limit: 100 }, owner)).map(({ id }) => id).filter((id) => images.some((image) => image.id === id)),
          )
        }
      }
    }
    const completed = await walk(store, { q: 'sun', status: 'completed', format: 'jpeg', sort: 'name', limit: 1 }, 'ann')
    assert.deepEqual(
      completed.map(({ name }) => name),
      ['Sunset.jpg'],
    )
    assert.equal(await store.count({ q: 'sun', status: 'pending' }, 'ann'), 3)
    await store.delete(completed[0]!.id, null)
    assert.deepEqual(
      (await walk(store, { q: 'sunset', sort: 'newest', limit: 10 }, 'ann')).map(({ name }) => name),
      ['sunset 2.JPG'],
    )
  })

  storeTest('what no index finds is looked for among so many images a page, and found to the last', async (store) => {
    const files = Array.from({ length: 9_000 }, (_, at) => ({ content: 'many', name: at % 3_000 === 0 ? `zq ${at}` : `IMG_${at}` }))
    for (let at = 0; at < files.length; at += 1_000) await uploadAs(store, 'ann', files.slice(at, at + 1_000))
    for (const [q, count] of [
      ['zq', 3],
      ['IMG_', 8_997],
      ['IMG_899', 11],
      ['nowhere', 0],
      ['qx', 0],
    ] as const) {
      for (const sort of ['newest', 'name', '-size'] as const) {
        for (const owner of ['ann', null]) {
          const images = await walk(store, { q, sort, limit: 1_000 }, owner)
          assert.equal(new Set(images.map(({ id }) => id)).size, count, `${q} by ${sort}`)
          assert.equal(images.length, count)
        }
      }
      assert.equal(await store.count({ q }, null), count)
    }
  })
}
