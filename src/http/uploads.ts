// The three ways in: one file and its outcome, several files, a batch. They differ in what they wait for and in what they answer.
import type { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ApiInitiated, ApiUploaded } from '../api.ts'
import { CalotypeError, ERRORS } from '../errors.ts'
import { createBackpressure } from '../flow/backpressure.ts'
import { uploadOnce } from '../flow/repeat-upload.ts'
import type { Upload, UploadDeps } from '../flow/upload.ts'
import { waitForImage } from '../flow/wait-for-image.ts'
import { receiveFiles } from '../receive/receive-files.ts'
import type { BatchKind } from '../record/image-store.ts'
import { sendProblem } from './problem.ts'
import { toApiImage } from './wire.ts'

export interface UploadLimits {
  maxFileBytes: number
  maxFiles: number
  maxPending: number
  uploadIdleTimeoutMs: number
  syncWaitMs: number
}

type Deps = UploadDeps & { limits: UploadLimits }

// Who was refused in the middle of sending reads the answer only when done with it: so much longer we listen.
const DRAIN_MS = 5_000
const MAX_KEY_LENGTH = 255

const initiated = (message: (taken: number) => string) => (upload: Upload) =>
  JSON.stringify({
    message: message(upload.images.length),
    job_id: upload.batchId,
    images: upload.images.map(toApiImage),
    rejected: upload.rejected,
  } satisfies ApiInitiated)

const asyncAnswer = initiated(() => 'Images upload initiated')
const batchAnswer = initiated((taken) => `Batch upload of ${taken} images initiated`)

export async function uploadRoutes(fastify: FastifyInstance, deps: Deps): Promise<void> {
  // Bodies are not parsed before the handler: they are received as a stream.
  fastify.removeAllContentTypeParsers()
  fastify.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
  const checkRoom = createBackpressure(deps, deps.limits.maxPending)
  fastify.addHook('preParsing', async ({ headers }) => {
    await checkRoom()
    const encoding = headers['content-encoding']
    if (encoding !== undefined && encoding !== 'identity') throw new CalotypeError('unsupported_encoding')
    if (!/^multipart\/form-data\b/i.test(headers['content-type'] ?? '')) throw new CalotypeError('not_multipart')
  })
  fastify.addHook('onError', async (request) => drain(request.raw))
  // One that is cut off by the stop of the server still has to be undone before the database closes.
  const arriving = new Set<Promise<unknown>>()
  fastify.addHook('onClose', async () => void (await Promise.allSettled(arriving)))

  async function take(request: FastifyRequest, kind: BatchKind, answer: ((upload: Upload) => string) | null) {
    const taking = receiveAndUpload(deps, request, kind, answer)
    arriving.add(taking)
    return taking.finally(() => arriving.delete(taking))
  }

  fastify.post('/api/upload', async (request, reply) => {
    const taken = await take(request, 'sync', null)
    const image = 'upload' in taken ? taken.upload.images[0] : await deps.images.getInBatch(taken.batchId, 0)
    const outcome = image && (await waitForImage(deps, image, deps.limits.syncWaitMs))
    if (!outcome || outcome.status === 'aborted') throw new CalotypeError('not_found', 'The image was deleted before it was done.')
    const body = (message: string): ApiUploaded => ({ message, image: toApiImage(outcome) })
    if (outcome.status === 'completed') return body('Image uploaded successfully')
    if (outcome.status === 'error') {
      const { code, error } = outcome.failure ?? { code: 'internal', error: ERRORS.internal }
      return sendProblem(reply, new CalotypeError(code, error), { image: toApiImage(outcome) })
    }
    return reply.code(202).header('location', `/api/images/${outcome.id}`).send(body('Image is still being processed'))
  })

  fastify.post('/api/async/upload', (request, reply) => initiate(request, reply, 'async', asyncAnswer))
  fastify.post('/api/async/batch/upload', (request, reply) => initiate(request, reply, 'batch', batchAnswer))

  async function initiate(request: FastifyRequest, reply: FastifyReply, kind: BatchKind, answer: (upload: Upload) => string) {
    const taken = await take(request, kind, answer)
    const text = 'upload' in taken ? answer(taken.upload) : taken.answer
    return reply.code(202).type('application/json; charset=utf-8').send(text)
  }
}

async function receiveAndUpload(deps: Deps, request: FastifyRequest, kind: BatchKind, answer: ((upload: Upload) => string) | null) {
  const { limits, blobs } = deps
  const key = request.headers['idempotency-key']
  if (key !== undefined && (typeof key !== 'string' || key.length === 0 || key.length > MAX_KEY_LENGTH)) {
    throw new CalotypeError('bad_request', `An Idempotency-Key has 1 to ${MAX_KEY_LENGTH} characters.`)
  }
  const files = receiveFiles(request.body as Readable, request.headers as { 'content-type': string }, {
    field: kind === 'sync' ? 'image' : 'images',
    maxFiles: kind === 'sync' ? 1 : limits.maxFiles,
    maxFileBytes: limits.maxFileBytes,
    idleTimeoutMs: limits.uploadIdleTimeoutMs,
    stage: () => blobs.stage(),
    discard: (path) => blobs.discard(path),
  })
  return uploadOnce(deps, { kind, files, key, answer })
}

/** Reads on for a while what a refused client still sends: a connection closed in its face would take the answer with it. */
async function drain(body: Readable): Promise<void> {
  if (body.readableEnded || body.destroyed) return
  const ended = new Promise<void>((resolve) => body.once('end', resolve).once('close', resolve))
  const timeout = Promise.withResolvers<void>()
  const timer = setTimeout(timeout.resolve, DRAIN_MS)
  body.resume()
  await Promise.race([ended, timeout.promise])
  clearTimeout(timer)
}
