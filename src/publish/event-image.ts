// Images as events carry them through Redis, where servers of other versions may have left theirs.
import { z } from 'zod'
import { ERROR_CODES } from '../error-codes.ts'
import { FORMAT_NAMES, STATUSES, type Image } from '../image.ts'

const eventImage = z.object({
  id: z.string(),
  batchId: z.string(),
  ownerId: z.string().nullable(),
  batchIndex: z.number(),
  name: z.string(),
  format: z.enum(FORMAT_NAMES),
  size: z.number(),
  sha256: z.string(),
  recipe: z.string(),
  status: z.enum(STATUSES),
  uploadedAt: z.number(),
  finishedAt: z.number().nullable(),
  outcome: z
    .object({
      image: z.object({ operation: z.string(), size: z.number(), width: z.number(), height: z.number() }),
      thumbnail: z.object({ operation: z.string() }),
      width: z.number().nullable(),
      height: z.number().nullable(),
      thumbhash: z.string(),
    })
    .nullable(),
  failure: z.object({ code: z.enum(ERROR_CODES), error: z.string() }).nullable(),
}) satisfies z.ZodType<Image>

/** Null for JSON that is not an image of this version. Throws for what is not JSON. */
export function readEventImage(json: string): Image | null {
  const read = eventImage.safeParse(JSON.parse(json))
  return read.success ? read.data : null
}
