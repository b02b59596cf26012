// Tries many failed images again, with every other that failed by the same bytes.
import { isSeenBy, type Owner } from '../access.ts'
import type { EventFeed } from '../publish/event-feed.ts'
import type { JobQueue } from '../queue/job-queue.ts'
import type { ImageStore } from '../record/image-store.ts'
import { toJobs } from './upload.ts'

/** Those that are not there or did not fail are passed over. Returns how many of `ids` are pending again. */
export async function retryImages(
  { images, queue, feed }: { images: ImageStore; queue: JobQueue; feed: EventFeed },
  ids: string[],
  owner: Owner,
): Promise<number> {
  const retried = await images.retryMany(ids, owner)
  await feed.publish(retried)
  await queue.add(toJobs(retried))
  const asked = new Set(ids)
  // One of somebody else that was asked for as well may be among them, by its bytes.
  return retried.filter((image) => asked.has(image.id) && isSeenBy(owner, image)).length
}
