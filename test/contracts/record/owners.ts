// What all records guarantee to each owner; run on each database.
import assert from 'node:assert/strict'
import { v7 as uuidv7 } from 'uuid'
import type { Owner } from '../../../src/access.ts'
import type { Image } from '../../../src/image.ts'
import type { Sort } from '../../../src/record/images/image-store.ts'
import type { Records } from '../../../src/record/records.ts'
import { RECIPE } from '../../../src/rendition/presets.ts'
import { DAMAGED, develop, fail, hashOf, lease, recordsTests, uploadAs as record, type Open } from './records.ts'

const HOUR_MS = 60 * 60 * 1000
const MAX_FILE_BYTES = 1_000
const SORTS: Sort[] = ['newest', 'oldest', 'name', '-name', 'size', '-size']

const idsOf = (all: { id: string }[]) => all.map(({ id }) => id)

/** Records a whole batch of these contents for its owner, acknowledged. */
const uploadAs = (records: Records, ownerId: string | null, ...contents: string[]) => record(records, { ownerId }, ...contents)

const declareAs = (records: Records, ownerId: string | null, contents: string[], sees: Owner = ownerId) =>
  records.batches.declare({
    batchId: uuidv7(),
    ownerId,
    sees,
    files: contents.map((content) => ({ name: content, size: content.length, sha256: hashOf(content), refusal: null })),
    ttlMs: HOUR_MS,
    recipe: RECIPE,
  })

const arrival = (index: number, content: string) => ({
  index,
  file: { id: uuidv7(), format: 'jpeg' as const, size: content.length, sha256: hashOf(content), recipe: RECIPE },
})

export function ownersContract(open: Open): void {
  const recordsTest = recordsTests(open)

  recordsTest('an image says whose it is, wherever it is met', async (records) => {
    const [image] = await uploadAs(records, 'ann', 'one')
    await uploadAs(records, null, 'one')
    const owners = (images: Image[]) => images.map(({ ownerId }) => ownerId).sort()
    assert.equal(image!.ownerId, 'ann')
    const { works, images: claimed } = await records.work.claim([hashOf('one')], lease)
    const back = await records.work.giveBack(works)
    const failed = await fail(records, 'one', DAMAGED)
    const retried = (await records.images.retry(image!.id, 'ann'))!
    const done = await develop(records, 'one')
    for (const images of [claimed, back, failed, retried, done]) assert.deepEqual(owners(images), ['ann', null])
    assert.equal((await records.images.get(image!.id, null))?.ownerId, 'ann')
    assert.equal((await records.images.delete(image!.id, null))?.ownerId, 'ann')
  })

  recordsTest('each reads only what is theirs, and null everything', async (records) => {
    const ann = await uploadAs(records, 'ann', 'a', 'b', 'shared')
    const ben = await uploadAs(records, 'ben', 'shared')
    const nobody = await uploadAs(records, null, 'c')
    const everyone = [...ann, ...ben, ...nobody]
    for (const [owner, own] of [
      ['ann', ann],
      ['ben', ben],
      ['eve', []],
      ['', []],
      [null, everyone],
    ] as [Owner, Image[]][]) {
      const mine = idsOf(own).sort()
      assert.deepEqual(idsOf(await records.images.getMany(idsOf(everyone), owner)).sort(), mine)
      assert.equal(await records.images.count({}, owner), own.length)
      assert.equal(await records.images.count({ status: 'pending' }, owner), own.length)
      for (const sort of SORTS) assert.deepEqual(idsOf((await records.images.list({ sort, limit: 10 }, owner)).images).sort(), mine, sort)
      for (const image of everyone) {
        const isMine = own.includes(image)
        const { id, batchId, batchIndex } = image
        assert.equal((await records.images.get(id, owner))?.id, isMine ? id : undefined)
        assert.equal((await records.images.getInBatch(batchId, batchIndex, owner))?.id, isMine ? id : undefined)
        assert.equal((await records.batches.get(batchId, owner))?.id, isMine ? batchId : undefined)
        const files = await records.batches.listFiles({ batchId, status: 'all', limit: 10 }, owner)
        assert.equal(files === null, !isMine)
        const inBatch = (await records.images.list({ sort: 'newest', limit: 10, batch: batchId }, owner)).images
        assert.equal(inBatch.length > 0, isMine)
        assert.equal((await records.images.count({ batch: batchId }, owner)) > 0, isMine)
      }
      const batches = new Set(own.map(({ batchId }) => batchId))
      assert.deepEqual(new Set(idsOf((await records.batches.list({ limit: 10 }, owner)).batches)), batches)
    }
  })

  recordsTest('the pages of one owner lie among those of others', async (records) => {
    const mine: string[] = []
    const batches: string[] = []
    for (let round = 0; round < 12; round++) {
      const [image] = await uploadAs(records, round % 3 === 0 ? 'ann' : 'ben', `page${round}`)
      if (round % 3 !== 0) continue
      mine.unshift(image!.id)
      batches.unshift(image!.batchId)
    }
    const seen: string[] = []
    const seenBatches: string[] = []
    for (let cursor: string | null | undefined; cursor !== null;) {
      const page = await records.images.list({ sort: 'newest', limit: 3, ...(cursor && { cursor }) }, 'ann')
      seen.push(...idsOf(page.images))
      cursor = page.next
    }
    for (let cursor: string | null | undefined; cursor !== null;) {
      const page = await records.batches.list({ limit: 3, ...(cursor && { cursor }) }, 'ann')
      seenBatches.push(...idsOf(page.batches))
      cursor = page.next
    }
    assert.deepEqual([new Set(seen), seen.length], [new Set(mine), 4])
    assert.deepEqual([new Set(seenBatches), seenBatches.length], [new Set(batches), 4])
  })

  recordsTest('nobody changes what is not theirs', async (records) => {
    const [ann] = await uploadAs(records, 'ann', 'bad')
    const [ben] = await uploadAs(records, 'ben', 'good')
    await fail(records, 'bad', DAMAGED)
    const declared = await declareAs(records, 'ann', ['needed'])
    assert.equal(await records.images.retry(ann!.id, 'ben'), null)
    assert.deepEqual(await records.images.retryMany([ann!.id], 'ben'), [])
    assert.equal(await records.batches.retry(ann!.batchId, MAX_FILE_BYTES, 'ben'), null)
    assert.equal(await records.batches.cancel(ann!.batchId, 'ben'), null)
    assert.equal(await records.batches.cancel(declared.batchId, 'ben'), null)
    assert.equal(await records.images.delete(ann!.id, 'ben'), null)
    assert.equal(await records.batches.isDeclared(declared.batchId, 'ben'), false)
    const [arrived] = await records.batches.receive(declared.batchId, [arrival(0, 'needed')], 'ben')
    assert.equal('failure' in arrived! && arrived.failure.code, 'not_declared')
    assert.equal((await records.images.get(ann!.id, 'ann'))?.status, 'error')
    assert.equal((await records.batches.get(declared.batchId, 'ann'))?.counts.needed, 1)

    assert.deepEqual(idsOf(await records.images.deleteMany([ann!.id, ben!.id], 'ben')), [ben!.id])
    assert.deepEqual(idsOf(await records.images.deleteMany([ann!.id], null)), [ann!.id])
  })

  recordsTest('what one tries again is tried again for all who have the same bytes', async (records) => {
    const [ann] = await uploadAs(records, 'ann', 'bad')
    const [ben] = await uploadAs(records, 'ben', 'bad')
    const both = [ann!.id, ben!.id].sort()
    const tries: (() => Promise<Image[] | null>)[] = [
      () => records.images.retry(ann!.id, 'ann'),
      () => records.images.retryMany([ann!.id], 'ann'),
      () => records.batches.retry(ann!.batchId, MAX_FILE_BYTES, 'ann'),
    ]
    for (const tryAgain of tries) {
      await fail(records, 'bad', DAMAGED)
      // To be announced to its owner, each.
      assert.deepEqual(idsOf((await tryAgain())!).sort(), both)
      assert.equal((await records.images.get(ben!.id, 'ben'))?.status, 'pending')
    }
  })

  recordsTest('a hash tells only of what is seen by who declares it', async (records) => {
    await uploadAs(records, 'ann', 'hers', 'shared')
    await uploadAs(records, 'ben', 'his', 'shared')
    const contents = ['hers', 'his', 'shared', 'new']
    const known = async (ownerId: string | null, sees?: Owner) =>
      (await declareAs(records, ownerId, contents, sees)).files.map((file) => (file && 'image' in file ? file.image.ownerId : 'needed'))
    assert.deepEqual(await known('ann'), ['ann', 'needed', 'ann', 'needed'])
    assert.deepEqual(await known('ben'), ['needed', 'ben', 'ben', 'needed'])
    assert.deepEqual(await known('eve'), ['needed', 'needed', 'needed', 'needed'])
    assert.deepEqual(await known('root', null), ['root', 'root', 'root', 'needed'])
    assert.deepEqual(await known(null), [null, null, null, 'needed'])
    // From here on its bytes are hers as well, as they came from her.
    const { batchId } = await declareAs(records, 'eve', ['his'])
    const [arrived] = await records.batches.receive(batchId, [arrival(0, 'his')], 'eve')
    assert.ok('image' in arrived! && arrived.isNew)
    assert.deepEqual(await known('eve'), ['needed', 'eve', 'needed', 'needed'])
  })

  recordsTest('what someone else sends to a batch belongs to who declared it', async (records) => {
    const { batchId } = await declareAs(records, 'ann', ['sent'])
    const [arrived] = await records.batches.receive(batchId, [arrival(0, 'sent')], null)
    assert.ok('image' in arrived!)
    assert.equal(arrived.image.ownerId, 'ann')
    assert.deepEqual(await records.images.get(arrived.image.id, 'ann'), arrived.image)
  })
}
