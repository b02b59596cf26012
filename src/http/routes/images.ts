// Images for programs: lists by pages, one image; delete and retry.
import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { seesOf, type Owner } from '../../access.ts'
import type { AuditLog } from '../../accounts/audit/audit-log.ts'
import type { ApiImage } from '../../api.ts'
import { CalotypeError } from '../../errors.ts'
import { deleteImage, type DeleteImageDeps } from '../../flow/images/delete-image.ts'
import { retryImage, type RetryImageDeps } from '../../flow/images/retry-image.ts'
import type { ImageStore, Page } from '../../record/images/image-store.ts'
import { defined, imageFilter, imageSort } from '../wire/image-filter.ts'
import { found, linkNext } from '../wire/keyset.ts'
import { actorOf } from '../access/principal.ts'
import { toApiImage } from '../wire/images.ts'

const MAX_PAGE = 1_000
const DEFAULT_PAGE = 100
// A list without a limit is read and sent in pages of this size: large enough to be quick, small enough to hold.
const STREAM_PAGE = 200

const page = { limit: z.coerce.number().int().min(1).max(MAX_PAGE), cursor: z.string().max(2_000).optional() }
const listQuery = z.object({ ...page, limit: page.limit.optional() })
const imagesQuery = z.object({
  ...page,
  limit: page.limit.default(DEFAULT_PAGE),
  ...imageFilter,
  ...imageSort,
})

type Deps = DeleteImageDeps &
  RetryImageDeps & {
    images: Pick<ImageStore, 'list' | 'get'>
    audit: AuditLog
  }

export async function imageRoutes(fastify: FastifyInstance, deps: Deps): Promise<void> {
  const { images } = deps
  const reading = { access: 'read' } as const
  const typed = fastify.withTypeProvider<ZodTypeProvider>()

  typed.get('/api/list', { schema: { querystring: listQuery }, config: reading }, async ({ query, url, principal }, reply) => {
    const { limit, cursor } = query
    const owner = seesOf(principal)
    if (limit === undefined && cursor === undefined) {
      return reply.type('application/json; charset=utf-8').send(Readable.from(wholeList(images, owner)))
    }
    return sendPage(reply, url, await images.list(defined({ sort: 'newest', limit: limit ?? DEFAULT_PAGE, cursor }), owner))
  })

  typed.get('/api/images', { schema: { querystring: imagesQuery }, config: reading }, async ({ query, url, principal }, reply) =>
    sendPage(reply, url, await images.list(defined(query), seesOf(principal))),
  )

  fastify.get<{ Params: { id: string } }>('/api/images/:id', { config: reading }, async ({ params, principal }) =>
    toApiImage(found(await images.get(params.id, seesOf(principal)))),
  )

  fastify.delete<{ Params: { id: string } }>('/api/images/:id', { config: { access: 'delete' } }, async (request, reply) => {
    const { id } = request.params
    if (!(await deleteImage(deps, id, seesOf(request.principal)))) throw new CalotypeError('not_found')
    await deps.audit.record({ actor: actorOf(request), action: 'image.deleted', target: { kind: 'image', id } })
    return reply.code(204).send()
  })

  fastify.post<{ Params: { id: string } }>('/api/images/:id/retry', { config: { access: 'upload' } }, async (request, reply) => {
    const { id } = request.params
    const image = found(await retryImage(deps, id, seesOf(request.principal)))
    await deps.audit.record({ actor: actorOf(request), action: 'image.retried', target: { kind: 'image', id } })
    return reply.code(202).send(toApiImage(image))
  })
}

const sendPage = (reply: FastifyReply, url: string, { images, next }: Page) =>
  linkNext(reply, url, next).send(images.map(toApiImage) satisfies ApiImage[])

async function* wholeList(images: Pick<ImageStore, 'list'>, owner: Owner): AsyncGenerator<string> {
  let cursor: string | undefined
  let before = '['
  do {
    const { images: page, next } = await images.list({ sort: 'newest', limit: STREAM_PAGE, ...(cursor && { cursor }) }, owner)
    if (page.length > 0) yield before + page.map((image) => JSON.stringify(toApiImage(image))).join(',')
    if (page.length > 0) before = ','
    cursor = next ?? undefined
  } while (cursor)
  yield before === '[' ? '[]' : ']'
}
