// Puts right what a crash left, and removes what nobody uses any more. Everything here can be repeated at any time.
import { setTimeout as sleep } from 'node:timers/promises'
import { failpoint } from '../failpoints.ts'
import type { Logger } from '../log.ts'
import type { EventFeed } from '../publish/event-feed.ts'
import type { JobQueue } from '../queue/job-queue.ts'
import type { BulkJobs } from '../record/admin/bulk-jobs.ts'
import type { ImageStore } from '../record/images/image-store.ts'
import type { KnownStore } from '../record/originals/known-store.ts'
import type { WorkPause } from '../record/work/work-pause.ts'
import type { WorkerRegistry } from '../record/work/worker-registry.ts'
import type { BlobStore } from '../store/blob-store.ts'
import { abortUpload } from './upload/abort-upload.ts'
import { renewRun } from './originals/check-store.ts'
import { collect } from './originals/delete-originals.ts'
import { toJobs } from './upload/upload.ts'

export interface SweepDeps {
  blobs: BlobStore
  images: ImageStore
  queue: JobQueue
  feed: EventFeed
  pause: Pick<WorkPause, 'current'>
  log: Logger
}

const WORKER_LIFETIME_MS = 24 * 60 * 60 * 1000
const KEY_LIFETIME_MS = 24 * 60 * 60 * 1000
const RUN_LIFETIME_MS = 60 * 60 * 1000
const PAGE = 500
// Hints are on their way for milliseconds: from the rows to the queue, and from the queue to a claim.
const ON_THEIR_WAY_MS = 500

/**
 * After a start, before anything is taken in. The only server puts everything right at once; one of several leaves to the others
 * what they may have in hand, and to the sweep what has run out.
 */
export async function recover(deps: SweepDeps & { jobs: BulkJobs }, isOnlyServer: boolean): Promise<void> {
  const { images, jobs, log } = deps
  if (isOnlyServer) {
    await jobs.reclaim()
    await images.giveUpExpected()
    failpoint('expected-given-up')
  }
  const cutOff = await abortAbandoned(deps, isOnlyServer)
  await images.sweepKeys(KEY_LIFETIME_MS, isOnlyServer)
  const interrupted = (await images.reclaim(isOnlyServer)).length
  if (interrupted > 0) failpoint('work-reclaimed')
  const waiting = isOnlyServer ? await queuePending(deps) : 0
  if (cutOff + interrupted + waiting > 0) log.info({ cutOff, interrupted, waiting }, 'taken up where the last run ended')
}

async function abortAbandoned({ images, queue, feed }: SweepDeps, isOnlyServer: boolean): Promise<number> {
  const abandoned = await images.abandoned(isOnlyServer)
  for (const batchId of abandoned) await abortUpload({ images, queue, feed }, batchId)
  if (abandoned.length > 0) failpoint('uploads-given-up')
  await images.sweepAborted()
  return abandoned.length
}

/** Queues every image that waits. Returns how many. */
async function queuePending({ images, queue }: Pick<SweepDeps, 'images' | 'queue'>): Promise<number> {
  let queued = 0
  let cursor: string | undefined
  do {
    const { jobs, next } = await images.pending(PAGE, cursor)
    await queue.add(jobs)
    queued += jobs.length
    cursor = next ?? undefined
  } while (cursor)
  return queued
}

/** What runs every few seconds beside the work: brings back what a worker or the queue has lost, and announces it. */
export async function sweepWork({ images, queue, feed, pause }: SweepDeps): Promise<void> {
  await images.foldCounts()
  const reclaimed = await images.reclaim(false)
  if (reclaimed.length > 0) failpoint('work-reclaimed')
  await feed.publish(reclaimed)
  await queue.add(toJobs(reclaimed.filter((image) => image.status === 'pending')))
  const first = await unqueued({ images, queue })
  // While there is a pause, who has taken hints holds them.
  if (first === null || (await pause.current())) return
  await sleep(ON_THEIR_WAY_MS)
  // Hints that are on their way all the same do no harm.
  if ((await unqueued({ images, queue })) === first) await queuePending({ images, queue })
}

/** The original that waits longest beside an empty queue; one that stays it shows that the queue has lost its hints. */
async function unqueued({ images, queue }: Pick<SweepDeps, 'images' | 'queue'>): Promise<string | null> {
  if ((await queue.depth()) !== 0) return null
  const { jobs } = await images.pending(1)
  return jobs[0]?.sha256 ?? null
}

/** What runs now and then: uploads and keys that nobody has in hand any more, batches that came to nothing, bytes that nobody uses. */
export async function sweep(
  deps: SweepDeps & { workers: WorkerRegistry; knownStore: KnownStore },
  { graceMs, batchTtlMs }: { graceMs: number; batchTtlMs: number },
): Promise<void> {
  await abortAbandoned(deps, false)
  await deps.workers.sweep(WORKER_LIFETIME_MS)
  await deps.images.sweepKeys(KEY_LIFETIME_MS, false)
  const expired = await deps.images.expireDeclared()
  if (expired > 0) deps.log.info({ expired }, 'declared files were not sent in time')
  // As long after its end as it could be resumed: whoever comes back is told what became of it.
  await deps.images.sweepEmpty(batchTtlMs)
  await collect(deps, graceMs)
  if (await deps.knownStore.isDue(RUN_LIFETIME_MS)) await renewRun(deps)
}
