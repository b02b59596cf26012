// Tries a failed image again, with every other that failed by the same bytes.
import type { Owner } from '../../access.ts'
import type { Image } from '../../image.ts'
import type { ImageStore } from '../../record/images/image-store.ts'
import { announce, type AnnounceDeps } from '../announce.ts'

export interface RetryImageDeps extends AnnounceDeps {
  images: Pick<ImageStore, 'retry'>
}

/** The image, pending; null if there is none; rejects with `not_retryable` if it did not fail. */
export async function retryImage({ images, queue, feed }: RetryImageDeps, id: string, owner: Owner): Promise<Image | null> {
  const retried = await images.retry(id, owner)
  if (!retried) return null
  await announce({ feed, queue }, retried)
  return retried.find((image) => image.id === id) ?? null
}
