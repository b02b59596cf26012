// The three ways in: one file and its outcome, several files, a batch (declared or not). They differ in what they wait for and answer.
import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { seesOf } from '../../access.ts'
import { EXAMPLE_IDS } from '../../api/common.ts'
import { initiated, stillProcessing, uploaded, type ApiInitiated } from '../../api/uploads.ts'
import { ERRORS, type ErrorCode } from '../../error-codes.ts'
import { CalotypeError } from '../../errors.ts'
import { failpoint } from '../../failpoints.ts'
import { allowanceOf, type AllowanceDeps } from '../../flow/upload/allowance.ts'
import { createBackpressure, type BackpressureDeps } from '../../flow/upload/backpressure.ts'
import { uploadOnce, type UploadOnceDeps } from '../../flow/upload/repeat-upload.ts'
import { noneTaken, type Upload } from '../../flow/upload/taken-upload.ts'
import { uploadDeclared, type UploadDeclaredDeps } from '../../flow/upload/upload-declared.ts'
import { createWaits, type WaitDeps } from '../../flow/upload/wait-for-image.ts'
import type { Observer } from '../../observe/observer.ts'
import type { EventFeed } from '../../publish/event-feed.ts'
import { receiveFiles, type Allowance, type ReceiveOptions } from '../../receive/receive-files.ts'
import type { BatchKind, BatchStore } from '../../record/batches/batch-store.ts'
import type { ImageStore } from '../../record/images/image-store.ts'
import type { BlobStore } from '../../store/blob-store.ts'
import type { DiskReserve } from '../../store/disk-reserve.ts'
import { one } from '../answers.ts'
import { FILES, ONE_FILE, RECEIVING } from '../body/multipart.ts'
import { addEndpoint } from '../endpoint.ts'
import { IDEMPOTENCY_KEY, keyOf } from '../wire/idempotency-key.ts'
import { observeFiles } from '../hooks/observe-requests.ts'
import { sendProblem } from '../hooks/problem.ts'
import { toApiImage } from '../wire/images.ts'

export interface UploadLimits {
  maxFileBytes: number
  maxFiles: number
  maxPending: number
  uploadIdleTimeoutMs: number
  syncWaitMs: number
  batchTtlHours: number
}

type Deps = UploadOnceDeps &
  UploadDeclaredDeps &
  WaitDeps &
  BackpressureDeps &
  AllowanceDeps & {
    blobs: Pick<BlobStore, 'stage' | 'discard'>
    images: Pick<ImageStore, 'getInBatch'>
    batches: Pick<BatchStore, 'isDeclared'>
    feed: Pick<EventFeed, 'position'>
    reserve: Pick<DiskReserve, 'check'>
    limits: UploadLimits
    observer?: Observer | undefined
    /** Called with the size of each chunk of a body, in bytes. */
    onBodyBytes?: ((bytes: number) => void) | undefined
  }

const answerWith = (message: (taken: number) => string) => (upload: Upload) =>
  JSON.stringify({
    message: message(upload.images.length),
    job_id: upload.batchId,
    images: upload.images.map(toApiImage),
    rejected: upload.rejected,
  } satisfies ApiInitiated)

const asyncAnswer = answerWith(() => 'Images upload initiated')
const batchAnswer = answerWith((taken) => `Batch upload of ${taken} images initiated`)

/** Errors of an endpoint that waits for an image to be processed. */
const PROCESSING: ErrorCode[] = [
  'invalid_image',
  'image_too_large',
  'too_many_frames',
  'no_still_image',
  'metadata_too_large',
  'original_missing',
  'original_damaged',
  'not_enough_memory',
  'processing_crashed',
  'processing_timeout',
]

const received = new WeakSet<IncomingMessage>()

/** Whether the body of a request is received as a stream of files, which has a limit of silence instead of one for the whole. */
export const isReceivedAsUpload = (request: IncomingMessage): boolean => received.has(request)

export async function uploadRoutes(fastify: FastifyInstance, deps: Deps): Promise<void> {
  // Bodies are not parsed before the handler: they are received as a stream.
  fastify.removeAllContentTypeParsers()
  fastify.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
  const checkRoom = createBackpressure(deps, deps.limits.maxPending)
  const waitForImage = createWaits(deps)
  fastify.addHook('preParsing', async ({ headers, raw }) => {
    received.add(raw)
    await Promise.all([checkRoom(), deps.reserve.check()])
    const encoding = headers['content-encoding']
    if (encoding !== undefined && encoding !== 'identity') throw new CalotypeError('unsupported_encoding')
    if (!/^multipart\/form-data\b/i.test(headers['content-type'] ?? '')) throw new CalotypeError('not_multipart')
  })
  // One that is cut off by the stop of the server still has to be undone before the database closes.
  const arriving = new Set<Promise<unknown>>()
  fastify.addHook('onClose', async () => void (await Promise.allSettled(arriving)))

  async function finishing<T>(taking: Promise<T>): Promise<T> {
    arriving.add(taking)
    return taking.finally(() => arriving.delete(taking))
  }

  async function take(request: FastifyRequest, kind: BatchKind, answer: ((upload: Upload) => string) | null) {
    const key = keyOf(request)
    const ownerId = request.principal.userId
    const files = receive(deps, request, kind, await allowanceOf(deps, request.principal))
    const taken = await finishing(uploadOnce(deps, { kind, ownerId, files, key, answer }))
    failpoint('upload-taken')
    if ('upload' in taken) logUpload(request, taken.upload)
    return taken
  }

  const known = { access: 'upload', tag: 'Uploads', headers: IDEMPOTENCY_KEY } as const

  addEndpoint(fastify, {
    ...known,
    route: 'POST /api/upload',
    summary: 'Upload one image and wait for the outcome',
    body: ONE_FILE,
    answers: {
      200: one('The image is developed', uploaded),
      202: one('It is safe, but not developed in time', uploaded, {
        example: stillProcessing,
        headers: { Location: 'Where the image is' },
      }),
    },
    errors: [...RECEIVING, 'one_file_only', 'not_found', 'idempotency_conflict', ...PROCESSING],
    async handler(request, reply) {
      const before = deps.feed.position()
      const taken = await take(request, 'sync', null)
      // Of the image of an earlier request, what was announced until now is older than its row.
      const since = 'upload' in taken ? before : deps.feed.position()
      const image = 'upload' in taken ? taken.upload.images[0] : await deps.images.getInBatch(taken.batchId, 0, seesOf(request.principal))
      const outcome = image && (await waitForImage(image, since, deps.limits.syncWaitMs))
      if (!outcome || outcome.status === 'aborted') throw new CalotypeError('not_found', 'The image was deleted before it was done.')
      if (outcome.status === 'completed') return { message: 'Image uploaded successfully', image: toApiImage(outcome) }
      if (outcome.status === 'error') {
        const { code, error } = outcome.failure ?? { code: 'internal', error: ERRORS.internal }
        return sendProblem(reply, new CalotypeError(code, error), { image: toApiImage(outcome) })
      }
      reply.code(202).header('location', `/api/images/${outcome.id}`)
      return { message: 'Image is still being processed', image: toApiImage(outcome) }
    },
  })

  addEndpoint(fastify, {
    ...known,
    route: 'POST /api/async/upload',
    summary: 'Upload images and go on as soon as they are safe',
    description:
      'One bad file does not sink the others: it is listed in `rejected`. If nothing was acceptable, the answer is an error with the code of the first file, and has `rejected` all the same. A name longer than 1,024 bytes of UTF-8 is cut and ends in `…` and its extension; a part whose header is longer than 8 KiB is rejected.',
    body: FILES,
    answers: { 202: one('All that was taken is durable', initiated) },
    errors: [...RECEIVING, 'too_many_files', 'idempotency_conflict'],
    handler: (request, reply) => initiate(request, reply, 'async', asyncAnswer),
  })

  addEndpoint(fastify, {
    ...known,
    route: 'POST /api/async/batch/upload',
    summary: 'Upload images as one batch, or files of a declared batch',
    description:
      'With `?batch=` the files belong to a declared batch: before each file a field `index` says its place in the declaration. It can be repeated: what came before changes nothing.',
    unchecked: { batch: EXAMPLE_IDS.batch },
    body: FILES,
    answers: {
      202: one('All that was taken is durable', initiated, {
        example: { ...initiated.example, message: 'Batch upload of 1 images initiated' },
      }),
    },
    errors: [
      ...RECEIVING,
      'too_many_files',
      'idempotency_conflict',
      'not_found',
      'not_declared',
      'declaration_mismatch',
      'batch_cancelled',
      'batch_expired',
    ],
    handler(request, reply) {
      const { batch } = request.query as { batch?: unknown }
      return batch === undefined ? initiate(request, reply, 'batch', batchAnswer) : takeDeclared(request, reply, batch)
    },
  })

  async function initiate(request: FastifyRequest, reply: FastifyReply, kind: BatchKind, answer: (upload: Upload) => string) {
    const taken = await take(request, kind, answer)
    const text = 'upload' in taken ? answer(taken.upload) : taken.answer
    return reply.type('application/json; charset=utf-8').send(text)
  }

  /** An Idempotency-Key is not asked for: each file has its place, and is taken there once. */
  async function takeDeclared(request: FastifyRequest, reply: FastifyReply, batch: unknown) {
    const owner = seesOf(request.principal)
    if (typeof batch !== 'string' || !(await deps.batches.isDeclared(batch, owner))) {
      throw new CalotypeError('not_found', 'There is no such batch. Declare it with POST /api/batches, or send the files without one.')
    }
    const files = receive(deps, request, 'batch', await allowanceOf(deps, request.principal), 'index')
    const upload = await finishing(uploadDeclared(deps, batch, files, owner))
    failpoint('upload-taken')
    logUpload(request, upload)
    const first = upload.rejected[0]
    if (first && upload.images.length === 0) throw noneTaken(first, upload.rejected)
    return reply.type('application/json; charset=utf-8').send(batchAnswer(upload))
  }
}

// A batch has thousands: its id finds them.
const MOST_IDS_LOGGED = 10

function logUpload({ log }: FastifyRequest, { batchId, images, rejected }: Upload) {
  const ids = images.slice(0, MOST_IDS_LOGGED).map(({ id }) => id)
  const codes = rejected.map(({ code }) => code)
  const reasons = Object.fromEntries([...new Set(codes)].map((code) => [code, codes.filter((one) => one === code).length]))
  log.info({ batch: batchId, taken: images.length, image: ids.length === 1 ? ids[0] : ids, rejected: reasons }, 'upload taken')
}

function receive(
  { limits, blobs, observer, onBodyBytes }: Deps,
  request: FastifyRequest,
  kind: BatchKind,
  allowance: Allowance | null,
  indexField?: string,
) {
  const receiving = (how: ReceiveOptions) => receiveFiles(request.body as Readable, request.headers['content-type'] ?? '', how)
  const options: ReceiveOptions = {
    field: kind === 'sync' ? 'image' : 'images',
    ...(indexField !== undefined && { indexField }),
    ...(allowance !== null && { allowance }),
    maxFiles: kind === 'sync' ? 1 : limits.maxFiles,
    maxFileBytes: limits.maxFileBytes,
    idleTimeoutMs: limits.uploadIdleTimeoutMs,
    stage: () => blobs.stage(),
    discard: (path) => blobs.discard(path),
    onBytes: onBodyBytes,
  }
  return observer ? observeFiles(observer, options, receiving) : receiving(options)
}
