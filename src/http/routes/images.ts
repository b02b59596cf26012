// Images for programs: lists by pages, one image; delete and retry.
import { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { seesOf, type Owner } from '../../access.ts'
import type { AuditLog } from '../../accounts/audit/audit-log.ts'
import { EXAMPLE_IDS } from '../../api/common.ts'
import { DEFAULT_PAGE, image, imagesQuery, listQuery, pendingImage } from '../../api/images.ts'
import { CalotypeError } from '../../errors.ts'
import { deleteImage, type DeleteImageDeps } from '../../flow/images/delete-image.ts'
import { retryImage, type RetryImageDeps } from '../../flow/images/retry-image.ts'
import type { ImageStore } from '../../record/images/image-store.ts'
import { actorOf } from '../access/principal.ts'
import { nothing, one, page } from '../answers.ts'
import { addEndpoint } from '../endpoint.ts'
import { toApiImage } from '../wire/images.ts'
import { defined, found, linkNext } from '../wire/lists.ts'

// A list without a limit is read and sent in pages of this size: large enough to be quick, small enough to hold.
const STREAM_PAGE = 200

type Deps = DeleteImageDeps & RetryImageDeps & { images: Pick<ImageStore, 'list' | 'get'>; audit: AuditLog }

export async function imageRoutes(fastify: FastifyInstance, deps: Deps): Promise<void> {
  const { images } = deps
  const known = { tag: 'Images', examples: { id: EXAMPLE_IDS.image } } as const
  const answers = { 200: page('A page of images: fewer than asked for where names are long, or a search goes on in another page', image) }

  addEndpoint(fastify, {
    route: 'GET /api/list',
    access: 'read',
    tag: 'Images',
    summary: 'List images, newest first: all of them, or a page',
    description: 'Without `limit` and `cursor` all images, streamed. With either, a page.',
    query: listQuery,
    examples: { limit: 100 },
    answers,
    async handler({ query: { limit, cursor }, url, principal }, reply) {
      const owner = seesOf(principal)
      if (limit === undefined && cursor === undefined) {
        return reply.type('application/json; charset=utf-8').send(Readable.from(wholeList(images, owner)))
      }
      const { images: listed, next } = await images.list(defined({ sort: 'newest', limit: limit ?? DEFAULT_PAGE, cursor }), owner)
      linkNext(reply, url, next)
      return listed.map(toApiImage)
    },
  })

  addEndpoint(fastify, {
    route: 'GET /api/images',
    access: 'read',
    tag: 'Images',
    summary: 'Search images',
    query: imagesQuery,
    examples: { q: 'harbour', status: 'completed', format: 'jpeg', batch: EXAMPLE_IDS.batch, sort: 'newest', limit: 100 },
    answers,
    async handler({ query, url, principal }, reply) {
      const { images: listed, next } = await images.list(defined(query), seesOf(principal))
      linkNext(reply, url, next)
      return listed.map(toApiImage)
    },
  })

  addEndpoint(fastify, {
    ...known,
    route: 'GET /api/images/:id',
    access: 'read',
    summary: 'Read an image',
    answers: { 200: one('The image', image) },
    handler: async ({ params, principal }) => toApiImage(found(await images.get(params.id, seesOf(principal)))),
  })

  addEndpoint(fastify, {
    ...known,
    route: 'DELETE /api/images/:id',
    access: 'delete',
    summary: 'Delete an image',
    answers: { 204: nothing('It is gone') },
    async handler(request) {
      const { id } = request.params
      if (!(await deleteImage(deps, id, seesOf(request.principal)))) throw new CalotypeError('not_found')
      await deps.audit.record({ actor: actorOf(request), action: 'image.deleted', target: { kind: 'image', id } })
    },
  })

  addEndpoint(fastify, {
    ...known,
    route: 'POST /api/images/:id/retry',
    access: 'upload',
    summary: 'Develop a failed image again',
    answers: { 202: one('It waits', image, { example: pendingImage }) },
    errors: ['not_retryable'],
    async handler(request) {
      const { id } = request.params
      const image = found(await retryImage(deps, id, seesOf(request.principal)))
      await deps.audit.record({ actor: actorOf(request), action: 'image.retried', target: { kind: 'image', id } })
      return toApiImage(image)
    },
  })
}

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
