// Deletes many images at once: their rows in bulk, their bytes when the last row that used them is gone and the grace period over.
import type { Owner } from '../../access.ts'
import { isFinal } from '../../image.ts'
import type { EventFeed } from '../../publish/event-feed.ts'
import type { ImageStore } from '../../record/images/image-store.ts'

export interface DeleteImagesDeps {
  images: Pick<ImageStore, 'deleteMany'>
  feed: Pick<EventFeed, 'publish'>
}

/** Repeatable: those that are not there are passed over. Returns how many went. */
export async function deleteImages({ images, feed }: DeleteImagesDeps, ids: string[], owner: Owner): Promise<number> {
  const gone = await images.deleteMany(ids, owner)
  // Who waits for their outcome has to hear that there will be none.
  const unfinished = gone.filter((image) => !isFinal(image.status))
  await feed.publish(unfinished.map((image) => ({ ...image, status: 'aborted', finishedAt: Date.now() })))
  return gone.length
}
