// Bulk actions of administrators on the wire: a selection of images, and the job that goes through them.
import { z } from 'zod'
import { adminFilter, MAX_PAGE } from './admin.ts'
import { count, EXAMPLE_IDS, page, sent, time } from './common.ts'
import { imageIds } from './images.ts'

const ACTIONS = ['delete', 'retry'] as const

export const selectionCount = sent('SelectionCount', () => z.strictObject({ images: count() }), { images: 1_000 })
export type ApiSelectionCount = z.output<typeof selectionCount.schema>

export const job = sent(
  'Job',
  () =>
    z.strictObject({
      id: z.string(),
      action: z.enum(ACTIONS),
      state: z.enum(['waiting', 'running', 'done', 'cancelled', 'failed']),
      seen: count().describe('Images looked at so far'),
      changed: count().describe('Images changed, of those'),
      total: count().describe('How many there were to begin with'),
      by: z.string(),
      created_at: time(),
      finished_at: time().nullable(),
      error: z.string().nullable(),
    }),
  {
    id: EXAMPLE_IDS.job,
    action: 'retry',
    state: 'running',
    seen: 500,
    changed: 498,
    total: 1_000,
    by: 'root@example.org',
    created_at: '2026-11-25T10:00:00.000Z',
    finished_at: null,
    error: null,
  },
)
/** A bulk action in the background; it goes on when a server is started again. */
export type ApiJob = z.output<typeof job.schema>

export const selection = z
  .strictObject({ ids: imageIds.optional(), filter: z.strictObject(adminFilter).optional() })
  // For the API description; the route says it in a sentence.
  .meta({ minProperties: 1, maxProperties: 1 })
/** What a bulk action is about: images by their ids, or all that a filter finds. */
export type ApiImageSelection = z.input<typeof selection>

export const jobBody = z.strictObject({
  action: z.enum(ACTIONS),
  selection,
  confirmed: z.int().min(0).describe('What the person was asked to confirm'),
})
export type ApiJobRequest = z.input<typeof jobBody>

export const jobsQuery = z.object(page(MAX_PAGE, 100))
