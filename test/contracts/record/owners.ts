// What every image store guarantees to each owner; run on each database.
import assert from 'node:assert/strict'
import { v7 as uuidv7 } from 'uuid'
import type { Owner } from '../../../src/access.ts'
import type { Image } from '../../../src/image.ts'
import type { ImageStore, Sort } from '../../../src/record/images/image-store.ts'
import { RECIPE } from '../../../src/rendition/presets.ts'
import { DAMAGED, develop, fail, hashOf, lease, storeTests, uploadAs as record, type Open } from './image-store.ts'

const HOUR_MS = 60 * 60 * 1000
const MAX_FILE_BYTES = 1_000
const SORTS: Sort[] = ['newest', 'oldest', 'name', '-name', 'size', '-size']

const idsOf = (all: { id: string }[]) => all.map(({ id }) => id)

/** Records a whole batch of these contents for its owner, acknowledged. */
const uploadAs = (store: ImageStore, ownerId: string | null, ...contents: string[]) => record(store, { ownerId }, ...contents)

const declareAs = (store: ImageStore, ownerId: string | null, contents: string[], sees: Owner = ownerId) =>
  store.declare({
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
  const storeTest = storeTests(open)

  storeTest('an image says whose it is, wherever it is met', async (store) => {
    const [image] = await uploadAs(store, 'ann', 'one')
    await uploadAs(store, null, 'one')
    const owners = (images: Image[]) => images.map(({ ownerId }) => ownerId).sort()
    assert.equal(image!.ownerId, 'ann')
    const { works, images: claimed } = await store.claim([hashOf('one')], lease)
    const back = await store.giveBack(works)
    const failed = await fail(store, 'one', DAMAGED)
    const retried = (await store.retry(image!.id, 'ann'))!
    const done = await develop(store, 'one')
    for (const images of [claimed, back, failed, retried, done]) assert.deepEqual(owners(images), ['ann', null])
    assert.equal((await store.get(image!.id, null))?.ownerId, 'ann')
    assert.equal((await store.delete(image!.id, null))?.ownerId, 'ann')
  })

  storeTest('each reads only what is theirs, and null everything', async (store) => {
    const ann = await uploadAs(store, 'ann', 'a', 'b', 'shared')
    const ben = await uploadAs(store, 'ben', 'shared')
    const nobody = await uploadAs(store, null, 'c')
    const everyone = [...ann, ...ben, ...nobody]
    for (const [owner, own] of [
      ['ann', ann],
      ['ben', ben],
      ['eve', []],
      ['', []],
      [null, everyone],
    ] as [Owner, Image[]][]) {
      const mine = idsOf(own).sort()
      assert.deepEqual(idsOf(await store.getMany(idsOf(everyone), owner)).sort(), mine)
      assert.equal(await store.count({}, owner), own.length)
      assert.equal(await store.count({ status: 'pending' }, owner), own.length)
      for (const sort of SORTS) assert.deepEqual(idsOf((await store.list({ sort, limit: 10 }, owner)).images).sort(), mine, sort)
      for (const image of everyone) {
        const isMine = own.includes(image)
        const { id, batchId, batchIndex } = image
        assert.equal((await store.get(id, owner))?.id, isMine ? id : undefined)
        assert.equal((await store.getInBatch(batchId, batchIndex, owner))?.id, isMine ? id : undefined)
        assert.equal((await store.batch(batchId, owner))?.id, isMine ? batchId : undefined)
        const files = await store.batchFiles({ batchId, status: 'all', limit: 10 }, owner)
        assert.equal(files === null, !isMine)
        const inBatch = (await store.list({ sort: 'newest', limit: 10, batch: batchId }, owner)).images
        assert.equal(inBatch.length > 0, isMine)
        assert.equal((await store.count({ batch: batchId }, owner)) > 0, isMine)
      }
      const batches = new Set(own.map(({ batchId }) => batchId))
      assert.deepEqual(new Set(idsOf((await store.batches({ limit: 10 }, owner)).batches)), batches)
    }
  })

  storeTest('the pages of one owner lie among those of others', async (store) => {
    const mine: string[] = []
    const batches: string[] = []
    for (let round = 0; round < 12; round++) {
      const [image] = await uploadAs(store, round % 3 === 0 ? 'ann' : 'ben', `page${round}`)
      if (round % 3 !== 0) continue
      mine.unshift(image!.id)
      batches.unshift(image!.batchId)
    }
    const seen: string[] = []
    const seenBatches: string[] = []
    for (let cursor: string | null | undefined; cursor !== null;) {
      const page = await store.list({ sort: 'newest', limit: 3, ...(cursor && { cursor }) }, 'ann')
      seen.push(...idsOf(page.images))
      cursor = page.next
    }
    for (let cursor: string | null | undefined; cursor !== null;) {
      const page = await store.batches({ limit: 3, ...(cursor && { cursor }) }, 'ann')
      seenBatches.push(...idsOf(page.batches))
      cursor = page.next
    }
    assert.deepEqual([new Set(seen), seen.length], [new Set(mine), 4])
    assert.deepEqual([new Set(seenBatches), seenBatches.length], [new Set(batches), 4])
  })

  storeTest('nobody changes what is not theirs', async (store) => {
    const [ann] = await uploadAs(store, 'ann', 'bad')
    const [ben] = await uploadAs(store, 'ben', 'good')
    await fail(store, 'bad', DAMAGED)
    const declared = await declareAs(store, 'ann', ['needed'])
    assert.equal(await store.retry(ann!.id, 'ben'), null)
    assert.deepEqual(await store.retryMany([ann!.id], 'ben'), [])
    assert.equal(await store.retryBatch(ann!.batchId, MAX_FILE_BYTES, 'ben'), null)
    assert.equal(await store.cancelBatch(ann!.batchId, 'ben'), null)
    assert.equal(await store.cancelBatch(declared.batchId, 'ben'), null)
    assert.equal(await store.delete(ann!.id, 'ben'), null)
    assert.equal(await store.isDeclared(declared.batchId, 'ben'), false)
    const [arrived] = await store.arrive(declared.batchId, [arrival(0, 'needed')], 'ben')
    assert.equal('failure' in arrived! && arrived.failure.code, 'not_declared')
    assert.equal((await store.get(ann!.id, 'ann'))?.status, 'error')
    assert.equal((await store.batch(declared.batchId, 'ann'))?.counts.needed, 1)

    assert.deepEqual(idsOf(await store.deleteMany([ann!.id, ben!.id], 'ben')), [ben!.id])
    assert.deepEqual(idsOf(await store.deleteMany([ann!.id], null)), [ann!.id])
  })

  storeTest('what one tries again is tried again for all who have the same bytes', async (store) => {
    const [ann] = await uploadAs(store, 'ann', 'bad')
    const [ben] = await uploadAs(store, 'ben', 'bad')
    const both = [ann!.id, ben!.id].sort()
    const tries: (() => Promise<Image[] | null>)[] = [
      () => store.retry(ann!.id, 'ann'),
      () => store.retryMany([ann!.id], 'ann'),
      () => store.retryBatch(ann!.batchId, MAX_FILE_BYTES, 'ann'),
    ]
    for (const tryAgain of tries) {
      await fail(store, 'bad', DAMAGED)
      // To be announced to its owner, each.
      assert.deepEqual(idsOf((await tryAgain())!).sort(), both)
      assert.equal((await store.get(ben!.id, 'ben'))?.status, 'pending')
    }
  })

  storeTest('a hash tells only of what is seen by who declares it', async (store) => {
    await uploadAs(store, 'ann', 'hers', 'shared')
    await uploadAs(store, 'ben', 'his', 'shared')
    const contents = ['hers', 'his', 'shared', 'new']
    const known = async (ownerId: string | null, sees?: Owner) =>
      (await declareAs(store, ownerId, contents, sees)).files.map((file) => (file && 'image' in file ? file.image.ownerId : 'needed'))
    assert.deepEqual(await known('ann'), ['ann', 'needed', 'ann', 'needed'])
    assert.deepEqual(await known('ben'), ['needed', 'ben', 'ben', 'needed'])
    assert.deepEqual(await known('eve'), ['needed', 'needed', 'needed', 'needed'])
    assert.deepEqual(await known('root', null), ['root', 'root', 'root', 'needed'])
    assert.deepEqual(await known(null), [null, null, null, 'needed'])
    // From here on its bytes are hers as well, as they came from her.
    const { batchId } = await declareAs(store, 'eve', ['his'])
    const [arrived] = await store.arrive(batchId, [arrival(0, 'his')], 'eve')
    assert.ok('image' in arrived! && arrived.isNew)
    assert.deepEqual(await known('eve'), ['needed', 'eve', 'needed', 'needed'])
  })

  storeTest('what someone else sends to a batch belongs to who declared it', async (store) => {
    const { batchId } = await declareAs(store, 'ann', ['sent'])
    const [arrived] = await store.arrive(batchId, [arrival(0, 'sent')], null)
    assert.ok('image' in arrived!)
    assert.equal(arrived.image.ownerId, 'ann')
    assert.deepEqual(await store.get(arrived.image.id, 'ann'), arrived.image)
  })
}
