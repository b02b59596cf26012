// Tries many failed images again, with every other that failed by the same bytes.
import { isSeenBy, type Owner } from '../../access.ts'
import type { Image } from '../../image.ts'
import type { ImageStore } from '../../record/images/image-store.ts'
import { announce, type AnnounceDeps } from '../announce.ts'

export interface RetryImagesDeps extends AnnounceDeps {
  images: Pick<ImageStore, 'retryMany'>
}

/** Those that are not there or did not fail are passed over. Returns all images that are pending again, whoever has them. */
export async function retryWithOthers({ images, queue, feed }: RetryImagesDeps, ids: string[], owner: Owner): Promise<Image[]> {
  const retried = await images.retryMany(ids, owner)
  await announce({ feed, queue }, retried)
  return retried
}

/** Likewise. Returns how many of `ids` are pending again. */
export async function retryImages(deps: RetryImagesDeps, ids: string[], owner: Owner): Promise<number> {
  const asked = new Set(ids)
  // One of somebody else that was asked for as well may be among them, by its bytes.
  return (await retryWithOthers(deps, ids, owner)).filter((image) => asked.has(image.id) && isSeenBy(owner, image)).length
}
