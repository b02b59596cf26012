// Uploads on the wire: what is answered to the files that were sent.
import { z } from 'zod'
import { ERRORS } from '../error-codes.ts'
import { count, errorCode, EXAMPLE_IDS, sent, sentence } from './common.ts'
import { image, pendingImage } from './images.ts'

export const rejected = sent(
  'Rejected',
  () =>
    z.strictObject({
      name: z.string(),
      code: errorCode,
      error: sentence(),
      index: count().optional().describe('Its place in what was sent; of a declared batch, in the declaration'),
    }),
  { name: 'notes.txt', code: 'unsupported_format', error: ERRORS.unsupported_format, index: 1 },
)
/** A file of an upload that was not taken. */
export type ApiRejected = z.output<typeof rejected.schema>

export const uploaded = sent('Uploaded', () => z.strictObject({ message: z.string(), image: image.schema }), {
  message: 'Image uploaded successfully',
  image: image.example,
})
export type ApiUploaded = z.output<typeof uploaded.schema>

export const stillProcessing: ApiUploaded = {
  message: 'Image is still being processed',
  image: { ...pendingImage, status: 'processing' },
}

export const initiated = sent(
  'Initiated',
  () =>
    z.strictObject({
      message: z.string(),
      job_id: z.uuid().describe('The batch: GET /api/batches/<job_id>'),
      images: z.array(image.schema),
      rejected: z.array(rejected.schema),
    }),
  {
    message: 'Images upload initiated',
    job_id: EXAMPLE_IDS.batch,
    images: [pendingImage],
    rejected: [rejected.example],
  },
)
export type ApiInitiated = z.output<typeof initiated.schema>
