// Images on the wire: one image, lists of them by a filter, many of them at once.
import { z } from 'zod'
import { FORMAT_NAMES, STATUSES } from '../image.ts'
import { bytes, count, cursor, errorCode, EXAMPLE_IDS, limit, named, page, search, sent, sentence, time } from './common.ts'
import { listOf } from './list-of.ts'

const MAX_PAGE = 1_000
export const DEFAULT_PAGE = 100
const MAX_IDS = 1_000
export const MAX_ARCHIVE_IDS = 100_000

export const status = named('Status', z.enum(STATUSES))
export const uploadTime = () => z.string().nullable().describe('From received to finished, for a person: "0.5 seconds"')

const IMAGE_FILE = `${EXAMPLE_IDS.image}-v1.jpg`

export const image = sent(
  'Image',
  () =>
    z.strictObject({
      id: z.uuid(),
      job_id: z.string().describe('`<batch uuid>-<index>`: the place of the file in what was sent'),
      name: z.string(),
      type: z.string().describe('Media type of the original, by its signature'),
      size: bytes('Bytes of the original'),
      status,
      uploaded_at: time(),
      finished_at: time().nullable(),
      upload_time: uploadTime(),
      image: z.string().nullable().describe('URL of the developed image, once completed'),
      thumbnail: z.string().nullable().describe('URL of the 320 px WebP'),
      thumbhash: z.string().nullable().describe('Base64'),
      width: z.int().nullable().describe('Of the developed image, in pixels'),
      height: z.int().nullable(),
      error: sentence().nullable(),
      code: errorCode.nullable(),
    }),
  {
    id: EXAMPLE_IDS.image,
    job_id: `${EXAMPLE_IDS.batch}-0`,
    name: 'harbour.jpg',
    type: 'image/jpeg',
    size: 2_483_112,
    status: 'completed',
    uploaded_at: '2026-11-25T10:00:00.000Z',
    finished_at: '2026-11-25T10:00:00.500Z',
    upload_time: '0.5 seconds',
    image: `/media/images/${IMAGE_FILE}`,
    thumbnail: `/media/thumbnails/${EXAMPLE_IDS.image}-v1.webp`,
    thumbhash: '1QcSHQRnh493V4dIh4eXh1h4kJUI',
    width: 1500,
    height: 1000,
    error: null,
    code: null,
  },
)
export type ApiImage = z.output<typeof image.schema>

const UNFINISHED = { finished_at: null, upload_time: null, image: null, thumbnail: null, thumbhash: null, width: null, height: null }
export const pendingImage: ApiImage = { ...image.example, status: 'pending', ...UNFINISHED }

export const imageCount = sent(null, () => z.strictObject({ images: count() }), { images: 1 })
export type ApiCount = z.output<typeof imageCount.schema>

export const deletedImages = sent(null, () => z.strictObject({ deleted: count() }), { deleted: 1 })
export type ApiDeleted = z.output<typeof deletedImages.schema>

export const retriedImages = sent(null, () => z.strictObject({ retried: count() }), { retried: 1 })
export type ApiRetried = z.output<typeof retriedImages.schema>

/** For `z.object`: which images. */
export const imageFilter = {
  q: search,
  status: status.optional(),
  format: z.enum(FORMAT_NAMES).optional(),
  batch: z.uuid().optional(),
}
/** For `z.object`. */
export const imageSort = { sort: z.enum(['newest', 'oldest', 'name', '-name', 'size', '-size']).default('newest') }

export const listQuery = z.object({ limit: limit(MAX_PAGE).optional(), cursor })
export const imagesQuery = z.object({ ...page(MAX_PAGE, DEFAULT_PAGE), ...imageFilter, ...imageSort })
export const countQuery = z.object(imageFilter)

/** Up to a thousand images. */
export const imageIds = listOf(z.uuid('Expected the id of an image'), MAX_IDS, 'Expected an array of ids of images')
export const manyImages = z.object({ ids: imageIds })

// One alone in a query is no list yet.
const archiveIds = z.preprocess(
  (value) => (typeof value === 'string' ? [value] : value),
  listOf(z.uuid(), MAX_ARCHIVE_IDS, 'Expected ids of images', 1),
)
export const archiveQuery = z
  .object({ ...imageFilter, ...imageSort, id: archiveIds.optional() })
  .refine(({ id, q, status, format, batch }) => id === undefined || [q, status, format, batch].every((one) => one === undefined), {
    message: 'Send either ids or a filter',
    path: ['id'],
  })
export const archiveForm = z.object({ id: archiveIds })
