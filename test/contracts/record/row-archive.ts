// What every archive of the rows guarantees; run on each database.
import assert from 'node:assert/strict'
import type { RowArchive, RowPage } from '../../../src/record/admin/row-archive.ts'
import { PRESETS, RECIPE, recipeOf } from '../../../src/rendition/presets.ts'
import { operationFor, sampleOutcome, sampleOutput } from '../../support/inputs/sample-image.ts'
import { develop, newBatch, newImage, recordsTests, take, upload, uploadAs, type Open } from './records.ts'

async function taken(archive: RowArchive): Promise<RowPage[]> {
  return archive.snapshot(async ({ pages }) => {
    const all = []
    for await (const page of pages) all.push(page)
    return all
  })
}

const tablesOf = (pages: RowPage[]) => [...new Set(pages.map(({ table }) => table))]

async function* of(pages: RowPage[]) {
  yield* pages
}

/** No store has it, unless it is told. */
const UNKNOWN = recipeOf({ ...PRESETS, wide: { width: 1_800, format: 'avif' } })

export function rowArchiveContract(open: Open): void {
  const archiveTest = recordsTests(open)

  archiveTest('rows come out and go into an empty place as they were; work in hand waits there', async (records, { archive }) => {
    const [done, waiting] = await upload(records, 'done', 'waits', 'in hand', 'nul \0 and \uFFFF')
    await develop(records, 'done')
    await take(records, 'in hand')
    await records.renditions.addRecipe(UNKNOWN)
    const [wide] = await uploadAs(records, { recipe: UNKNOWN }, 'wide')
    await develop(records, 'wide')
    const files = [{ name: 'declared.jpg', size: 3, sha256: null, refusal: null }]
    const { batchId } = await records.batches.declare({
      batchId: newBatch().id,
      files,
      ttlMs: 60_000,
      ownerId: null,
      sees: null,
      recipe: RECIPE,
    })
    const [gone] = await upload(records, 'gone')
    await records.images.delete(gone!.id, null)
    const pages = await taken(archive)
    const tables = tablesOf(pages)
    assert.equal(await archive.isEmpty(tables), false)
    const rowsOf = (table: string) => pages.filter((page) => page.table === table).flatMap(({ rows }) => rows)
    const left = [rowsOf('originals').length, rowsOf('renditions').length]
    assert.deepEqual(left, [5, 4 * 2 + 3], 'what nobody uses stays behind')
    for (const remakeAll of [false, true]) {
      for (const settlesLater of [false, true]) {
        const other = await open()
        try {
          assert.equal(await other.archive.isEmpty(tables), true)
          await other.archive.load(of(pages), settlesLater ? null : { remakeAll })
          if (settlesLater) {
            assert.equal((await other.records.work.backlog()).processing, 1, 'as it was')
            await other.archive.settle({ remakeAll })
          }
          const again = await other.records.images.get(done!.id, null)
          assert.deepEqual(again, remakeAll ? { ...done, status: 'pending' } : await records.images.get(done!.id, null))
          assert.deepEqual(await other.records.images.get(waiting!.id, null), await records.images.get(waiting!.id, null))
          assert.deepEqual(await other.records.work.backlog().then(({ pending, processing }) => [pending, processing]), [
            remakeAll ? 5 : 3,
            0,
          ])
          await take(other.records, 'in hand')
          assert.deepEqual(await other.records.batches.get(batchId, null), await records.batches.get(batchId, null))
          // Of a recipe that nobody told this place of.
          if (remakeAll) await develop(other.records, 'wide')
          assert.deepEqual((await other.records.images.get(wide!.id, null))?.outcome, sampleOutcome('jpeg', UNKNOWN))
          const found = await other.records.renditions.find(wide!.id, 'wide', null)
          assert.deepEqual(found?.rendition, { preset: 'wide', ...sampleOutput(operationFor('wide', 'jpeg', UNKNOWN)) })
          await assert.rejects(other.archive.load(of(pages), { remakeAll }), 'it is not empty')
        } finally {
          await other.close()
        }
      }
    }
  })

  archiveTest('all pages are of one moment', async (records, { archive }) => {
    const batch = newBatch()
    const many = Array.from({ length: 1_100 }, (_, index) => newImage(batch, index, `content ${index}`))
    await records.uploads.record({ start: batch, images: many, acknowledgement: { batchId: batch.id, rejected: [] } })
    const counts = await archive.snapshot(async ({ schema, pages }) => {
      assert.match(schema, /^\d{4}-/)
      const counts = new Map<string, number>()
      for await (const { table, rows } of pages) {
        counts.set(table, (counts.get(table) ?? 0) + rows.length)
        if (table === 'batches') await upload(records, 'comes too late')
      }
      return counts
    })
    assert.deepEqual(
      [counts.get('batches'), counts.get('originals'), counts.get('renditions'), counts.get('images')],
      [1, 1_100, 2_200, 1_100],
    )
    assert.deepEqual([counts.get('declared_files'), counts.get('idempotency_keys')], [0, 0], 'each table is there')
  })

  archiveTest('what can not be loaded whole leaves nothing', async (records, { archive }) => {
    await upload(records, 'one')
    const pages = await taken(archive)
    const other = await open()
    try {
      const broken = pages.map((page) =>
        page.table === 'images' ? { ...page, rows: page.rows.map((row) => ({ ...row, status: null })) } : page,
      )
      await assert.rejects(other.archive.load(of(broken), { remakeAll: true }))
      assert.equal(await other.archive.isEmpty(tablesOf(pages)), true)
    } finally {
      await other.close()
    }
  })
}
