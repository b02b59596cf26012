// Batches on the wire: declared before their files are sent, counted by the states of these, paged through file by file.
import { z } from 'zod'
import { ERRORS } from '../error-codes.ts'
import { FILE_STATUSES } from '../image.ts'
import { bytes, count, errorCode, EXAMPLE_IDS, named, page, sent, sentence, time } from './common.ts'
import { image } from './images.ts'

const MAX_FILES_PAGE = 1_000
// Each of its batches is counted.
export const MAX_BATCHES_PAGE = 100
export const MAX_DECLARED = 20_000

const fileStatus = named('FileStatus', z.enum(FILE_STATUSES))
export type BatchFileStatus = z.output<typeof fileStatus>

export const fileToDeclare = z.object({
  // Its length is checked where it is received (`http/body/declaration.ts`): in bytes, as Node counts them.
  name: z.string(),
  size: z.int().min(0).describe('Bytes'),
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'expected 64 lower-case hexadecimal digits')
    .optional()
    .describe('A file whose bytes are here already is not sent again'),
})
/** One file of `POST /api/batches`. */
export type ApiFileToDeclare = z.input<typeof fileToDeclare>

export const declared = sent(
  'Declared',
  () =>
    z.strictObject({
      id: z.uuid(),
      declared: count(),
      expires_at: time().describe('Until then it can be resumed'),
      files: z
        .array(
          z.union([
            z.strictObject({ state: z.literal('needed') }),
            z.strictObject({ state: z.literal('known'), image: z.uuid() }),
            z.strictObject({ state: z.literal('rejected'), code: errorCode, error: sentence() }),
          ]),
        )
        .describe('In the order of the request: to be sent, here already as this image, or refused'),
    }),
  {
    id: EXAMPLE_IDS.batch,
    declared: 3,
    expires_at: '2026-12-02T10:00:00.000Z',
    files: [
      { state: 'needed' },
      { state: 'known', image: EXAMPLE_IDS.image },
      { state: 'rejected', code: 'file_too_large', error: ERRORS.file_too_large },
    ],
  },
)
/** A batch that was declared; its files are sent to `/api/async/batch/upload?batch=<id>`, each with its `index`. */
export type ApiDeclared = z.output<typeof declared.schema>

export const batch = sent(
  'Batch',
  () =>
    z.strictObject({
      id: z.uuid(),
      kind: z.enum(['sync', 'async', 'batch']),
      created_at: time(),
      received_at: time().nullable().describe('When it was acknowledged: the whole body in, or its files declared'),
      finished_at: time().nullable().describe('When its last file was final'),
      expires_at: time().nullable().describe('When what is missing of a declared batch expires; null unless declared'),
      declared: count().describe('Its files; the counts of the eight states add up to it at every moment'),
      needed: count(),
      pending: count(),
      processing: count(),
      completed: count(),
      error: count(),
      aborted: count(),
      rejected: count(),
      expired: count(),
    }),
  {
    id: EXAMPLE_IDS.batch,
    kind: 'batch',
    created_at: '2026-11-25T10:00:00.000Z',
    received_at: '2026-11-25T10:00:00.400Z',
    finished_at: null,
    expires_at: null,
    declared: 3,
    needed: 0,
    pending: 1,
    processing: 0,
    completed: 1,
    error: 0,
    aborted: 0,
    rejected: 1,
    expired: 0,
  },
)
/** The ledger of a batch. */
export type ApiBatch = z.output<typeof batch.schema>

export const batchFile = sent(
  'BatchFile',
  () =>
    z.strictObject({
      index: count().describe('Its place in the declaration, or in what was sent'),
      name: z.string(),
      size: bytes('Bytes: of its original, or as declared'),
      status: fileStatus,
      image: image.schema.nullable().describe('Once it was received'),
      code: errorCode.nullable().describe('Why it is rejected or failed'),
      error: sentence().nullable(),
    }),
  { index: 0, name: image.example.name, size: image.example.size, status: 'completed', image: image.example, code: null, error: null },
)
/** A file of a batch: `GET /api/batches/<id>?status=`. */
export type ApiBatchFile = z.output<typeof batchFile.schema>

export const batchesQuery = z.object(page(MAX_BATCHES_PAGE, 20))
export const batchQuery = z.object({ status: z.enum([...FILE_STATUSES, 'all']).optional(), ...page(MAX_FILES_PAGE, 100) })
