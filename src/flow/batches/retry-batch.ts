// Tries again what failed of a batch; what was refused of a declared one may be sent again.
import type { Owner } from '../../access.ts'
import type { Batch } from '../../record/batches/batch-store.ts'
import { announceInBatch, type UploadDeps } from '../upload/upload.ts'

/** The batch as it is then; null if there is none. Repeatable. */
export async function retryBatch(
  { images, queue, feed }: Omit<UploadDeps, 'blobs'>,
  id: string,
  maxFileBytes: number,
  owner: Owner,
): Promise<Batch | null> {
  const retried = await images.retryBatch(id, maxFileBytes, owner)
  if (!retried) return null
  await announceInBatch({ images, queue, feed }, id, retried)
  return images.batch(id, owner)
}
