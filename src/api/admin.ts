// The admin area on the wire: what administrators see of the whole, of everyone's images and batches, of the queue and the workers.
import { z } from 'zod'
import { ERRORS } from '../error-codes.ts'
import { STATUSES, type Status } from '../image.ts'
import { user } from './accounts.ts'
import { batch, MAX_BATCHES_PAGE } from './batches.ts'
import { bytes, count, errorCode, EXAMPLE_IDS, milliseconds, page, person, sent, sentence, time, timeInMs } from './common.ts'
import { image, imageFilter, imageSort, pendingImage } from './images.ts'

export const MAX_PAGE = 500
const MAX_PAUSE_MINUTES = 24 * 60
const MINUTE = '2026-11-25T10:00:00.000Z'
const OWNER = { id: EXAMPLE_IDS.user, email: user.example.email }

export const pause = sent(
  'Pause',
  () => z.strictObject({ by: z.string(), reason: z.string(), since: time(), until: time().describe('It ends by itself') }),
  { by: 'root@example.org', reason: 'A new disk', since: '2026-11-25T10:00:00.000Z', until: '2026-11-25T11:00:00.000Z' },
)
/** While the queue is paused nothing new is begun; what is in hand is finished. */
export type ApiPause = z.output<typeof pause.schema>

export const queue = sent(
  'Queue',
  () =>
    z.strictObject({ pending: count(), processing: count(), oldest_pending_ms: milliseconds().nullable(), pause: pause.schema.nullable() }),
  { pending: 12, processing: 4, oldest_pending_ms: 900, pause: pause.example },
)
export type ApiQueue = z.output<typeof queue.schema>

const deletionHalt = () =>
  z
    .strictObject({
      reason: z
        .enum(['unknown_originals', 'another_store'])
        .describe(
          'unknown_originals: the store has originals that the database does not know; another_store: it has none of those that it knows',
        ),
      since: time(),
      originals: count().describe('Originals in the store that the database does not know'),
      bytes: bytes(),
      message: z.string().describe('What was found, and what to do'),
    })
    .describe('While it is there, no original and no developed image is deleted')
    .nullable()

export const overview = sent(
  'Overview',
  () =>
    z.strictObject({
      images: z
        .strictObject(Object.fromEntries(STATUSES.map((status) => [status, count()])) as Record<Status, ReturnType<typeof count>>)
        .describe('Images by state, now'),
      original_bytes: bytes('Bytes of all images as they were uploaded: the same ones for each'),
      oldest_pending_ms: milliseconds().nullable().describe('Milliseconds the oldest pending image has waited; null without one'),
      minutes: z
        .array(z.strictObject({ at: time(), completed: count(), failed: count() }))
        .describe('Finished images in each of the last 60 minutes, oldest first; the last is the minute that goes on'),
      failures: z.array(z.strictObject({ code: errorCode, images: count() })).describe('Failed images that are there, by code, most first'),
      disk: z
        .strictObject({ free_bytes: bytes(), total_bytes: bytes() })
        .nullable()
        .describe('Null where it can’t be told: a bucket has no end'),
      database_bytes: bytes(),
      workers: z.strictObject({ alive: count(), children: count(), busy: count() }),
      pause: pause.schema.nullable(),
      deletion_halt: deletionHalt(),
    }),
  {
    images: { pending: 12, processing: 4, completed: 90_211, error: 37, aborted: 0 },
    original_bytes: 158_200_113_004,
    oldest_pending_ms: 900,
    minutes: [{ at: MINUTE, completed: 1_204, failed: 1 }],
    failures: [{ code: 'invalid_image', images: 37 }],
    disk: { free_bytes: 81_000_000_000, total_bytes: 252_000_000_000 },
    database_bytes: 71_303_168,
    workers: { alive: 1, children: 2, busy: 2 },
    pause: null,
    deletion_halt: null,
  },
)
/** `GET /api/admin/overview`. Counts are kept, not counted, so that it is as quick with millions of images. */
export type ApiOverview = z.output<typeof overview.schema>
/** While the database and the store do not belong together. `calotype doctor` says what can be done. */
export type ApiDeletionHalt = NonNullable<ApiOverview['deletion_halt']>

const adminImageFields = () => ({
  ...image.schema.shape,
  owner: person(),
  attempts: count().describe('How often its development was begun'),
})

export const adminImage = sent('AdminImage', () => z.strictObject(adminImageFields()), { ...image.example, owner: OWNER, attempts: 1 })
export type ApiAdminImage = z.output<typeof adminImage.schema>

export const imageDetail = sent(
  'ImageDetail',
  () =>
    z.strictObject({
      ...adminImageFields(),
      timeline: z
        .array(
          z.strictObject({
            step: z.enum(['received', 'recorded', 'started', 'finished', 'failed', 'aborted']),
            at: time(),
            after_ms: z.int().nullable().describe('Milliseconds since the step before'),
            worker: z
              .string()
              .nullable()
              .describe('Of `started` and `finished`: the process that had it, as `GET /api/admin/workers` names it'),
            detail: z.string().nullable().describe('For a person: sizes, why it failed'),
          }),
        )
        .describe('Oldest first'),
    }),
  {
    ...adminImage.example,
    timeline: [{ step: 'received', at: image.example.uploaded_at, after_ms: null, worker: null, detail: '2,483,112 bytes' }],
  },
)
export type ApiImageDetail = z.output<typeof imageDetail.schema>

export const adminBatch = sent('AdminBatch', () => z.strictObject({ ...batch.schema.shape, owner: person() }), {
  ...batch.example,
  owner: OWNER,
})
export type ApiAdminBatchOwner = Pick<z.output<typeof adminBatch.schema>, 'owner'>

export const failureGroup = sent(
  'FailureGroup',
  () =>
    z.strictObject({
      code: errorCode,
      error: sentence(),
      images: count(),
      last_at: time(),
      samples: z.array(image.schema).describe('Up to six, newest first'),
    }),
  {
    code: 'invalid_image',
    error: ERRORS.invalid_image,
    images: 37,
    last_at: MINUTE,
    samples: [{ ...pendingImage, status: 'error', finished_at: MINUTE, code: 'invalid_image', error: ERRORS.invalid_image }],
  },
)
export type ApiFailureGroup = z.output<typeof failureGroup.schema>

export const worker = sent(
  'Worker',
  () =>
    z.strictObject({
      id: z.string().describe('`<host>-<pid>`'),
      kind: z.enum(['server', 'worker']),
      started_at: time(),
      last_seen_at: time(),
      alive: z.boolean().describe('It said so within the last 15 seconds'),
      concurrency: count(),
      busy: count().describe('Children at work'),
      developed: count().describe('Images that the process has developed since it started'),
      in_hand: z.array(z.strictObject({ id: z.string(), name: z.string(), started_at: time() })).describe('Images being developed'),
    }),
  {
    id: 'photos-4711',
    kind: 'server',
    started_at: MINUTE,
    last_seen_at: MINUTE,
    alive: true,
    concurrency: 2,
    busy: 1,
    developed: 90_248,
    in_hand: [{ id: EXAMPLE_IDS.image, name: image.example.name, started_at: MINUTE }],
  },
)
export type ApiWorker = z.output<typeof worker.schema>

export const setting = sent(
  'Setting',
  () =>
    z.strictObject({
      name: z.string(),
      value: z.string(),
      default: z.string(),
      help: z.string(),
      is_set: z.boolean().describe('Set by the environment, or at its default'),
      is_secret: z.boolean(),
    }),
  { name: 'PORT', value: '8000', default: '8000', help: 'Port to listen on; 0 takes any free one.', is_set: false, is_secret: false },
)
/** One of `GET /api/admin/settings`: read-only, secrets masked. */
export type ApiSetting = z.output<typeof setting.schema>

const period = { owner: z.uuid().optional(), from: timeInMs.optional(), to: timeInMs.optional() }
/** For `z.object`: which of everyone's images. */
export const adminFilter = { ...imageFilter, ...period, code: errorCode.optional() }
export const adminImagesQuery = z.object({ ...page(MAX_PAGE, 100), ...adminFilter, ...imageSort })
export const adminBatchesQuery = z.object({
  ...page(MAX_BATCHES_PAGE, 50),
  ...period,
  state: z
    .enum(['open', 'done', 'failed'])
    .optional()
    .describe('open: not all of it is final; done: all is; failed: some of its images failed'),
})

export const pauseBody = z.strictObject({
  minutes: z.number().positive().max(MAX_PAUSE_MINUTES),
  reason: z.string().trim().max(500).default(''),
})
export type ApiPauseRequest = z.input<typeof pauseBody>
