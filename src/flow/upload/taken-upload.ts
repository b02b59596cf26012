// An upload that was taken: what its flows return, and its routes answer with.
import { CalotypeError } from '../../errors.ts'
import type { Image } from '../../image.ts'
import type { Rejected } from '../../record/uploads/rejected.ts'

export interface Upload {
  batchId: string
  /** By their place in what was sent. */
  images: Image[]
  rejected: Rejected[]
}

/** The error of an upload of which no file was taken: the reason of the first, and the list of all. */
export const noneTaken = (first: Rejected, rejected: Rejected[]) => new CalotypeError(first.code, first.error, { details: { rejected } })
