// Cancels what is not yet done of a batch; what is done stays.
import type { Owner } from '../../access.ts'
import type { JobQueue } from '../../queue/job-queue.ts'
import type { Batch, BatchStore } from '../../record/batches/batch-store.ts'
import { announce, type AnnounceDeps } from '../announce.ts'

export interface CancelBatchDeps extends AnnounceDeps {
  batches: Pick<BatchStore, 'cancel' | 'get'>
  queue: Pick<JobQueue, 'add' | 'drop'>
}

/** The batch as it is then; null if there is none. Repeatable. Rejects with `still_arriving` for an upload whose body is not in yet. */
export async function cancelBatch({ batches, queue, feed }: CancelBatchDeps, id: string, owner: Owner): Promise<Batch | null> {
  const cancelled = await batches.cancel(id, owner)
  if (!cancelled) return null
  await queue.drop(id)
  await announce({ feed, queue }, cancelled)
  return batches.get(id, owner)
}
