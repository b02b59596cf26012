// What every image store guarantees of quotas: counted with what they are about, and never passed; run on each database.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { v7 as uuidv7 } from 'uuid'
import type { Quota } from '../../../src/access.ts'
import type { ImageStore, NewBatch } from '../../../src/record/images/image-store.ts'
import { RECIPE } from '../../../src/rendition/presets.ts'
import { hashOf, newBatch, newImage } from './image-store.ts'

export type OpenWith = (quota: Quota) => Promise<{ store: ImageStore; close: () => Promise<void> }>

const HOUR_MS = 60 * 60 * 1000
const EXCEEDED = { code: 'quota_exceeded' }

async function record(store: ImageStore, ownerId: string | null, contents: string[], isReceived = true): Promise<string> {
  const batch: NewBatch = { ...newBatch(), ownerId }
  const images = contents.map((content, index) => newImage(batch, index, content))
  await store.record({ start: batch, images, ...(isReceived && { received: { batchId: batch.id, rejected: [] } }) })
  return batch.id
}

const fileOf = (content: string) => ({ size: content.length, sha256: hashOf(content) })

const declare = (store: ImageStore, ownerId: string | null, contents: string[], ttlMs = HOUR_MS) =>
  store.declare({
    batchId: uuidv7(),
    files: contents.map((content) => ({ name: 'x.jpg', refusal: null, ...fileOf(content) })),
    ttlMs,
    ownerId,
    sees: ownerId,
    recipe: RECIPE,
  })

export function quotasContract(open: OpenWith): void {
  const quotaTest = (name: string, quota: Quota, body: (store: ImageStore) => Promise<void>) =>
    void test(name, async () => {
      const { store, close } = await open(quota)
      try {
        await body(store)
      } finally {
        await close()
      }
    })

  quotaTest('of images: what would pass it is not recorded, each owner by themselves', { images: 2, bytes: null }, async (store) => {
    await record(store, 'ann', ['one'])
    await assert.rejects(record(store, 'ann', ['two', 'three']), EXCEEDED)
    await record(store, 'ann', ['two'])
    await assert.rejects(record(store, 'ann', ['three']), EXCEEDED)
    assert.equal(await store.count({}, 'ann'), 2)
    await record(store, 'bob', ['one', 'two'])
    await record(store, null, ['one', 'two', 'three'])
  })

  quotaTest('of bytes, to the byte', { images: null, bytes: 10 }, async (store) => {
    await record(store, 'ann', ['12345'])
    await assert.rejects(record(store, 'ann', ['123456']), EXCEEDED)
    await record(store, 'ann', ['54321'])
    await assert.rejects(record(store, 'ann', ['1']), EXCEEDED)
  })

  quotaTest(
    'what was cut off does not count, however often it is given up; what was deleted does',
    { images: 2, bytes: null },
    async (store) => {
      const cut = await record(store, 'ann', ['one', 'two'], false)
      await assert.rejects(record(store, 'ann', ['three']), EXCEEDED)
      assert.equal((await store.abort(cut)).length, 2)
      await store.abort(cut)
      await record(store, 'ann', ['three', 'four'])
      const { images } = await store.list({ sort: 'newest', limit: 10, status: 'pending' }, 'ann')
      for (const { id } of images) await store.delete(id, 'ann')
      await assert.rejects(record(store, 'ann', ['five']), EXCEEDED)
    },
  )

  quotaTest(
    'of uploads at the same time no more are taken, and one that passes it sinks no other',
    { images: 5, bytes: null },
    async (store) => {
      const mine = Array.from({ length: 12 }, (_, i) => record(store, 'ann', [`mine ${i}`]))
      const others = Array.from({ length: 4 }, (_, i) => record(store, 'bob', [`other ${i}`]))
      const outcomes = await Promise.allSettled(mine)
      assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 5)
      await Promise.all(others)
      assert.deepEqual([await store.count({}, 'ann'), await store.count({}, 'bob')], [5, 4])
    },
  )

  quotaTest(
    'of declared files: awaited ones count beside what is used, in whatever batch they are',
    { images: 3, bytes: 100 },
    async (store) => {
      await record(store, 'ann', ['one'])
      await assert.rejects(declare(store, 'ann', ['a', 'b', 'c']), EXCEEDED)
      const { batchId } = await declare(store, 'ann', ['a'])
      await assert.rejects(declare(store, 'ann', ['b', 'c']), EXCEEDED)
      const second = await declare(store, 'ann', ['b'])
      await assert.rejects(declare(store, 'ann', ['c']), EXCEEDED)
      await store.arrive(batchId, [{ index: 0, file: { ...fileOf('a'), id: uuidv7(), format: 'jpeg', recipe: RECIPE } }], 'ann')
      await assert.rejects(declare(store, 'ann', ['c']), EXCEEDED)
      await store.cancelBatch(second.batchId, 'ann')
      await assert.rejects(declare(store, 'ann', ['c'.repeat(99)]), EXCEEDED)
      // What is known is an image at once.
      const third = await declare(store, 'ann', ['one'])
      assert.ok(third.files[0] && 'image' in third.files[0])
      await assert.rejects(declare(store, 'ann', ['c']), EXCEEDED)
      assert.equal(await store.count({}, 'ann'), 3)
      await declare(store, 'bob', ['a', 'b', 'c'])
      await declare(store, null, ['a', 'b', 'c', 'd'])
    },
  )

  quotaTest('of declarations at the same time no more are taken', { images: 5, bytes: null }, async (store) => {
    const outcomes = await Promise.allSettled(Array.from({ length: 12 }, (_, i) => declare(store, 'ann', [`mine ${i}`])))
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 5)
    const { batches } = await store.batches({ limit: 20 }, 'ann')
    assert.equal(batches.length, 5)
  })

  quotaTest('of declarations that expire or are cancelled there is an end in a day', { images: 2, bytes: null }, async (store) => {
    for (let times = 0; times < 10; times++) {
      const { batchId } = await declare(store, 'ann', ['a', 'b'], times % 2 === 0 ? 0 : HOUR_MS)
      await (times % 2 === 0 ? store.expireDeclared() : store.cancelBatch(batchId, 'ann'))
    }
    await assert.rejects(declare(store, 'ann', ['a']), { code: 'quota_exceeded', message: /declared today/ })
    await record(store, 'ann', ['a'])
  })
}
