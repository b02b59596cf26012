// What every store of images guarantees; run on each database.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { DAMAGED, develop, fail, newBatch, newImage, recordsTests, upload, type Open } from './records.ts'
export function imageStoreContract(open: Open): void {
  const recordsTest = recordsTests(open)

  recordsTest('a failure keeps its reason, and a retry forgets it', async (records) => {
    const [image] = await upload(records, 'bad')
    const [failed] = await fail(records, 'bad', DAMAGED)
    assert.equal(failed?.status, 'error')
    assert.deepEqual((await records.images.get(image!.id, null))?.failure, DAMAGED)
    const [retried] = (await records.images.retry(image!.id, null)) ?? []
    assert.deepEqual([retried?.status, retried?.failure, retried?.finishedAt], ['pending', null, null])
    await assert.rejects(records.images.retry(image!.id, null), { code: 'not_retryable' })
    assert.equal(await records.images.retry(randomUUID(), null), null)
    const [healed] = await develop(records, 'bad')
    assert.equal(healed?.status, 'completed')
    assert.deepEqual(await records.images.get(image!.id, null), healed)
  })

  recordsTest('keyset pages hold every image once, in every order, also between equals', async (records) => {
    const batch = newBatch()
    const images = Array.from({ length: 23 }, (_, at) => newImage(batch, at, `page${at}`, { name: `same name ${at % 3}`, size: at % 4 }))
    // Some share the moment they were recorded, some do not.
    for (let at = 0; at < 23; at += 5) await records.uploads.record({ ...(at === 0 && { start: batch }), images: images.slice(at, at + 5) })
    for (const sort of ['newest', 'oldest', 'name', '-name', 'size', '-size'] as const) {
      const seen = []
      for (let cursor: string | undefined; ;) {
        const { images: page, next } = await records.images.list({ sort, limit: 4, ...(cursor && { cursor }) }, null)
        seen.push(...page)
        if (!next) break
        cursor = next
      }
      assert.equal(new Set(seen.map(({ id }) => id)).size, 23, sort)
      const keys = seen.map((image) => (sort.endsWith('name') ? image.name : sort.endsWith('size') ? image.size : image.uploadedAt))
      const sorted = [...keys].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
      assert.deepEqual(keys, ['newest', '-name', '-size'].includes(sort) ? sorted.reverse() : sorted, sort)
    }
    await assert.rejects(records.images.list({ sort: 'newest', limit: 4, cursor: 'nonsense' }, null), { code: 'bad_request' })
  })

  recordsTest('lists are filtered by part of a name, status, format and batch', async (records) => {
    const batch = newBatch()
    const named = (at: number, name: string, format: 'jpeg' | 'png' = 'jpeg') => newImage(batch, at, `f${at}`, { name, format })
    const images = [named(0, 'Sunset 100%.JPG'), named(1, 'sunset_2.png', 'png'), named(2, 'O\'Brien "x" \0 \u202E🌅.jpg')]
    await records.uploads.record({ start: batch, images, acknowledgement: { batchId: batch.id, rejected: [] } })
    await upload(records, 'other')
    await develop(records, 'other')
    const names = async (query: object) =>
      (await records.images.list({ sort: 'oldest', limit: 10, ...query }, null)).images.map(({ name }) => name)
    assert.deepEqual(await names({ q: 'SUNSET' }), ['Sunset 100%.JPG', 'sunset_2.png'])
    assert.deepEqual(await names({ q: '0%' }), ['Sunset 100%.JPG'])
    assert.deepEqual(await names({ q: 't_' }), ['sunset_2.png'])
    assert.deepEqual(await names({ q: '\\' }), [])
    assert.deepEqual(await names({ format: 'png' }), ['sunset_2.png'])
    assert.deepEqual(await names({ status: 'completed' }), ['other.jpg'])
    assert.equal((await names({ batch: batch.id })).length, 3)
    assert.equal((await records.images.get(images[2]!.id, null))?.name, images[2]!.name)
  })
}
