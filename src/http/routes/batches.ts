// Batches for programs: declared before their files are sent, counted, paged through by state, cancelled, tried again.
import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { seesOf } from '../../access.ts'
import type { AuditLog } from '../../accounts/audit/audit-log.ts'
import { batch, batchesQuery, batchFile, batchQuery, declared } from '../../api/batches.ts'
import { EXAMPLE_IDS } from '../../api/common.ts'
import { CalotypeError } from '../../errors.ts'
import { cancelBatch, type CancelBatchDeps } from '../../flow/batches/cancel-batch.ts'
import { declareBatch, type DeclareBatchDeps } from '../../flow/batches/declare-batch.ts'
import { retryBatch, type RetryBatchDeps } from '../../flow/batches/retry-batch.ts'
import { allowanceOf, type AllowanceDeps } from '../../flow/upload/allowance.ts'
import { createBackpressure, type BackpressureDeps } from '../../flow/upload/backpressure.ts'
import type { BatchStore } from '../../record/batches/batch-store.ts'
import { actorOf } from '../access/principal.ts'
import { one, oneOrPage, page } from '../answers.ts'
import { declaration, MAX_DECLARATION_BYTES, readDeclaration } from '../body/declaration.ts'
import { createTurns, type Turn } from '../body/turns.ts'
import { addEndpoint } from '../endpoint.ts'
import { toApiBatch, toApiBatchFile, toApiDeclared } from '../wire/batches.ts'
import { IDEMPOTENCY_KEY, keyOf } from '../wire/idempotency-key.ts'
import { defined, found, linkNext } from '../wire/lists.ts'
import type { UploadLimits } from './uploads.ts'

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

const EXAMPLE_FILES = [
  { name: 'harbour.jpg', size: 2_483_112 },
  { name: 'mill.png', size: 81_224, sha256: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08' },
]

export async function batchRoutes(fastify: FastifyInstance, deps: Deps): Promise<void> {
  const { limits, audit } = deps
  await fastify.register(declarationRoute, deps)

  addEndpoint(fastify, {
    route: 'GET /api/batches',
    access: 'read',
    tag: 'Batches',
    summary: 'List batches, newest first',
    query: batchesQuery,
    examples: { limit: 20 },
    answers: { 200: page('A page', batch) },
    async handler({ query, url, principal }, reply) {
      const { batches, next } = await deps.batches.list(defined(query), seesOf(principal))
      linkNext(reply, url, next)
      return batches.map(toApiBatch)
    },
  })

  addEndpoint(fastify, {
    route: 'GET /api/batches/:id',
    access: 'read',
    tag: 'Batches',
    summary: 'Count a batch, or page through its files',
    description: 'Without `status` the ledger of the batch; with it, the files in that state (`all` for all of them).',
    query: batchQuery,
    examples: { id: EXAMPLE_IDS.batch, status: 'all', limit: 100 },
    answers: { 200: oneOrPage('The batch; with `status`, a page of its files', batch, batchFile) },
    async handler({ params, query: { status, ...page }, url, principal }, reply) {
      const owner = seesOf(principal)
      if (status === undefined) return toApiBatch(found(await deps.batches.get(params.id, owner)))
      const { files, next } = found(await deps.batches.listFiles({ batchId: params.id, status, ...defined(page) }, owner))
      linkNext(reply, url, next)
      return files.map(toApiBatchFile)
    },
  })

  // Who may upload may think better of it, and try again.
  const own = { access: 'upload', tag: 'Batches', examples: { id: EXAMPLE_IDS.batch } } as const

  addEndpoint(fastify, {
    ...own,
    route: 'POST /api/batches/:id/cancel',
    summary: 'Cancel what is not done of a batch',
    answers: { 200: one('The batch as it is now', batch, { example: { ...batch.example, pending: 0, aborted: 1 } }) },
    errors: ['still_arriving'],
    async handler(request) {
      const batch = found(await cancelBatch(deps, request.params.id, seesOf(request.principal)))
      await audit.record({ actor: actorOf(request), action: 'batch.cancelled', target: { kind: 'batch', id: batch.id } })
      return toApiBatch(batch)
    },
  })

  addEndpoint(fastify, {
    ...own,
    route: 'POST /api/batches/:id/retry',
    summary: 'Try again what failed in a batch',
    answers: { 202: one('The batch as it is now', batch) },
    errors: ['batch_cancelled', 'batch_expired'],
    async handler(request) {
      const batch = found(await retryBatch(deps, request.params.id, limits.maxFileBytes, seesOf(request.principal)))
      await audit.record({ actor: actorOf(request), action: 'batch.retried', target: { kind: 'batch', id: batch.id } })
      return toApiBatch(batch)
    },
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

  addEndpoint(fastify, {
    route: 'POST /api/batches',
    access: 'upload',
    tag: 'Batches',
    summary: 'Declare a batch before its files are sent',
    description:
      'A file whose bytes are here already, by its SHA-256, is not sent again. The body is at most 16 MiB, a name at most 1,024 bytes of UTF-8, and all names together at most 10 MB. Files that are awaited count against the quota of a day.',
    headers: IDEMPOTENCY_KEY,
    body: { schema: declaration, example: { files: EXAMPLE_FILES } },
    bodyLimit: MAX_DECLARATION_BYTES,
    answers: { 201: one('What became of each file, in the order of the request', declared, { headers: { Location: 'The batch' } }) },
    errors: ['too_many_files', 'names_too_long', 'idempotency_conflict', 'too_many_open_batches', 'quota_exceeded', 'overloaded'],
    async handler(request, reply) {
      const { body, principal } = request
      const { batchId, answer } = await declareBatch(deps, {
        files: body.files,
        ownerId: principal.userId,
        sees: seesOf(principal),
        key: keyOf(request),
        answer: (declared) => JSON.stringify(toApiDeclared(declared)),
        maxFileBytes,
        batchTtlHours,
      })
      return reply.header('location', `/api/batches/${batchId}`).type('application/json; charset=utf-8').send(answer)
    },
  })
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
