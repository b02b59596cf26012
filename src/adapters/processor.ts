// The children that develop images.
import type { Config } from '../config.ts'
import type { Logger } from '../log.ts'
import { observeProcessor } from '../observe/observe-steps.ts'
import type { Observer } from '../observe/observer.ts'
import type { ImageProcessor } from '../process/image-processor.ts'
import { createChildPool } from '../process/pool/child-pool.ts'

/** Its children start in the background. */
export function openProcessor(config: Config, log: Logger, observer?: Observer): ImageProcessor {
  const children = createChildPool({
    concurrency: config.workerConcurrency,
    timeoutMs: config.processTimeoutMs,
    memoryBytes: config.processMemoryBytes,
    maxPixels: config.maxPixels,
    log,
  })
  if (!observer) return children
  const processor = observeProcessor(children, observer)
  observer.watch({ children: processor.stats })
  return processor
}
