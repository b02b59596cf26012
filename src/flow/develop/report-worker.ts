// A process that develops says so, and what it does, for administrators.
import type { ImageProcessor } from '../../process/image-processor.ts'
import type { WorkerRegistry, WorkerReport } from '../../record/work/worker-registry.ts'

/** Three of them missed, and it counts as dead (`record/work/worker-registry.ts`). */
export const REPORT_INTERVAL_MS = 5_000

/** Returns what is to be called every `REPORT_INTERVAL_MS`. */
export function createWorkerReport(
  { workers, processor }: { workers: WorkerRegistry; processor: Pick<ImageProcessor, 'stats' | 'obstacle'> },
  self: Pick<WorkerReport, 'id' | 'kind' | 'concurrency'>,
): () => Promise<void> {
  let isFirst = true
  return async () => {
    const { children, developed } = processor.stats()
    // None where none can be started: whoever looks sees why nothing goes on.
    const concurrency = processor.obstacle() === null ? self.concurrency : 0
    await workers.report({ ...self, concurrency, busy: children.filter(({ busy }) => busy).length, developed, isFirst })
    isFirst = false
  }
}
