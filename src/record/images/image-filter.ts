// Which images are meant, by what is known of them: in lists and counts, and kept in the rows of bulk jobs.
import { z } from 'zod'
import { ERROR_CODES } from '../../error-codes.ts'
import { FORMAT_NAMES, STATUSES } from '../../image.ts'

/** Strict: a condition that is not known, and so not heeded, would find more images than were meant. */
export const imageFilter = z.strictObject({
  /** Part of a name, any case. */
  q: z.exactOptional(z.string()),
  status: z.exactOptional(z.enum(STATUSES)),
  format: z.exactOptional(z.enum(FORMAT_NAMES)),
  batch: z.exactOptional(z.string()),
  /** Whose, among those that who asks sees. */
  owner: z.exactOptional(z.string()),
  /** Why they failed. */
  code: z.exactOptional(z.enum(ERROR_CODES)),
  /** Uploaded then or later; before then. Milliseconds since 1970. */
  from: z.exactOptional(z.number()),
  to: z.exactOptional(z.number()),
})

export type ImageFilter = z.output<typeof imageFilter>
