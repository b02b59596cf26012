// Images and batches for administrators: everyone's, with their owners; and what became of one, step by step.
import type { FastifyInstance } from 'fastify'
import type { AccountStore } from '../../../accounts/account-store.ts'
import { adminBatch, adminBatchesQuery, adminImage, adminImagesQuery, imageDetail } from '../../../api/admin.ts'
import { byId, EXAMPLE_IDS } from '../../../api/common.ts'
import { readTimeline } from '../../../flow/admin/read-timeline.ts'
import type { BatchStore } from '../../../record/batches/batch-store.ts'
import type { ImageStore } from '../../../record/images/image-store.ts'
import type { WorkStore } from '../../../record/work/work-store.ts'
import { one, page } from '../../answers.ts'
import { addEndpoint } from '../../endpoint.ts'
import { toAdminBatches, toAdminImages, toApiTimeline } from '../../wire/admin.ts'
import { defined, found, linkNext } from '../../wire/lists.ts'

export interface AdminImagesDeps {
  images: Pick<ImageStore, 'list' | 'get'>
  work: Pick<WorkStore, 'doneFor'>
  batches: Pick<BatchStore, 'list'>
  accounts: AccountStore
}

export async function adminImageRoutes(fastify: FastifyInstance, { images, work, batches, accounts }: AdminImagesDeps): Promise<void> {
  const admin = { access: 'admin', tag: 'Administration', noStore: true } as const

  addEndpoint(fastify, {
    ...admin,
    route: 'GET /api/admin/images',
    summary: 'Everyone’s images',
    query: adminImagesQuery,
    examples: { q: 'harbour', status: 'error', sort: '-size', limit: 100 },
    answers: { 200: page('A page', adminImage) },
    async handler({ query, url }, reply) {
      const { images: listed, next } = await images.list(defined(query), null)
      linkNext(reply, url, next)
      return toAdminImages(accounts, work, listed)
    },
  })

  addEndpoint(fastify, {
    ...admin,
    route: 'GET /api/admin/images/:id',
    summary: 'An image and its timeline',
    params: byId,
    examples: { id: EXAMPLE_IDS.image },
    answers: { 200: one('The image', imageDetail) },
    async handler({ params: { id } }) {
      const image = found(await images.get(id, null))
      const [shown] = await toAdminImages(accounts, work, [image])
      const done = found((await work.doneFor([id])).get(id) ?? null)
      return { ...shown!, timeline: toApiTimeline(readTimeline(image, done)) }
    },
  })

  addEndpoint(fastify, {
    ...admin,
    route: 'GET /api/admin/batches',
    summary: 'Everyone’s batches',
    query: adminBatchesQuery,
    examples: { state: 'open', limit: 20 },
    answers: { 200: page('A page, newest first', adminBatch) },
    async handler({ query, url }, reply) {
      const { batches: listed, next } = await batches.list(defined(query), null)
      linkNext(reply, url, next)
      return toAdminBatches(accounts, listed)
    },
  })
}
