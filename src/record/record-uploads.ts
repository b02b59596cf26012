// Records what was received: many uploads that wait at the same time become one transaction with one statement a table.
import { sql, type Transaction } from 'kysely'
import type { Quota } from '../access.ts'
import type { Database, DevelopmentRow, ImageRow, Schema } from '../db/schema.ts'
import { CalotypeError, type ErrorCode } from '../errors.ts'
import { failpoint } from '../failpoints.ts'
import type { Image } from '../image.ts'
import { givenUp, keepAnswer } from './idempotency.ts'
import type { Entry, NewBatch, NewImage, Received } from './image-store.ts'
import { countUsage } from './usage.ts'
import { encodeName, failureOf, renditionOf, slices, toImage } from './rows.ts'

type Now = Database['now']

// The bytes of an original that was lost came with the upload.
const WORTH_ANOTHER_TRY: ErrorCode[] = [
  'not_enough_memory',
  'processing_crashed',
  'processing_timeout',
  'original_missing',
  'original_damaged',
  'internal',
]

const distinctOriginals = (images: NewImage[]) =>
  // Sorted, so that two servers lock rows in the same order.
  [...new Map(images.map((image) => [image.sha256, image])).values()].sort((a, b) => (a.sha256 < b.sha256 ? -1 : 1))

/** One that is whole at once, as one file is, has nothing to be told later: a row is written, and not changed right after. */
async function startBatches(trx: Transaction<Schema>, now: Now, starting: (Entry & { start: NewBatch })[]) {
  if (starting.length === 0) return
  await trx
    .insertInto('batches')
    .values(
      starting.map(({ start: { id, kind, ownerId, leaseMs }, received }) => ({
        id,
        kind,
        owner_id: ownerId,
        created_at: now,
        received_at: received ? now : null,
        rejected: JSON.stringify(received?.rejected ?? []),
        lease_until: received ? null : sql<number>`${now} + ${leaseMs}`,
      })),
    )
    .execute()
}

export const beingRemoved = () =>
  new CalotypeError('overloaded', 'A file with the same bytes is just being removed. Upload it again in a moment.', {
    retryAfterSeconds: 1,
  })

export async function holdOriginals(trx: Transaction<Schema>, images: NewImage[]) {
  for (const slice of slices(distinctOriginals(images))) {
    const held = await trx
      .insertInto('originals')
      .values(slice.map(({ sha256, size }) => ({ sha256, size, released_at: null, collecting_at: null })))
      .onConflict((conflict) => conflict.column('sha256').doUpdateSet({ released_at: null }))
      .returning('collecting_at')
      .execute()
    if (held.some((original) => original.collecting_at !== null)) throw beingRemoved()
  }
}

export async function joinDevelopments(trx: Transaction<Schema>, images: NewImage[]): Promise<Map<string, DevelopmentRow>> {
  const joined = new Map<string, DevelopmentRow>()
  for (const slice of slices(distinctOriginals(images))) {
    const rows = await trx
      .insertInto('developments')
      .values(slice.map(({ sha256, recipe, format }) => ({ sha256, recipe, format, status: 'pending' as const })))
      .onConflict((conflict) =>
        conflict.columns(['sha256', 'recipe']).doUpdateSet(({ eb, and, ref }) => ({
          // What the bytes themselves caused would only happen again; a crash or a deadline deserves another try. The reason stays
          // until there is a new outcome: images that failed for it show it.
          status: eb
            .case()
            .when(and([eb(ref('developments.status'), '=', 'error'), eb(ref('developments.code'), 'in', WORTH_ANOTHER_TRY)]))
            .then('pending' as const)
            .else(ref('developments.status'))
            .end(),
        })),
      )
      .returningAll()
      .execute()
    for (const row of rows) joined.set(row.sha256, row)
  }
  return joined
}

/** Images of originals that are held and developments that are joined. Throws `quota_exceeded`. */
export async function insertImages(
  trx: Transaction<Schema>,
  now: Now,
  images: NewImage[],
  developments: Map<string, DevelopmentRow>,
  quota: Quota,
) {
  const rows = images.map((image) => {
    const { status, code } = developments.get(image.sha256)!
    return {
      id: image.id,
      batch_id: image.batchId,
      owner_id: image.ownerId,
      batch_index: image.batchIndex,
      name: encodeName(image.name),
      format: image.format,
      size: image.size,
      sha256: image.sha256,
      recipe: image.recipe,
      status,
      uploaded_at: image.uploadedAt ?? now,
      finished_at: status === 'completed' || status === 'error' ? now : null,
      code: status === 'error' ? code : null,
    }
  })
  const inserted = new Map<string, ImageRow>()
  for (const slice of slices(rows)) {
    for (const row of await trx.insertInto('images').values(slice).returningAll().execute()) inserted.set(row.id, row)
  }
  await countUsage(
    trx,
    now,
    images.filter(({ uploadedAt }) => uploadedAt === undefined),
    quota,
  )
  return images.map((image) => {
    const development = developments.get(image.sha256)!
    return toImage(inserted.get(image.id)!, renditionOf(development), failureOf(development))
  })
}

/** A batch that was started by another transaction. */
async function receiveBatch(trx: Transaction<Schema>, now: Now, { batchId, rejected }: Received) {
  const { numUpdatedRows } = await trx
    .updateTable('batches')
    .set({ received_at: now, rejected: JSON.stringify(rejected), lease_until: null })
    .where('id', '=', batchId)
    .where('aborted_at', 'is', null)
    .executeTakeFirst()
  if (!numUpdatedRows) throw givenUp()
}

const isStarting = (entry: Entry): entry is Entry & { start: NewBatch } => entry.start !== undefined

/** One transaction for all entries; each gets its own images back, in its order. */
export function recordUploads({ write, now }: Pick<Database, 'write' | 'now'>, entries: Entry[], quota: Quota): Promise<Image[][]> {
  return write.transaction().execute(async (trx) => {
    await startBatches(trx, now, entries.filter(isStarting))
    const images = entries.flatMap((entry) => entry.images)
    let recorded: Image[] = []
    if (images.length > 0) {
      await holdOriginals(trx, images)
      recorded = await insertImages(trx, now, images, await joinDevelopments(trx, images), quota)
    }
    const results: Image[][] = []
    let at = 0
    for (const { start, images, received } of entries) {
      const own = recorded.slice(at, (at += images.length))
      if (received && !start) await receiveBatch(trx, now, received)
      const { idempotency, batchId } = received ?? {}
      if (idempotency) await keepAnswer(trx, batchId!, { ...idempotency, answer: idempotency.answer?.(own) ?? null })
      results.push(own)
    }
    failpoint('upload-uncommitted')
    return results
  })
}
