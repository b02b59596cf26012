// Batches for programs: declared before their files are sent, counted, paged through by state, cancelled, tried again.
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { seesOf } from '../access.ts'
import type { AuditLog } from '../accounts/audit-log.ts'
import type { ApiBatch, ApiBatchFile, ApiDeclared } from '../api.ts'
import { CalotypeError } from '../errors.ts'
import { createBackpressure } from '../flow/backpressure.ts'
import { cancelBatch } from '../flow/cancel-batch.ts'
import { declareBatch } from '../flow/declare-batch.ts'
import { retryBatch } from '../flow/retry-batch.ts'
import type { UploadDeps } from '../flow/upload.ts'
import { FILE_STATUSES } from '../image.ts'
import type { Batch, BatchFile, Declared } from '../record/batch-ledger.ts'
import { drainRefused } from './drain.ts'
import { keyOf } from './idempotency-key.ts'
import { found, linkNext } from './keyset.ts'
import { listOf } from './list-of.ts'
import { actorOf } from './principal.ts'
import type { UploadLimits } from './uploads.ts'
import { toApiImage } from './wire.ts'

type Deps = UploadDeps & { limits: UploadLimits; audit: AuditLog }

const MAX_DECLARED = 20_000
const MAX_DECLARATION_BYTES = 16 * 1024 * 1024
// As in the header of a part of an upload.
const MAX_NAME_LENGTH = 64 * 1024
const MAX_FILES_PAGE = 1_000
// Each of its batches is counted.
const MAX_BATCHES_PAGE = 100

const fileToDeclare = z.object({
  name: z.string().max(MAX_NAME_LENGTH),
  size: z.int().min(0),
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'expected 64 lower-case hexadecimal digits')
    .optional(),
})
const declaration = z.object({
  files: listOf(fileToDeclare, MAX_DECLARED, 'Expected an array of files', 1),
})
const cursor = z.string().max(2_000).optional()
const batchesQuery = z.object({ limit: z.coerce.number().int().min(1).max(MAX_BATCHES_PAGE).default(20), cursor })
const batchQuery = z.object({
  status: z.enum([...FILE_STATUSES, 'all']).optional(),
  limit: z.coerce.number().int().min(1).max(MAX_FILES_PAGE).default(100),
  cursor,
})

const answerOf = ({ batchId, expiresAt, files }: Declared) =>
  JSON.stringify({
    id: batchId,
    declared: files.length,
    expires_at: new Date(expiresAt).toISOString(),
    files: files.map((file) => {
      if (file === null) return { state: 'needed' }
      return 'image' in file ? { state: 'known', image: file.image.id } : { state: 'rejected', ...file.failure }
    }),
  } satisfies ApiDeclared)

export async function batchRoutes(fastify: FastifyInstance, deps: Deps): Promise<void> {
  const { images, limits, audit } = deps
  const typed = fastify.withTypeProvider<ZodTypeProvider>()
  await fastify.register(declarationRoute, deps)

  typed.get('/api/batches', { schema: { querystring: batchesQuery }, config: { access: 'read' } }, async (request, reply) => {
    const { query, url, principal } = request
    const { batches, next } = await images.batches(given(query), seesOf(principal))
    return linkNext(reply, url, next).send(batches.map(toApiBatch))
  })

  typed.get(
    '/api/batches/:id',
    { schema: { querystring: batchQuery, params: z.object({ id: z.string() }) }, config: { access: 'read' } },
    async ({ params, query, url, principal }, reply) => {
      const owner = seesOf(principal)
      const { status, ...page } = query
      if (status === undefined) return toApiBatch(found(await images.batch(params.id, owner)))
      const { files, next } = found(await images.batchFiles({ batchId: params.id, status, ...given(page) }, owner))
      return linkNext(reply, url, next).send(files.map(toApiBatchFile))
    },
  )

  // Who may upload may think better of it, and try again.
  const config = { access: 'upload' } as const
  fastify.post<{ Params: { id: string } }>('/api/batches/:id/cancel', { config }, async (request) => {
    const batch = found(await cancelBatch(deps, request.params.id, seesOf(request.principal)))
    await audit.record({ actor: actorOf(request), action: 'batch.cancelled', target: { kind: 'batch', id: batch.id } })
    return toApiBatch(batch)
  })

  fastify.post<{ Params: { id: string } }>('/api/batches/:id/retry', { config }, async (request, reply) => {
    const batch = found(await retryBatch(deps, request.params.id, limits.maxFileBytes, seesOf(request.principal)))
    await audit.record({ actor: actorOf(request), action: 'batch.retried', target: { kind: 'batch', id: batch.id } })
    return reply.code(202).send(toApiBatch(batch))
  })
}

async function declarationRoute(fastify: FastifyInstance, deps: Deps): Promise<void> {
  const { maxFileBytes, maxPending, batchTtlHours } = deps.limits
  fastify.removeContentTypeParser('text/plain')
  fastify.addContentTypeParser('*', (_request, _payload, done) => done(new CalotypeError('not_json')))
  const checkRoom = createBackpressure(deps, maxPending)
  fastify.addHook('preParsing', checkRoom)
  fastify.addHook('preValidation', async ({ body }) => {
    const files = (body as { files?: unknown } | null)?.files
    if (!Array.isArray(files) || files.length <= MAX_DECLARED) return
    throw new CalotypeError('too_many_files', `One batch takes ${MAX_DECLARED} files. Declare the rest in further batches.`)
  })
  drainRefused(fastify)

  fastify
    .withTypeProvider<ZodTypeProvider>()
    .post(
      '/api/batches',
      { schema: { body: declaration }, bodyLimit: MAX_DECLARATION_BYTES, config: { access: 'upload' } },
      async (request, reply) => {
        const { body, principal } = request
        const { files } = body
        const { batchId, answer } = await declareBatch(deps, {
          files: files.map(({ name, size, sha256 = null }) => ({ name, size, sha256 })),
          ownerId: principal.userId,
          sees: seesOf(principal),
          key: keyOf(request),
          answer: answerOf,
          maxFileBytes,
          batchTtlHours,
        })
        return reply.code(201).header('location', `/api/batches/${batchId}`).type('application/json; charset=utf-8').send(answer)
      },
    )
}

/** Zod says `undefined` where a parameter was not given; a query leaves it out. */
const given = ({ limit, cursor }: { limit: number; cursor?: string | undefined }) => ({ limit, ...(cursor !== undefined && { cursor }) })

const isoTime = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString())

export function toApiBatch({ id, kind, createdAt, receivedAt, finishedAt, expiresAt, declared, counts }: Batch): ApiBatch {
  return {
    id,
    kind,
    created_at: new Date(createdAt).toISOString(),
    received_at: isoTime(receivedAt),
    finished_at: isoTime(finishedAt),
    expires_at: isoTime(expiresAt),
    declared,
    ...counts,
  }
}

const toApiBatchFile = ({ index, name, size, status, image, failure }: BatchFile): ApiBatchFile => ({
  index,
  name,
  size,
  status,
  image: image && toApiImage(image),
  code: failure?.code ?? null,
  error: failure?.error ?? null,
})
