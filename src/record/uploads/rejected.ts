// A file of an upload that was refused, as the row of its batch keeps it: a list of these in JSON.
import { z } from 'zod'
import { ERROR_CODES } from '../../error-codes.ts'

const rejected = z.object({
  /** Its place in what was sent. */
  index: z.exactOptional(z.number()),
  name: z.string(),
  // A later version, beside which this one may run, has codes that this one does not know.
  code: z.enum(ERROR_CODES).catch('internal'),
  error: z.string(),
})
const rejectedList = z.array(rejected)

export type Rejected = z.output<typeof rejected>

/** Reads the list from its column. Throws for JSON that is no such list. */
export const parseRejected = (json: string): Rejected[] => rejectedList.parse(JSON.parse(json))
