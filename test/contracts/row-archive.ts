// What every archive of the rows guarantees; run on each database.
import assert from 'node:assert/strict'
import { RECIPE } from '../../src/image.ts'
import type { RowArchive, RowPage } from '../../src/record/row-archive.ts'
import { develop, hashOf, lease, newBatch, newImage, storeTests, upload, type Open } from './image-store.ts'

async function taken(archive: RowArchive): Promise<RowPage[]> {
  return archive.snapshot(async ({ pages }) => {
    const all = []
    for await (const page of pages) all.push(page)
    return all
  })
}

async function* of(pages: RowPage[]) {
  yield* pages
}

export function rowArchiveContract(open: Open): void {
  const archiveTest = storeTests(open)

  archiveTest('rows come out and go into an empty place as they were; work in hand waits there', async (store, { archive }) => {
    const [done, waiting] = await upload(store, 'done', 'waits', 'in hand', 'nul \0 and \uFFFF')
    await develop(store, 'done')
    await store.claim([hashOf('in hand')], RECIPE, lease)
    const files = [{ name: 'declared.jpg', size: 3, sha256: null, refusal: null }]
    const { batchId } = await store.declare({ batchId: newBatch().id, files, ttlMs: 60_000, ownerId: null, sees: null, recipe: RECIPE })
    const [gone] = await upload(store, 'gone')
    await store.delete(gone!.id, null)
    assert.equal(await archive.isEmpty(), false)
    const pages = await taken(archive)
    const rowsOf = (table: string) => pages.filter((page) => page.table === table).flatMap(({ rows }) => rows)
    assert.equal(rowsOf('originals').length, 4, 'what nobody uses stays behind')
    for (const developAgain of [false, true]) {
      const other = await open()
      try {
        assert.equal(await other.archive.isEmpty(), true)
        await other.archive.load(of(pages), { developAgain })
        const again = await other.store.get(done!.id, null)
        assert.deepEqual(again, developAgain ? { ...done, status: 'pending' } : await store.get(done!.id, null))
        assert.deepEqual(await other.store.get(waiting!.id, null), await store.get(waiting!.id, null))
        assert.equal(await other.store.countPending(), developAgain ? 4 : 3)
        assert.ok((await other.store.claim([hashOf('in hand')], RECIPE, lease)).developments.length === 1)
        assert.deepEqual(await other.store.batch(batchId, null), await store.batch(batchId, null))
        await assert.rejects(other.archive.load(of(pages), { developAgain }), 'it is not empty')
      } finally {
        await other.close()
      }
    }
  })

  archiveTest('all pages are of one moment', async (store, { archive }) => {
    const batch = newBatch()
    const many = Array.from({ length: 1_100 }, (_, index) => newImage(batch, index, `content ${index}`))
    await store.record({ start: batch, images: many, received: { batchId: batch.id, rejected: [] } })
    const counts = await archive.snapshot(async ({ schema, pages }) => {
      assert.match(schema, /^\d{4}-/)
      const counts = new Map<string, number>()
      for await (const { table, rows } of pages) {
        counts.set(table, (counts.get(table) ?? 0) + rows.length)
        if (table === 'batches') await upload(store, 'comes too late')
      }
      return counts
    })
    assert.deepEqual(
      [counts.get('batches'), counts.get('originals'), counts.get('developments'), counts.get('images')],
      [1, 1_100, 1_100, 1_100],
    )
    assert.deepEqual([counts.get('declared_files'), counts.get('idempotency_keys')], [0, 0], 'each table is there')
  })

  archiveTest('what can not be loaded whole leaves nothing', async (store, { archive }) => {
    await upload(store, 'one')
    const pages = await taken(archive)
    const other = await open()
    try {
      const broken = pages.map((page) =>
        page.table === 'images' ? { ...page, rows: page.rows.map((row) => ({ ...row, status: null })) } : page,
      )
      await assert.rejects(other.archive.load(of(broken), { developAgain: true }))
      assert.equal(await other.archive.isEmpty(), true)
    } finally {
      await other.close()
    }
  })
}
