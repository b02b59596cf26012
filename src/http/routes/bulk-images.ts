// Many images at once: counted by a filter; deleted or tried again by their ids.
import type { FastifyInstance } from 'fastify'
import { seesOf } from '../../access.ts'
import type { AuditLog } from '../../accounts/audit/audit-log.ts'
import { EXAMPLE_IDS } from '../../api/common.ts'
import { countQuery, deletedImages, imageCount, manyImages, retriedImages } from '../../api/images.ts'
import { deleteImages, type DeleteImagesDeps } from '../../flow/images/delete-images.ts'
import { retryImages, type RetryImagesDeps } from '../../flow/images/retry-images.ts'
import type { ImageStore } from '../../record/images/image-store.ts'
import { actorOf } from '../access/principal.ts'
import { one } from '../answers.ts'
import { addEndpoint, takeJsonOnly } from '../endpoint.ts'
import { defined } from '../wire/lists.ts'

type Deps = DeleteImagesDeps & RetryImagesDeps & { images: Pick<ImageStore, 'count'>; audit: AuditLog }

export async function bulkImageRoutes(fastify: FastifyInstance, deps: Deps): Promise<void> {
  takeJsonOnly(fastify)
  const body = { schema: manyImages, example: { ids: [EXAMPLE_IDS.image] } }

  addEndpoint(fastify, {
    route: 'GET /api/images/count',
    access: 'read',
    tag: 'Images',
    summary: 'Count images by a filter',
    query: countQuery,
    examples: { q: 'harbour', status: 'completed', format: 'jpeg', batch: EXAMPLE_IDS.batch },
    answers: { 200: one('How many there are', imageCount) },
    noStore: true,
    handler: async ({ query, principal }) => ({ images: await deps.images.count(defined(query), seesOf(principal)) }),
  })

  addEndpoint(fastify, {
    route: 'POST /api/images/delete',
    access: 'delete',
    tag: 'Images',
    summary: 'Delete many images',
    body,
    answers: { 200: one('How many went', deletedImages) },
    async handler(request) {
      const deleted = await deleteImages(deps, request.body.ids, seesOf(request.principal))
      if (deleted > 0) await deps.audit.record({ actor: actorOf(request), action: 'images.deleted', detail: { images: deleted } })
      return { deleted }
    },
  })

  addEndpoint(fastify, {
    route: 'POST /api/images/retry',
    access: 'upload',
    tag: 'Images',
    summary: 'Develop many failed images again',
    body,
    answers: { 202: one('How many wait', retriedImages) },
    async handler(request) {
      const retried = await retryImages(deps, request.body.ids, seesOf(request.principal))
      if (retried > 0) await deps.audit.record({ actor: actorOf(request), action: 'images.retried', detail: { images: retried } })
      return { retried }
    },
  })
}
