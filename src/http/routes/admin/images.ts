// Images and batches for administrators: everyone's, with their owners; and what became of one, step by step.
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { ApiImageDetail } from '../../../api-admin.ts'
import type { AccountStore } from '../../../accounts/account-store.ts'
import { readTimeline } from '../../../flow/admin/read-timeline.ts'
import type { BatchStore } from '../../../record/batches/batch-store.ts'
import type { ImageStore } from '../../../record/images/image-store.ts'
import type { WorkStore } from '../../../record/work/work-store.ts'
import { adminFilter, page, period, toAdminBatches, toAdminImages, toApiTimeline } from '../../wire/admin.ts'
import { defined, imageSort } from '../../wire/image-filter.ts'
import { found, linkNext } from '../../wire/keyset.ts'

// Each of its batches is counted.
const MAX_BATCHES_PAGE = 100

const imagesQuery = z.object({ ...page, ...adminFilter, ...imageSort })
const batchesQuery = z.object({
  ...page,
  ...period,
  limit: z.coerce.number().int().min(1).max(MAX_BATCHES_PAGE).default(50),
  state: z.enum(['open', 'done', 'failed']).optional(),
})
const params = z.object({ id: z.uuid() })

export interface AdminImagesDeps {
  images: Pick<ImageStore, 'list' | 'get'>
  work: Pick<WorkStore, 'doneFor'>
  batches: Pick<BatchStore, 'list'>
  accounts: AccountStore
}

/** Adds `GET /api/admin/images`, `GET /api/admin/images/:id` and `GET /api/admin/batches`. */
export async function adminImageRoutes(fastify: FastifyInstance, { images, work, batches, accounts }: AdminImagesDeps): Promise<void> {
  fastify.addHook('onSend', async (_request, reply) => void reply.header('cache-control', 'no-store'))
  const typed = fastify.withTypeProvider<ZodTypeProvider>()
  const config = { access: 'admin' } as const

  typed.get('/api/admin/images', { config, schema: { querystring: imagesQuery } }, async ({ query, url }, reply) => {
    const { images: listed, next } = await images.list(defined(query), null)
    return linkNext(reply, url, next).send(await toAdminImages(accounts, work, listed))
  })

  typed.get('/api/admin/images/:id', { config, schema: { params } }, async ({ params: { id } }): Promise<ApiImageDetail> => {
    const image = found(await images.get(id, null))
    const [shown] = await toAdminImages(accounts, work, [image])
    const done = found((await work.doneFor([id])).get(id) ?? null)
    return { ...shown!, timeline: toApiTimeline(readTimeline(image, done)) }
  })

  typed.get('/api/admin/batches', { config, schema: { querystring: batchesQuery } }, async ({ query, url }, reply) => {
    const { batches: listed, next } = await batches.list(defined(query), null)
    return linkNext(reply, url, next).send(await toAdminBatches(accounts, listed))
  })
}
