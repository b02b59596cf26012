// What all records guarantee of quotas: counted with what they are about, and never passed; run on each database.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { v7 as uuidv7 } from 'uuid'
import type { Quota } from '../../../src/access.ts'
import type { Records } from '../../../src/record/records.ts'
import type { NewBatch } from '../../../src/record/uploads/upload-store.ts'
import { RECIPE } from '../../../src/rendition/presets.ts'
import { hashOf, newBatch, newImage } from './records.ts'

export type OpenWith = (quota: Quota) => Promise<{ records: Records; close: () => Promise<void> }>

const HOUR_MS = 60 * 60 * 1000
const EXCEEDED = { code: 'quota_exceeded' }

async function record(records: Records, ownerId: string | null, contents: string[], isReceived = true): Promise<string> {
  const batch: NewBatch = { ...newBatch(), ownerId }
  const images = contents.map((content, index) => newImage(batch, index, content))
  await records.uploads.record({ start: batch, images, ...(isReceived && { acknowledgement: { batchId: batch.id, rejected: [] } }) })
  return batch.id
}

const fileOf = (content: string) => ({ size: content.length, sha256: hashOf(content) })

const declare = (records: Records, ownerId: string | null, contents: string[], ttlMs = HOUR_MS) =>
  records.batches.declare({
    batchId: uuidv7(),
    files: contents.map((content) => ({ name: 'x.jpg', refusal: null, ...fileOf(content) })),
    ttlMs,
    ownerId,
    sees: ownerId,
    recipe: RECIPE,
  })

export function quotasContract(open: OpenWith): void {
  const quotaTest = (name: string, quota: Quota, body: (records: Records) => Promise<void>) =>
    void test(name, async () => {
      const { records, close } = await open(quota)
      try {
        await body(records)
      } finally {
        await close()
      }
    })

  quotaTest('of images: what would pass it is not recorded, each owner by themselves', { images: 2, bytes: null }, async (records) => {
    await record(records, 'ann', ['one'])
    await assert.rejects(record(records, 'ann', ['two', 'three']), EXCEEDED)
    await record(records, 'ann', ['two'])
    await assert.rejects(record(records, 'ann', ['three']), EXCEEDED)
    assert.equal(await records.images.count({}, 'ann'), 2)
    await record(records, 'bob', ['one', 'two'])
    await record(records, null, ['one', 'two', 'three'])
  })

  quotaTest('of bytes, to the byte', { images: null, bytes: 10 }, async (records) => {
    await record(records, 'ann', ['12345'])
    await assert.rejects(record(records, 'ann', ['123456']), EXCEEDED)
    await record(records, 'ann', ['54321'])
    await assert.rejects(record(records, 'ann', ['1']), EXCEEDED)
  })

  quotaTest(
    'what was cut off does not count, however often it is given up; what was deleted does',
    { images: 2, bytes: null },
    async (records) => {
      const cut = await record(records, 'ann', ['one', 'two'], false)
      await assert.rejects(record(records, 'ann', ['three']), EXCEEDED)
      assert.equal((await records.uploads.abort(cut)).length, 2)
      await records.uploads.abort(cut)
      await record(records, 'ann', ['three', 'four'])
      const { images } = await records.images.list({ sort: 'newest', limit: 10, status: 'pending' }, 'ann')
      for (const { id } of images) await records.images.delete(id, 'ann')
      await assert.rejects(record(records, 'ann', ['five']), EXCEEDED)
    },
  )

  quotaTest(
    'of uploads at the same time no more are taken, and one that passes it sinks no other',
    { images: 5, bytes: null },
    async (records) => {
      const mine = Array.from({ length: 12 }, (_, i) => record(records, 'ann', [`mine ${i}`]))
      const others = Array.from({ length: 4 }, (_, i) => record(records, 'bob', [`other ${i}`]))
      const outcomes = await Promise.allSettled(mine)
      assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 5)
      await Promise.all(others)
      assert.deepEqual([await records.images.count({}, 'ann'), await records.images.count({}, 'bob')], [5, 4])
    },
  )

  quotaTest(
    'of declared files: awaited ones count beside what is used, in whatever batch they are',
    { images: 3, bytes: 100 },
    async (records) => {
      await record(records, 'ann', ['one'])
      await assert.rejects(declare(records, 'ann', ['a', 'b', 'c']), EXCEEDED)
      const { batchId } = await declare(records, 'ann', ['a'])
      await assert.rejects(declare(records, 'ann', ['b', 'c']), EXCEEDED)
      const second = await declare(records, 'ann', ['b'])
      await assert.rejects(declare(records, 'ann', ['c']), EXCEEDED)
      await records.batches.receive(batchId, [{ index: 0, file: { ...fileOf('a'), id: uuidv7(), format: 'jpeg', recipe: RECIPE } }], 'ann')
      await assert.rejects(declare(records, 'ann', ['c']), EXCEEDED)
      await records.batches.cancel(second.batchId, 'ann')
      await assert.rejects(declare(records, 'ann', ['c'.repeat(99)]), EXCEEDED)
      // What is known is an image at once.
      const third = await declare(records, 'ann', ['one'])
      assert.ok(third.files[0] && 'image' in third.files[0])
      await assert.rejects(declare(records, 'ann', ['c']), EXCEEDED)
      assert.equal(await records.images.count({}, 'ann'), 3)
      await declare(records, 'bob', ['a', 'b', 'c'])
      await declare(records, null, ['a', 'b', 'c', 'd'])
    },
  )

  quotaTest('of declarations at the same time no more are taken', { images: 5, bytes: null }, async (records) => {
    const outcomes = await Promise.allSettled(Array.from({ length: 12 }, (_, i) => declare(records, 'ann', [`mine ${i}`])))
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 5)
    const { batches } = await records.batches.list({ limit: 20 }, 'ann')
    assert.equal(batches.length, 5)
  })

  quotaTest('of declarations that expire or are cancelled there is an end in a day', { images: 2, bytes: null }, async (records) => {
    for (let times = 0; times < 10; times++) {
      const { batchId } = await declare(records, 'ann', ['a', 'b'], times % 2 === 0 ? 0 : HOUR_MS)
      await (times % 2 === 0 ? records.batches.expireDeclared() : records.batches.cancel(batchId, 'ann'))
    }
    await assert.rejects(declare(records, 'ann', ['a']), { code: 'quota_exceeded', message: /declared today/ })
    await record(records, 'ann', ['a'])
  })
}
