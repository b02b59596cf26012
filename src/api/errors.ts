// Failures on the wire: what every refused or failed request is answered with.
import { z } from 'zod'
import { ERRORS } from '../error-codes.ts'
import { errorCode, sent, sentence } from './common.ts'
import { image } from './images.ts'
import { rejected } from './uploads.ts'

export const error = sent(
  'Error',
  () =>
    z.strictObject({
      error: sentence(),
      code: errorCode,
      image: image.schema.optional().describe('The row that stays, of a sync upload whose image could not be developed'),
      rejected: z.array(rejected.schema).optional().describe('Of an upload of which no file was taken: each file, with its reason'),
    }),
  { error: ERRORS.not_found, code: 'not_found' },
)
export type ApiError = z.output<typeof error.schema>
