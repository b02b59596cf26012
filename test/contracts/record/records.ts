// Rows for tests of the record step: uploads, their work and its outcomes; and a place of its own for each test.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { v7 as uuidv7 } from 'uuid'
import { FILE_STATUSES, type Failure, type FileStatus, type Image } from '../../../src/image.ts'
import type { RowArchive } from '../../../src/record/admin/row-archive.ts'
import type { RowSurvey } from '../../../src/record/admin/row-survey.ts'
import type { Records } from '../../../src/record/records.ts'
import type { NewBatch, NewImage } from '../../../src/record/uploads/upload-store.ts'
import type { Lease, Work } from '../../../src/record/work/work-store.ts'
import { operationsOf, PRESETS, RECIPE, recipeOf } from '../../../src/rendition/presets.ts'
import { madeOf, sampleOutput, samplePicture } from '../../support/inputs/sample-image.ts'

export const hashOf = (content: string) => createHash('sha256').update(content).digest('hex')

export const newBatch = (): NewBatch => ({ id: uuidv7(), kind: 'batch', ownerId: null, leaseMs: 60_000 })
export const lease: Lease = { ms: 60_000, worker: 'me' }
/** What becomes of the images here, unless they have another recipe. */
export const OPERATIONS = operationsOf(RECIPE, 'jpeg').sort()
/** With one more preset. */
export const WIDER = recipeOf({ ...PRESETS, wide: { width: 2000, format: 'webp' } })
export const newImage = (batch: NewBatch, index: number, content: string, more: Partial<NewImage> = {}): NewImage => ({
  id: uuidv7(),
  batchId: batch.id,
  ownerId: batch.ownerId,
  batchIndex: index,
  name: `${content}.jpg`,
  format: 'jpeg',
  size: content.length,
  sha256: hashOf(content),
  recipe: RECIPE,
  ...more,
})

export const DAMAGED = { code: 'invalid_image', error: 'It is damaged.' } as const satisfies Failure
export const NO_FILES = Object.fromEntries(FILE_STATUSES.map((status) => [status, 0])) as Record<FileStatus, number>

/** Records a whole batch of these contents, acknowledged. */
export const upload = (records: Records, ...contents: string[]) => uploadAs(records, { recipe: RECIPE }, ...contents)

export async function uploadAs(records: Records, more: Partial<NewImage>, ...contents: string[]): Promise<Image[]> {
  const batch = { ...newBatch(), ownerId: more.ownerId ?? null }
  const images = contents.map((content, index) => newImage(batch, index, content, more))
  return records.uploads.record({ start: batch, images, acknowledgement: { batchId: batch.id, rejected: [] } })
}

/** Claims the work on this content, of which there has to be some. */
export async function take(records: Records, content: string, as = lease): Promise<Work> {
  const { works } = await records.work.claim([hashOf(content)], as)
  assert.equal(works.length, 1, `nothing to do for ${content}`)
  return works[0]!
}

export const develop = async (records: Records, content: string) => records.work.finish(madeOf(await take(records, content)))

/** By a fault of its bytes. */
export async function fail(records: Records, content: string, failure: Failure): Promise<Image[]> {
  const { sha256, token } = await take(records, content)
  return records.work.finish({ sha256, token, failure })
}

/** All but this output is made. */
export async function failOutput(records: Records, content: string, faulty: string, failure: Failure): Promise<Image[]> {
  const { sha256, token, operations } = await take(records, content)
  assert.ok(operations.includes(faulty), operations.join())
  const outputs = operations.map((operation) => (operation === faulty ? { operation, failure } : sampleOutput(operation)))
  return records.work.finish({ sha256, token, picture: samplePicture, outputs })
}

export async function all(records: Records, limit = 1_000) {
  return (await records.images.list({ sort: 'newest', limit }, null)).images
}

/** Gives new, empty records each time, and the end of them. */
export type Open = () => Promise<{ records: Records; survey: RowSurvey; archive: RowArchive; close: () => Promise<void> }>

export const recordsTests =
  (open: Open) =>
  (name: string, body: (records: Records, more: Pick<Awaited<ReturnType<Open>>, 'survey' | 'archive'>) => Promise<void>): void => {
    void test(name, async () => {
      const { records, close, ...more } = await open()
      try {
        await body(records, more)
      } finally {
        await close()
      }
    })
  }
