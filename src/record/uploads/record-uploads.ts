// Records what was received: many uploads that wait at the same time become one transaction with one statement a table.
import { sql, type Transaction } from 'kysely'
import type { Quota } from '../../access.ts'
import type { Database, ImageRow, OriginalRow, RenditionRow, Schema } from '../../db/schema.ts'
import { CalotypeError, type ErrorCode } from '../../errors.ts'
import { failpoint } from '../../failpoints.ts'
import type { Failure, Image, Outcome, Status } from '../../image.ts'
import { operationsOf } from '../../rendition/presets.ts'
import { givenUp, keepAnswer } from './idempotency-keys.ts'
import { LOST } from '../renditions/image-states.ts'
import type { Entry, NewBatch, NewImage, Received, Rejected } from '../images/image-store.ts'
import { countUsage } from './usage.ts'
import { encodeName, failureOf, outcomeOf, slices, toImage } from '../images/image-rows.ts'

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

const rejectedColumns = (rejected: Rejected[]) => ({ rejected: JSON.stringify(rejected), rejected_files: rejected.length })

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
        ...rejectedColumns(received?.rejected ?? []),
        lease_until: received ? null : sql<number>`${now} + ${leaseMs}`,
      })),
    )
    .execute()
}

export const beingRemoved = () =>
  new CalotypeError('overloaded', 'A file with the same bytes is just being removed. Upload it again in a moment.', {
    retryAfterSeconds: 1,
  })

/** An original that new images use, with those of its renditions that their recipes ask for. */
export interface JoinedOriginal {
  original: OriginalRow
  /** By operation. */
  renditions: Map<string, RenditionRow>
}

/**
 * Each original of these images has its row, is in use, and has work for every rendition that is not there yet; what failed for a reason
 * that may pass is tried again. Rejects with `overloaded` when the bytes of one are just being removed.
 */
export async function joinOriginals(trx: Transaction<Schema>, images: NewImage[]): Promise<Map<string, JoinedOriginal>> {
  const joined = new Map<string, JoinedOriginal>()
  for (const slice of slices(distinctOriginals(images))) {
    const used = await useOriginals(trx, slice)
    for (const original of used) joined.set(original.sha256, { original, renditions: new Map() })
    await makeLostAgain(trx, used)
  }
  const wanted = new Map(
    images.flatMap(({ sha256, format, recipe }) =>
      operationsOf(recipe, format).map((operation) => [`${sha256} ${operation}`, { sha256, operation }] as const),
    ),
  )
  for (const slice of slices([...wanted].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, rendition]) => rendition))) {
    for (const rendition of await joinRenditions(trx, slice)) joined.get(rendition.sha256)!.renditions.set(rendition.operation, rendition)
  }
  await wake(trx, joined)
  return joined
}

/**
 * What the bytes themselves caused would only happen again; a crash or a deadline deserves another try. The reason stays until there is a
 * new outcome: images that failed for it show it.
 */
async function useOriginals(trx: Transaction<Schema>, images: NewImage[]): Promise<OriginalRow[]> {
  const held = await trx
    .insertInto('originals')
    .values(images.map(({ sha256, size, format }) => ({ sha256, size, format, status: 'pending' as const, released_at: null })))
    .onConflict((conflict) =>
      conflict.column('sha256').doUpdateSet(({ eb, and, or, ref }) => ({
        released_at: null,
        format: ref('excluded.format'),
        status: eb
          .case()
          .when(
            or([
              // Expected, and never used before.
              and([eb(ref('originals.status'), '=', 'idle'), eb(ref('originals.format'), 'is', null)]),
              and([eb(ref('originals.status'), '=', 'failed'), eb(ref('originals.code'), 'in', WORTH_ANOTHER_TRY)]),
            ]),
          )
          .then('pending' as const)
          .else(ref('originals.status'))
          .end(),
      })),
    )
    .returningAll()
    .execute()
  if (held.some((original) => original.collecting_at !== null)) throw beingRemoved()
  return held
}

/** What was made of bytes that were lost is made again from those that came. */
async function makeLostAgain(trx: Transaction<Schema>, originals: OriginalRow[]) {
  const back = originals.filter(({ status, code }) => status === 'pending' && code !== null && LOST.includes(code))
  if (back.length === 0) return
  const hashes = back.map(({ sha256 }) => sha256)
  await trx.updateTable('renditions').set({ status: 'pending' }).where('sha256', 'in', hashes).execute()
}

function joinRenditions(trx: Transaction<Schema>, renditions: { sha256: string; operation: string }[]): Promise<RenditionRow[]> {
  return trx
    .insertInto('renditions')
    .values(renditions.map(({ sha256, operation }) => ({ sha256, operation, status: 'pending' as const })))
    .onConflict((conflict) =>
      conflict.columns(['sha256', 'operation']).doUpdateSet(({ eb, and, ref }) => ({
        status: eb
          .case()
          .when(and([eb(ref('renditions.status'), '=', 'error'), eb(ref('renditions.code'), 'in', WORTH_ANOTHER_TRY)]))
          .then('pending' as const)
          .else(ref('renditions.status'))
          .end(),
      })),
    )
    .returningAll()
    .execute()
}

const isPending = ({ status }: RenditionRow) => status === 'pending'

/** Originals that were done with, and have renditions to be made since. */
async function wake(trx: Transaction<Schema>, joined: Map<string, JoinedOriginal>) {
  const woken = [...joined.values()].filter(
    ({ original, renditions }) => original.status === 'idle' && [...renditions.values()].some(isPending),
  )
  for (const slice of slices(woken)) {
    const hashes = slice.map(({ original }) => original.sha256)
    await trx.updateTable('originals').set({ status: 'pending' }).where('sha256', 'in', hashes).where('status', '=', 'idle').execute()
    for (const { original } of slice) original.status = 'pending'
  }
}

interface State {
  status: Status
  outcome: Outcome | null
  failure: Failure | null
}

/** As `image-states.ts` has it, for an image that is being recorded. */
function stateOf({ recipe, format }: NewImage, { original, renditions }: JoinedOriginal): State {
  const own = operationsOf(recipe, format).map((operation) => renditions.get(operation)!)
  const isComplete = own.every(({ status }) => status === 'completed')
  const fault = original.status === 'failed' ? original : own.find(({ status }) => status === 'error')
  if (fault && !isComplete) return { status: 'error', outcome: null, failure: failureOf(fault) }
  if (!isComplete) return { status: original.status === 'processing' ? 'processing' : 'pending', outcome: null, failure: null }
  const operationFor = (preset: string) => recipe.outputs.find((output) => output.preset === preset && output.format === format)!.operation
  const [image_operation, thumbnail_operation] = [operationFor('image'), operationFor('thumbnail')]
  const { width, height, bytes } = renditions.get(image_operation)!
  const { width: original_width, height: original_height, thumbhash } = original
  const outcome = outcomeOf({ image_operation, thumbnail_operation, width, height, bytes, original_width, original_height, thumbhash })
  return { status: 'completed', outcome, failure: null }
}

/** Images of originals that are joined. Throws `quota_exceeded`. */
export async function insertImages(
  trx: Transaction<Schema>,
  now: Now,
  images: NewImage[],
  joined: Map<string, JoinedOriginal>,
  quota: Quota,
) {
  const states = images.map((image) => stateOf(image, joined.get(image.sha256)!))
  const rows = images.map((image, at) => {
    const { status, failure } = states[at]!
    return {
      id: image.id,
      batch_id: image.batchId,
      owner_id: image.ownerId,
      batch_index: image.batchIndex,
      name: encodeName(image.name),
      format: image.format,
      size: image.size,
      sha256: image.sha256,
      recipe: image.recipe.id,
      status,
      uploaded_at: image.uploadedAt ?? now,
      finished_at: status === 'completed' || status === 'error' ? now : null,
      code: failure?.code ?? null,
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
  return images.map((image, at) => toImage(inserted.get(image.id)!, states[at]!.outcome, states[at]!.failure))
}

/** A batch that was started by another transaction. */
async function receiveBatch(trx: Transaction<Schema>, now: Now, { batchId, rejected }: Received) {
  const { numUpdatedRows } = await trx
    .updateTable('batches')
    .set({ received_at: now, ...rejectedColumns(rejected), lease_until: null })
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
      recorded = await insertImages(trx, now, images, await joinOriginals(trx, images), quota)
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
