// Tries many failed images again, with every other that failed by the same bytes.
import type { EventFeed } from '../publish/event-feed.ts'
import type { JobQueue } from '../queue/job-queue.ts'
import type { ImageStore } from '../record/image-store.ts'
import { toJobs } from './upload.ts'

/** Those that are not there or did not fail are passed over. Returns how many of `ids` are pending again. */
export async function retryImages(
  { images, queue, feed }: { images: ImageStore; queue: JobQueue; feed: EventFeed },
  ids: string[],
): Promise<number> {
  const retried = await images.retryMany(ids)
  await feed.publish(retried)
  await queue.add(toJobs(retried))
  const asked = new Set(ids)
  return retried.filter((image) => asked.has(image.id)).length
}
