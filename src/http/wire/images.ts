// From an image to the wire: what clients are sent about it, and the addresses its bytes have.
import type { ApiNotification } from '../../api/events.ts'
import type { ApiImage } from '../../api/images.ts'
import { FORMATS, type Image, type Rendition } from '../../image.ts'
import type { ImageEvent } from '../../publish/event-feed.ts'
import { parseOperation } from '../../rendition/operation.ts'
import { iso, isoOrNull } from './iso.ts'

/** `<image id>-<recipe>.<ext>`, below the folder of a preset. Names the image, never the hash of its content. */
export const mediaFile = ({ id, recipe }: Pick<Image, 'id' | 'recipe'>, { operation }: Pick<Rendition, 'operation'>) =>
  `${id}-${recipe}.${FORMATS[parseOperation(operation).format].extension}`

/** Where the renditions of a preset are served, below `/media/`. */
export const mediaFolder = (preset: string) => ({ image: 'images', thumbnail: 'thumbnails' })[preset] ?? preset

/** An image as `GET /api/images/:id`, the lists and the uploads show it. */
export function toApiImage(image: Image): ApiImage {
  return {
    id: image.id,
    job_id: jobId(image),
    name: image.name,
    type: FORMATS[image.format].type,
    size: image.size,
    status: image.status,
    uploaded_at: iso(image.uploadedAt),
    finished_at: isoOrNull(image.finishedAt),
    upload_time: uploadTime(image),
    ...mediaUrls(image),
    thumbhash: image.outcome?.thumbhash ?? null,
    width: image.outcome?.image.width ?? null,
    height: image.outcome?.image.height ?? null,
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

function mediaUrls(image: Image) {
  const { outcome } = image
  if (outcome === null) return { image: null, thumbnail: null }
  const urlOf = (preset: 'image' | 'thumbnail') => `/media/${mediaFolder(preset)}/${mediaFile(image, outcome[preset])}`
  return { image: urlOf('image'), thumbnail: urlOf('thumbnail') }
}

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
