// Cancels what is not yet done of a batch; what is done stays.
import type { Owner } from '../../access.ts'
import type { Batch } from '../../record/batches/batch-store.ts'
import { announce, type UploadDeps } from '../upload/upload.ts'

/** The batch as it is then; null if there is none. Repeatable. Rejects with `still_arriving` for an upload whose body is not in yet. */
export async function cancelBatch({ images, queue, feed }: Omit<UploadDeps, 'blobs'>, id: string, owner: Owner): Promise<Batch | null> {
  const cancelled = await images.cancelBatch(id, owner)
  if (!cancelled) return null
  await queue.drop(id)
  await announce({ feed, queue }, cancelled)
  return images.batch(id, owner)
}
