// Inserts images whose originals are joined: each begins with the state that its original and its renditions have.
import type { Transaction } from 'kysely'
import type { Quota } from '../../access.ts'
import type { Database, ImageRow, Schema } from '../../db/schema.ts'
import type { Failure, Outcome, Status } from '../../image.ts'
import { operationsOf } from '../../rendition/presets.ts'
import type { JoinedOriginal } from '../originals/join-originals.ts'
import { encodeName, slices } from '../query-parts.ts'
import type { NewImage } from '../uploads/upload-store.ts'
import { countUsage } from '../uploads/usage.ts'
import { failureOf, outcomeOf, toImage } from './image-rows.ts'

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
  now: Database['now'],
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
