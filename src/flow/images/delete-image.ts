// Deletes an image: its row at once, its bytes when the last row that used them is gone and the grace period over.
import type { Owner } from '../../access.ts'
import { failpoint } from '../../failpoints.ts'
import { isFinal } from '../../image.ts'
import type { EventFeed } from '../../publish/event-feed.ts'
import type { ImageStore } from '../../record/images/image-store.ts'

export interface DeleteImageDeps {
  images: Pick<ImageStore, 'delete'>
  feed: Pick<EventFeed, 'publish'>
}

/** Repeatable. False if there was no such image. */
export async function deleteImage({ images, feed }: DeleteImageDeps, id: string, owner: Owner): Promise<boolean> {
  const image = await images.delete(id, owner)
  if (!image) return false
  failpoint('image-deleted')
  // Who waits for its outcome has to hear that there will be none.
  if (!isFinal(image.status)) await feed.publish([{ ...image, status: 'aborted', finishedAt: Date.now() }])
  return true
}
