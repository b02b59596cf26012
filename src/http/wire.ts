// From an image to the wire: what clients are sent about it, and the addresses its bytes have.
import type { ApiImage, ApiNotification } from '../api.ts'
import { FORMATS, type Image } from '../image.ts'
import type { ImageEvent } from '../publish/event-feed.ts'

/** `<image id>-<recipe>.<ext>` below `/media/images/`. Names the image, never the hash of its content. */
export const imageFile = (image: Image) => `${image.id}-${image.recipe}.${FORMATS[image.format].extension}`

/** `<image id>-<recipe>.webp` below `/media/thumbnails/`. */
export const thumbnailFile = (image: Image) => `${image.id}-${image.recipe}.webp`

/** An image as `GET /api/images/:id`, the lists and the uploads show it. */
export function toApiImage(image: Image): ApiImage {
  return {
    id: image.id,
    job_id: jobId(image),
    name: image.name,
    type: FORMATS[image.format].type,
    size: image.size,
    status: image.status,
    uploaded_at: new Date(image.uploadedAt).toISOString(),
    finished_at: image.finishedAt === null ? null : new Date(image.finishedAt).toISOString(),
    upload_time: uploadTime(image),
    ...mediaUrls(image),
    thumbhash: image.rendition?.thumbhash ?? null,
    width: image.rendition?.width ?? null,
    height: image.rendition?.height ?? null,
    error: image.failure?.error ?? null,
    code: image.failure?.code ?? null,
  }
}

/** A change of state as a watcher hears of it. */
export function toNotification({ seq, image }: ImageEvent): ApiNotification {
  return {
    type: 'send_upload_notification',
    job_id: jobId(image),
    status: image.status,
    ...mediaUrls(image),
    id: image.id,
    name: image.name,
    size: image.size,
    message: statusSentence(image),
    upload_time: uploadTime(image),
    error: image.failure?.error ?? null,
    code: image.failure?.code ?? null,
    seq,
  }
}

const jobId = (image: Image) => `${image.batchId}-${image.batchIndex}`

const mediaUrls = (image: Image) =>
  image.status === 'completed'
    ? { image: `/media/images/${imageFile(image)}`, thumbnail: `/media/thumbnails/${thumbnailFile(image)}` }
    : { image: null, thumbnail: null }

/** Never negative, should the clock have been set back meanwhile. */
const uploadTime = ({ uploadedAt, finishedAt }: Image) =>
  finishedAt === null ? null : `${(Math.max(0, finishedAt - uploadedAt) / 1000).toFixed(1)} seconds`

function statusSentence(image: Image): string {
  switch (image.status) {
    case 'pending':
      return 'Image is waiting'
    case 'processing':
      return 'Image is being processed'
    case 'completed':
      return 'Image uploaded successfully'
    case 'error':
      return image.failure?.error ?? 'Image could not be processed'
    case 'aborted':
      return 'Upload was cut off or cancelled'
  }
}
