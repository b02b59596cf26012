// Undoes an upload whose body was cut off.
import { failpoint } from '../../failpoints.ts'
import type { EventFeed } from '../../publish/event-feed.ts'
import type { JobQueue } from '../../queue/job-queue.ts'
import type { UploadStore } from '../../record/uploads/upload-store.ts'

export interface AbortDeps {
  uploads: Pick<UploadStore, 'abort' | 'sweepAborted'>
  queue: Pick<JobQueue, 'drop'>
  feed: Pick<EventFeed, 'publish'>
}

/** What it left in the rows becomes `aborted`, is announced as such, and swept. Repeatable. */
export async function abortUpload({ uploads, queue, feed }: AbortDeps, batchId: string): Promise<void> {
  await queue.drop(batchId)
  const aborted = await uploads.abort(batchId)
  failpoint('upload-aborted')
  await feed.publish(aborted)
  await uploads.sweepAborted()
}
