// Many images at once: counted by a filter; deleted or tried again by their ids.
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { seesOf } from '../../access.ts'
import type { AuditLog } from '../../accounts/audit/audit-log.ts'
import type { ApiCount, ApiDeleted, ApiRetried } from '../../api.ts'
import { CalotypeError } from '../../errors.ts'
import { deleteImages, type DeleteImagesDeps } from '../../flow/images/delete-images.ts'
import { retryImages, type RetryImagesDeps } from '../../flow/images/retry-images.ts'
import type { ImageStore } from '../../record/images/image-store.ts'
import { defined, imageFilter } from '../wire/image-filter.ts'
import { listOf } from '../wire/list-of.ts'
import { actorOf } from '../access/principal.ts'

const MAX_IDS = 1_000

const countQuery = z.object(imageFilter)
const manyBody = z.object({
  ids: listOf(z.uuid('Expected the id of an image'), MAX_IDS, 'Expected an array of ids of images'),
})

type Deps = DeleteImagesDeps &
  RetryImagesDeps & {
    images: Pick<ImageStore, 'count'>
    audit: AuditLog
  }

/** Adds `GET /api/images/count`, `POST /api/images/delete` and `POST /api/images/retry`. */
export async function manyRoutes(fastify: FastifyInstance, deps: Deps): Promise<void> {
  fastify.removeContentTypeParser('text/plain')
  fastify.addContentTypeParser('*', (_request, _payload, done) => done(new CalotypeError('not_json')))
  const typed = fastify.withTypeProvider<ZodTypeProvider>()

  typed.get('/api/images/count', { schema: { querystring: countQuery }, config: { access: 'read' } }, async ({ query, principal }, reply) =>
    reply
      .header('cache-control', 'no-store')
      .send({ images: await deps.images.count(defined(query), seesOf(principal)) } satisfies ApiCount),
  )

  typed.post('/api/images/delete', { schema: { body: manyBody }, config: { access: 'delete' } }, async (request) => {
    const deleted = await deleteImages(deps, request.body.ids, seesOf(request.principal))
    if (deleted > 0) await deps.audit.record({ actor: actorOf(request), action: 'images.deleted', detail: { images: deleted } })
    return { deleted } satisfies ApiDeleted
  })

  typed.post('/api/images/retry', { schema: { body: manyBody }, config: { access: 'upload' } }, async (request, reply) => {
    const retried = await retryImages(deps, request.body.ids, seesOf(request.principal))
    if (retried > 0) await deps.audit.record({ actor: actorOf(request), action: 'images.retried', detail: { images: retried } })
    return reply.code(202).send({ retried } satisfies ApiRetried)
  })
}
