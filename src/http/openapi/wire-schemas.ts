// The wire of images and batches as schemas, for the API description alone: nothing is checked or written by them while the server runs.
import { z } from 'zod'
import type {
  ApiBatch,
  ApiBatchFile,
  ApiCount,
  ApiDeclared,
  ApiDeleted,
  ApiEvents,
  ApiImage,
  ApiInitiated,
  ApiNotification,
  ApiRejected,
  ApiRetried,
  ApiUploaded,
} from '../../api.ts'
import { ERRORS, type ErrorCode } from '../../errors.ts'
import { FILE_STATUSES, STATUSES } from '../../image.ts'

/** What has a name in the document. */
export const NAMED = z.registry<{ id: string }>()

/** `satisfies` keeps a schema what the type is; and the samples, which are of the type, have to fit it. */
export function named<S extends z.ZodType>(id: string, schema: S): S {
  NAMED.add(schema, { id })
  return schema
}

/** Zod says `undefined` where a property is not there. */
type Loose<T> = { [K in keyof T]: undefined extends T[K] ? T[K] | undefined : T[K] }

export const errorCode = named('ErrorCode', z.enum(Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]]))
export const time = z.iso.datetime().describe('ISO 8601, UTC')
export const count = z.int().min(0)
const bytes = z.int().min(0).describe('Bytes')
const status = named('Status', z.enum(STATUSES))
const fileStatus = named('FileStatus', z.enum(FILE_STATUSES))
const sentence = z.string().describe('A sentence for a person')
const uploadTime = z.string().nullable().describe('From received to finished, for a person: "0.5 seconds"')

export const image = named(
  'Image',
  z.strictObject({
    id: z.uuid(),
    job_id: z.string().describe('`<batch uuid>-<index>`: the place of the file in what was sent'),
    name: z.string(),
    type: z.string().describe('Media type of the original, by its signature'),
    size: bytes.describe('Bytes of the original'),
    status,
    uploaded_at: time,
    finished_at: time.nullable(),
    upload_time: uploadTime,
    image: z.string().nullable().describe('URL of the developed image, once completed'),
    thumbnail: z.string().nullable().describe('URL of the 320 px WebP'),
    thumbhash: z.string().nullable().describe('Base64'),
    width: z.int().nullable().describe('Of the developed image, in pixels'),
    height: z.int().nullable(),
    error: sentence.nullable(),
    code: errorCode.nullable(),
  }),
) satisfies z.ZodType<ApiImage>

const rejected = named(
  'Rejected',
  z.strictObject({
    name: z.string(),
    code: errorCode,
    error: sentence,
    index: count.optional().describe('Its place in what was sent; of a declared batch, in the declaration'),
  }),
) satisfies z.ZodType<Loose<ApiRejected>>

export const uploaded = named('Uploaded', z.strictObject({ message: z.string(), image })) satisfies z.ZodType<ApiUploaded>

export const initiated = named(
  'Initiated',
  z.strictObject({
    message: z.string(),
    job_id: z.uuid().describe('The batch: GET /api/batches/<job_id>'),
    images: z.array(image),
    rejected: z.array(rejected),
  }),
) satisfies z.ZodType<Omit<ApiInitiated, 'rejected'> & { rejected: Loose<ApiRejected>[] }>

export const declared = named(
  'Declared',
  z.strictObject({
    id: z.uuid(),
    declared: count,
    expires_at: time.describe('Until then it can be resumed'),
    files: z
      .array(
        z.union([
          z.strictObject({ state: z.literal('needed') }),
          z.strictObject({ state: z.literal('known'), image: z.uuid() }),
          z.strictObject({ state: z.literal('rejected'), code: errorCode, error: sentence }),
        ]),
      )
      .describe('In the order of the request: to be sent, here already as this image, or refused'),
  }),
) satisfies z.ZodType<ApiDeclared>

export const batch = named(
  'Batch',
  z.strictObject({
    id: z.uuid(),
    kind: z.enum(['sync', 'async', 'batch']),
    created_at: time,
    received_at: time.nullable().describe('When it was acknowledged: the whole body in, or its files declared'),
    finished_at: time.nullable().describe('When its last file was final'),
    expires_at: time.nullable().describe('When what is missing of a declared batch expires'),
    declared: count.describe('Its files; the counts of the eight states add up to it at every moment'),
    needed: count,
    pending: count,
    processing: count,
    completed: count,
    error: count,
    aborted: count,
    rejected: count,
    expired: count,
  }),
) satisfies z.ZodType<ApiBatch>

export const batchFile = named(
  'BatchFile',
  z.strictObject({
    index: count.describe('Its place in the declaration, or in what was sent'),
    name: z.string(),
    size: bytes,
    status: fileStatus,
    image: image.nullable().describe('Once it was received'),
    code: errorCode.nullable(),
    error: sentence.nullable(),
  }),
) satisfies z.ZodType<ApiBatchFile>

export const imageCount = z.strictObject({ images: count }) satisfies z.ZodType<ApiCount>
export const deleted = z.strictObject({ deleted: count }) satisfies z.ZodType<ApiDeleted>
export const retried = z.strictObject({ retried: count }) satisfies z.ZodType<ApiRetried>

const notification = named(
  'Notification',
  z.strictObject({
    type: z.literal('send_upload_notification'),
    job_id: z.string(),
    status,
    image: z.string().nullable(),
    thumbnail: z.string().nullable(),
    id: z.uuid(),
    name: z.string(),
    size: bytes,
    message: z.string(),
    upload_time: uploadTime,
    error: sentence.nullable(),
    code: errorCode.nullable(),
    seq: z.string().describe('Opaque: hand the last one back as ?since= to hear what was missed'),
  }),
) satisfies z.ZodType<ApiNotification>

export const events = named(
  'Events',
  z.strictObject({
    events: z.array(notification),
    last: z.string().describe('Where to go on: the next `since`'),
    resync: z.boolean().describe('What was missed is no longer known: read the lists again'),
  }),
) satisfies z.ZodType<ApiEvents>

/** What every failure answers with; some say more beside it. */
named(
  'Error',
  z.strictObject({
    error: sentence,
    code: errorCode,
    image: image.optional().describe('The row that stays, of a sync upload whose image could not be developed'),
    rejected: z.array(rejected).optional().describe('Of an upload of which no file was taken: each file, with its reason'),
  }),
)
