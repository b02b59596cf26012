// Announces images that changed, after their commit: everyone who watches is told, and what waits is queued.
import { setImmediate as letOthers } from 'node:timers/promises'
import type { Image } from '../image.ts'
import type { EventFeed } from '../publish/event-feed.ts'
import type { Job, JobQueue } from '../queue/job-queue.ts'
import type { BatchStore } from '../record/batches/batch-store.ts'
import type { ImageStore } from '../record/images/image-store.ts'

export interface AnnounceDeps {
  queue: Pick<JobQueue, 'add'>
  feed: Pick<EventFeed, 'publish'>
}

export interface AnnounceInBatchDeps extends AnnounceDeps {
  batches: Pick<BatchStore, 'isCancelled'>
  images: Pick<ImageStore, 'getMany'>
}

// So many events at once, so that ten thousand images do not hold the server up, nor one message become too large.
const ANNOUNCED_AT_ONCE = 500

/** The hints that bring images to a worker. */
export const toJobs = (images: Image[]): Job[] => images.map(({ sha256, batchId, batchIndex }) => ({ sha256, batchId, place: batchIndex }))

/** Publishes the images as they are, and queues those that are `pending`. */
export async function announce({ queue, feed }: AnnounceDeps, images: Image[]): Promise<void> {
  for (let at = 0; at < images.length; at += ANNOUNCED_AT_ONCE) {
    const slice = images.slice(at, at + ANNOUNCED_AT_ONCE)
    await feed.publish(slice)
    await queue.add(toJobs(slice.filter((image) => image.status === 'pending')))
    if (images.length > ANNOUNCED_AT_ONCE) await letOthers()
  }
}

/**
 * As `announce`, of images that became `pending` in a batch that can be cancelled meanwhile. A batch that was cancelled between their
 * commit and now has published them as `aborted` before: they are published again, so that the last event of each says what it is.
 */
export async function announceInBatch(deps: AnnounceInBatchDeps, batchId: string, changed: Image[]): Promise<void> {
  if (changed.length === 0) return
  await announce(deps, changed)
  if (!(await deps.batches.isCancelled(batchId))) return
  const now = await deps.images.getMany(
    changed.map(({ id }) => id),
    null,
  )
  await announce(
    deps,
    now.filter(({ status }) => status === 'aborted'),
  )
}
