// Batches for programs: declared before their files are sent, counted, paged through by state, cancelled, tried again.
import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { seesOf } from '../../access.ts'
import type { AuditLog } from '../../accounts/audit/audit-log.ts'
import type { ApiBatch, ApiBatchFile, ApiDeclared } from '../../api.ts'
import { CalotypeError } from '../../errors.ts'
import { allowanceOf, type AllowanceDeps } from '../../flow/upload/allowance.ts'
import { createBackpressure, type BackpressureDeps } from '../../flow/upload/backpressure.ts'
import { cancelBatch, type CancelBatchDeps } from '../../flow/batches/cancel-batch.ts'
import { declareBatch, type DeclareBatchDeps } from '../../flow/batches/declare-batch.ts'
import { retryBatch, type RetryBatchDeps } from '../../flow/batches/retry-batch.ts'
import { FILE_STATUSES } from '../../image.ts'
import type { Batch, BatchFile, BatchStore, Declared } from '../../record/batches/batch-store.ts'
import { declaration, MAX_DECLARATION_BYTES, readDeclaration } from '../body/declaration.ts'
import { createTurns, type Turn } from '../body/turns.ts'
import { drainRefused } from '../hooks/drain-refused.ts'
import { keyOf } from '../wire/idempotency-key.ts'
import { found, linkNext } from '../wire/keyset.ts'
import { actorOf } from '../access/principal.ts'
import type { UploadLimits } from './uploads.ts'
import { toApiImage } from '../wire/images.ts'

type Deps = DeclareBatchDeps &
  CancelBatchDeps &
  RetryBatchDeps &
  BackpressureDeps &
  AllowanceDeps & { batches: Pick<BatchStore, 'list' | 'get' | 'listFiles'>; limits: UploadLimits; audit: AuditLog }

// Smaller ones are read whenever they come.
const LARGE_BODY_BYTES = 64 * 1024
/**
 * Of declarations with large bodies, from the first byte to the answer: each may take 50 MB while its rows are written. A body that takes its
 * time gives way to others.
 */
const TURNS = { most: 4, mostEach: 2, mostWaiting: 200, waitMs: 20_000, holdMs: 10_000 }
const MAX_FILES_PAGE = 1_000
// Each of its batches is counted.
const MAX_BATCHES_PAGE = 100

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
  const { limits, audit } = deps
  const typed = fastify.withTypeProvider<ZodTypeProvider>()
  await fastify.register(declarationRoute, deps)

  typed.get('/api/batches', { schema: { querystring: batchesQuery }, config: { access: 'read' } }, async (request, reply) => {
    const { query, url, principal } = request
    const { batches, next } = await deps.batches.list(given(query), seesOf(principal))
    return linkNext(reply, url, next).send(batches.map(toApiBatch))
  })

  typed.get(
    '/api/batches/:id',
    { schema: { querystring: batchQuery, params: z.object({ id: z.string() }) }, config: { access: 'read' } },
    async ({ params, query, url, principal }, reply) => {
      const owner = seesOf(principal)
      const { status, ...page } = query
      if (status === undefined) return toApiBatch(found(await deps.batches.get(params.id, owner)))
      const { files, next } = found(await deps.batches.listFiles({ batchId: params.id, status, ...given(page) }, owner))
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
  const checkRoom = createBackpressure(deps, maxPending)
  const takeTurn = createBodyTurns()
  fastify.addHook('preParsing', async (request, reply) => {
    await checkRoom()
    // Nothing is read for who may declare nothing.
    await allowanceOf(deps, request.principal)
    await takeTurn.begin(request, reply)
  })
  fastify.removeAllContentTypeParsers()
  fastify.addContentTypeParser('application/json', async (request: FastifyRequest, body: IncomingMessage) => {
    const read = await readDeclaration(body, takeTurn.signalOf(request))
    takeTurn.keep(request)
    return read
  })
  fastify.addContentTypeParser('*', (_request, _payload, done) => done(new CalotypeError('not_json')))
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
          files,
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

/** Turns of requests whose bodies are large, or of a length they don't tell; they end with the answer, or with the connection. */
function createBodyTurns() {
  const turns = createTurns(TURNS)
  const held = new WeakMap<FastifyRequest, Turn>()
  return {
    async begin(request: FastifyRequest, { raw }: FastifyReply): Promise<void> {
      if (Number(request.headers['content-length'] ?? Infinity) <= LARGE_BODY_BYTES) return
      const gone = new AbortController()
      raw.once('close', () => {
        gone.abort(new CalotypeError('bad_request', 'The body was cut off.'))
        held.get(request)?.end()
      })
      const turn = await turns.take(request.principal.userId ?? request.ip, gone.signal)
      held.set(request, turn)
      if (gone.signal.aborted) turn.end()
    },
    signalOf: (request: FastifyRequest) => held.get(request)?.signal,
    keep: (request: FastifyRequest) => held.get(request)?.keep(),
  }
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
