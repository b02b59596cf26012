// Puts right what a crash left, and removes what nobody uses any more. Everything here can be repeated at any time.
import { setTimeout as sleep } from 'node:timers/promises'
import { failpoint } from '../failpoints.ts'
import type { Logger } from '../log.ts'
import type { EventFeed } from '../publish/event-feed.ts'
import type { JobQueue } from '../queue/job-queue.ts'
import type { BulkJobs } from '../record/admin/bulk-jobs.ts'
import type { KeptCounts } from '../record/admin/kept-counts.ts'
import type { BatchStore } from '../record/batches/batch-store.ts'
import type { KnownStore } from '../record/originals/known-store.ts'
import type { OriginalStore } from '../record/originals/original-store.ts'
import type { UploadStore } from '../record/uploads/upload-store.ts'
import type { WorkPause } from '../record/work/work-pause.ts'
import type { WorkStore } from '../record/work/work-store.ts'
import type { WorkerRegistry } from '../record/work/worker-registry.ts'
import { toJobs } from './announce.ts'
import { abortUpload, type AbortDeps } from './upload/abort-upload.ts'
import { renewRun } from './originals/check-store.ts'
import { collect, type DeleteDeps } from './originals/delete-originals.ts'

interface AbandonedDeps extends AbortDeps {
  uploads: Pick<UploadStore, 'abandoned' | 'abort' | 'sweepAborted'>
}

interface PendingDeps {
  work: Pick<WorkStore, 'pending'>
  queue: Pick<JobQueue, 'add' | 'depth'>
}

export interface RecoverDeps extends AbandonedDeps, PendingDeps {
  jobs: Pick<BulkJobs, 'reclaim'>
  originals: Pick<OriginalStore, 'giveUpExpected'>
  uploads: AbandonedDeps['uploads'] & Pick<UploadStore, 'sweepKeys'>
  work: Pick<WorkStore, 'pending' | 'reclaim'>
  queue: AbandonedDeps['queue'] & PendingDeps['queue']
  log: Logger
}

export interface SweepWorkDeps extends PendingDeps {
  counts: Pick<KeptCounts, 'fold'>
  work: Pick<WorkStore, 'pending' | 'reclaim'>
  feed: Pick<EventFeed, 'publish'>
  pause: Pick<WorkPause, 'current'>
}

export interface SweepDeps extends AbandonedDeps, DeleteDeps {
  uploads: AbandonedDeps['uploads'] & Pick<UploadStore, 'sweepKeys'>
  batches: Pick<BatchStore, 'expireDeclared' | 'sweepEmpty'>
  workers: Pick<WorkerRegistry, 'sweep'>
  knownStore: KnownStore
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
export async function recover(deps: RecoverDeps, isOnlyServer: boolean): Promise<void> {
  const { uploads, originals, work, jobs, log } = deps
  if (isOnlyServer) {
    await jobs.reclaim()
    await originals.giveUpExpected()
    failpoint('expected-given-up')
  }
  const cutOff = await abortAbandoned(deps, isOnlyServer)
  await uploads.sweepKeys(KEY_LIFETIME_MS, isOnlyServer)
  const interrupted = (await work.reclaim(isOnlyServer)).length
  if (interrupted > 0) failpoint('work-reclaimed')
  const waiting = isOnlyServer ? await queuePending(deps) : 0
  if (cutOff + interrupted + waiting > 0) log.info({ cutOff, interrupted, waiting }, 'taken up where the last run ended')
}

async function abortAbandoned({ uploads, queue, feed }: AbandonedDeps, isOnlyServer: boolean): Promise<number> {
  const abandoned = await uploads.abandoned(isOnlyServer)
  for (const batchId of abandoned) await abortUpload({ uploads, queue, feed }, batchId)
  if (abandoned.length > 0) failpoint('uploads-given-up')
  await uploads.sweepAborted()
  return abandoned.length
}

/** Queues every image that waits. Returns how many. */
async function queuePending({ work, queue }: PendingDeps): Promise<number> {
  let queued = 0
  let cursor: string | undefined
  do {
    const { jobs, next } = await work.pending(PAGE, cursor)
    await queue.add(jobs)
    queued += jobs.length
    cursor = next ?? undefined
  } while (cursor)
  return queued
}

/** What runs every few seconds beside the work: brings back what a worker or the queue has lost, and announces it. */
export async function sweepWork({ counts, work, queue, feed, pause }: SweepWorkDeps): Promise<void> {
  await counts.fold()
  const reclaimed = await work.reclaim(false)
  if (reclaimed.length > 0) failpoint('work-reclaimed')
  await feed.publish(reclaimed)
  await queue.add(toJobs(reclaimed.filter((image) => image.status === 'pending')))
  const first = await unqueued({ work, queue })
  // While there is a pause, who has taken hints holds them.
  if (first === null || (await pause.current())) return
  await sleep(ON_THEIR_WAY_MS)
  // Hints that are on their way all the same do no harm.
  if ((await unqueued({ work, queue })) === first) await queuePending({ work, queue })
}

/** The original that waits longest beside an empty queue; one that stays it shows that the queue has lost its hints. */
async function unqueued({ work, queue }: PendingDeps): Promise<string | null> {
  if ((await queue.depth()) !== 0) return null
  const { jobs } = await work.pending(1)
  return jobs[0]?.sha256 ?? null
}

/** What runs now and then: uploads and keys that nobody has in hand any more, batches that came to nothing, bytes that nobody uses. */
export async function sweep(deps: SweepDeps, { graceMs, batchTtlMs }: { graceMs: number; batchTtlMs: number }): Promise<void> {
  await abortAbandoned(deps, false)
  await deps.workers.sweep(WORKER_LIFETIME_MS)
  await deps.uploads.sweepKeys(KEY_LIFETIME_MS, false)
  const expired = await deps.batches.expireDeclared()
  if (expired > 0) deps.log.info({ expired }, 'declared files were not sent in time')
  // As long after its end as it could be resumed: whoever comes back is told what became of it.
  await deps.batches.sweepEmpty(batchTtlMs)
  await collect(deps, graceMs)
  if (await deps.knownStore.isDue(RUN_LIFETIME_MS)) await renewRun(deps)
}
