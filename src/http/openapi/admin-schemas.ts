// The wire of the admin area as schemas, for the API description alone.
import { z } from 'zod'
import type {
  ApiAdminBatchOwner,
  ApiAdminImage,
  ApiFailureGroup,
  ApiImageDetail,
  ApiJob,
  ApiOverview,
  ApiPause,
  ApiQueue,
  ApiSelectionCount,
  ApiSetting,
  ApiWorker,
} from '../../api-admin.ts'
import type { ApiBatch } from '../../api.ts'
import { STATUSES } from '../../image.ts'
import { batch, count, errorCode, image, named, time } from './wire-schemas.ts'

const bytes = count.describe('Bytes')
const ms = count.describe('Milliseconds')
const owner = z.strictObject({ id: z.string(), email: z.string().nullable() }).nullable()

const pause = named(
  'Pause',
  z.strictObject({ by: z.string(), reason: z.string(), since: time, until: time.describe('It ends by itself') }),
) satisfies z.ZodType<ApiPause>

export const overview = named(
  'Overview',
  z.strictObject({
    images: z.strictObject(
      Object.fromEntries(STATUSES.map((status) => [status, count])) as Record<(typeof STATUSES)[number], typeof count>,
    ),
    original_bytes: bytes,
    oldest_pending_ms: ms.nullable(),
    minutes: z.array(z.strictObject({ at: time, completed: count, failed: count })).describe('Of the last hour, oldest first'),
    failures: z.array(z.strictObject({ code: errorCode, images: count })),
    disk: z.strictObject({ free_bytes: bytes, total_bytes: bytes }).nullable(),
    database_bytes: bytes,
    workers: z.strictObject({ alive: count, children: count, busy: count }),
    pause: pause.nullable(),
    deletion_halt: z
      .strictObject({
        reason: z.enum(['unknown_originals', 'another_store']),
        since: time,
        originals: count.describe('Originals in the store that the database does not know'),
        bytes,
        message: z.string().describe('What was found, and what to do'),
      })
      .describe('While it is there, no original and no developed image is deleted')
      .nullable(),
  }),
) satisfies z.ZodType<ApiOverview>

const adminImageFields = { ...image.shape, owner, attempts: count.describe('How often its development was begun') }
export const adminImage = named('AdminImage', z.strictObject(adminImageFields)) satisfies z.ZodType<ApiAdminImage>

export const imageDetail = named(
  'ImageDetail',
  z.strictObject({
    ...adminImageFields,
    timeline: z.array(
      z.strictObject({
        step: z.enum(['received', 'recorded', 'started', 'finished', 'failed', 'aborted']),
        at: time,
        after_ms: z.int().nullable().describe('Since the step before'),
        worker: z.string().nullable(),
        detail: z.string().nullable(),
      }),
    ),
  }),
) satisfies z.ZodType<ApiImageDetail>

export const adminBatch = named('AdminBatch', z.strictObject({ ...batch.shape, owner })) satisfies z.ZodType<ApiBatch & ApiAdminBatchOwner>

export const failureGroup = named(
  'FailureGroup',
  z.strictObject({ code: errorCode, error: z.string(), images: count, last_at: time, samples: z.array(image) }),
) satisfies z.ZodType<ApiFailureGroup>

export const worker = named(
  'Worker',
  z.strictObject({
    id: z.string().describe('`<host>-<pid>`'),
    kind: z.enum(['server', 'worker']),
    started_at: time,
    last_seen_at: time,
    alive: z.boolean(),
    concurrency: count,
    busy: count,
    developed: count,
    in_hand: z.array(z.strictObject({ id: z.string(), name: z.string(), started_at: time })),
  }),
) satisfies z.ZodType<ApiWorker>

export const queue = named(
  'Queue',
  z.strictObject({ pending: count, processing: count, oldest_pending_ms: ms.nullable(), pause: pause.nullable() }),
) satisfies z.ZodType<ApiQueue>

export const selectionCount = named('SelectionCount', z.strictObject({ images: count })) satisfies z.ZodType<ApiSelectionCount>

export const job = named(
  'Job',
  z.strictObject({
    id: z.string(),
    action: z.enum(['delete', 'retry']),
    state: z.enum(['waiting', 'running', 'done', 'cancelled', 'failed']),
    seen: count,
    changed: count,
    total: count,
    by: z.string(),
    created_at: time,
    finished_at: time.nullable(),
    error: z.string().nullable(),
  }),
) satisfies z.ZodType<ApiJob>

export const setting = named(
  'Setting',
  z.strictObject({
    name: z.string(),
    value: z.string(),
    default: z.string(),
    help: z.string(),
    is_set: z.boolean(),
    is_secret: z.boolean(),
  }),
) satisfies z.ZodType<ApiSetting>
