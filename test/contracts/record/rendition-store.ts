// What every store of renditions guarantees; run on each database.
import assert from 'node:assert/strict'
import type { Image } from '../../../src/image.ts'
import { PRESETS, RECIPE, recipeOf } from '../../../src/rendition/presets.ts'
import { madeOf, operationFor, sampleOutcome, sampleOutput } from '../../support/inputs/sample-image.ts'
import { DAMAGED, develop, failOutput, hashOf, lease, recordsTests, take, upload, uploadAs, WIDER, type Open } from './records.ts'

const THUMBNAIL = operationFor('thumbnail')
const WIDE = operationFor('wide', 'jpeg', WIDER)

const statusesOf = (images: Image[]) => Object.fromEntries(images.map(({ id, status }) => [id, status]))

export function renditionStoreContract(open: Open): void {
  const recordsTest = recordsTests(open)

  recordsTest('a fault of an output leaves images alone whose recipe does not ask for it', async (records) => {
    const [image] = await upload(records, 'same')
    const [wider] = await uploadAs(records, { recipe: WIDER }, 'same')
    const changed = await failOutput(records, 'same', WIDE, DAMAGED)
    assert.deepEqual(statusesOf(changed), { [image!.id]: 'completed', [wider!.id]: 'error' })
    assert.deepEqual(
      (await records.images.retry(wider!.id, null))?.map(({ id }) => id),
      [wider!.id],
    )
    assert.equal((await records.images.get(image!.id, null))?.status, 'completed')
    assert.deepEqual((await take(records, 'same')).operations, [WIDE])
  })

  recordsTest('a preset that comes while the others are in hand is made afterwards, and nothing else', async (records) => {
    const [image] = await upload(records, 'same')
    const work = await take(records, 'same')
    const [wider] = await uploadAs(records, { recipe: WIDER }, 'same')
    assert.equal(wider?.status, 'processing')
    const finished = await records.work.finish(madeOf(work))
    assert.deepEqual(statusesOf(finished), { [image!.id]: 'completed', [wider.id]: 'pending' })
    assert.deepEqual([await records.work.countPending(), (await records.work.pending(10)).jobs.length], [1, 1])

    const claimed = await records.work.claim([hashOf('same')], lease)
    const [missing] = claimed.works
    assert.deepEqual(claimed.works, [{ ...work, operations: [WIDE], token: missing!.token }])
    assert.deepEqual(statusesOf(claimed.images), { [wider.id]: 'processing' })
    const [done, ...more] = await records.work.finish(madeOf(missing!))
    assert.deepEqual([done?.id, done?.status, done?.outcome, more], [wider.id, 'completed', sampleOutcome('jpeg', WIDER), []])
    assert.deepEqual(await records.images.get(wider.id, null), done)
    assert.deepEqual((await records.renditions.find(wider.id, 'wide', null))?.rendition, { preset: 'wide', ...sampleOutput(WIDE) })
    assert.equal(await records.renditions.find(image!.id, 'wide', null), null)
    assert.deepEqual((await records.work.claim([hashOf('same')], lease)).works, [])
  })

  recordsTest('a preset that comes when the others are done is all that is still to be made', async (records) => {
    const [image] = await upload(records, 'same')
    await develop(records, 'same')
    const [wider] = await uploadAs(records, { recipe: WIDER }, 'same')
    assert.equal(wider?.status, 'pending')
    assert.equal((await records.images.get(image!.id, null))?.status, 'completed')
    const work = await take(records, 'same')
    assert.deepEqual(work.operations, [WIDE])
    assert.deepEqual(statusesOf(await records.work.finish(madeOf(work))), { [wider.id]: 'completed' })
    assert.equal((await uploadAs(records, { recipe: WIDER }, 'same'))[0]?.status, 'completed')
  })

  recordsTest('images of two generations of a preset have their own outputs, whichever was uploaded first', async (records) => {
    const newer = recipeOf({ ...PRESETS, thumbnail: { width: 400, format: 'webp', still: true } })
    assert.notEqual(newer.id, RECIPE.id)
    const [before, alone] = await upload(records, 'same', 'alone')
    await records.renditions.addRecipe(newer)
    const [after] = await uploadAs(records, { recipe: newer }, 'same')
    const [last] = await upload(records, 'same')
    const [small, large] = [THUMBNAIL, operationFor('thumbnail', 'jpeg', newer)]
    const work = await take(records, 'same')
    assert.deepEqual(work.operations, [operationFor('image'), small, large].sort())
    await records.work.finish(madeOf(work))
    await develop(records, 'alone')
    for (const [image, recipe, thumbnail] of [
      [before, RECIPE, small],
      [alone, RECIPE, small],
      [after, newer, large],
      [last, RECIPE, small],
    ] as const) {
      const found = await records.renditions.find(image!.id, 'thumbnail', null)
      assert.deepEqual(found?.rendition, { preset: 'thumbnail', ...sampleOutput(thumbnail) })
      assert.deepEqual([found.image.recipe, found.image.outcome], [recipe.id, sampleOutcome('jpeg', recipe)])
      assert.equal((await records.renditions.find(image!.id, 'image', null))?.rendition.operation, operationFor('image'))
    }
  })
}
