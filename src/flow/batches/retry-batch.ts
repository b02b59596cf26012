// Tries again what failed of a batch; what was refused of a declared one may be sent again.
import type { Owner } from '../../access.ts'
import type { Batch, BatchStore } from '../../record/batches/batch-store.ts'
import { announceInBatch, type AnnounceInBatchDeps } from '../announce.ts'

export interface RetryBatchDeps extends AnnounceInBatchDeps {
  batches: Pick<BatchStore, 'retry' | 'get' | 'isCancelled'>
}

/** The batch as it is then; null if there is none. Repeatable. */
export async function retryBatch(deps: RetryBatchDeps, id: string, maxFileBytes: number, owner: Owner): Promise<Batch | null> {
  const retried = await deps.batches.retry(id, maxFileBytes, owner)
  if (!retried) return null
  await announceInBatch(deps, id, retried)
  return deps.batches.get(id, owner)
}
