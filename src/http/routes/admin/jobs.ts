// Bulk actions for administrators: counted, confirmed, followed, cancelled.
import type { FastifyInstance } from 'fastify'
import type { z } from 'zod'
import type { AccountStore } from '../../../accounts/account-store.ts'
import type { AuditLog } from '../../../accounts/audit/audit-log.ts'
import { byId, EXAMPLE_IDS } from '../../../api/common.ts'
import { job, jobBody, jobsQuery, selection, selectionCount, type ApiImageSelection } from '../../../api/jobs.ts'
import { CalotypeError } from '../../../errors.ts'
import { cancelBulkJob, countSelection, makeBulkJob } from '../../../flow/admin/make-bulk-job.ts'
import type { BulkJobs, ImageSelection } from '../../../record/admin/bulk-jobs.ts'
import type { ImageStore } from '../../../record/images/image-store.ts'
import { nameOfActor } from '../../access/name-of-actor.ts'
import { actorOf } from '../../access/principal.ts'
import { one, page } from '../../answers.ts'
import { addEndpoint, takeJsonOnly } from '../../endpoint.ts'
import { toApiJob } from '../../wire/admin.ts'
import { defined, found, linkNext } from '../../wire/lists.ts'

export interface AdminJobsDeps {
  images: Pick<ImageStore, 'count' | 'getMany'>
  jobs: BulkJobs
  audit: AuditLog
  accounts: AccountStore
}

const FAILED_IMAGES: ApiImageSelection = { filter: { status: 'error' } }

function toSelection({ ids, filter }: z.output<typeof selection>): ImageSelection {
  if (ids && filter) throw new CalotypeError('bad_request', 'A selection has either "ids" or a "filter".')
  if (ids) return { ids: [...new Set(ids.map((id) => id.toLowerCase()))] }
  // All images are selected by an empty filter, never by leaving it out.
  if (!filter) throw new CalotypeError('bad_request', 'A selection has "ids" or a "filter".')
  return { filter: defined(filter) }
}

export async function adminJobRoutes(fastify: FastifyInstance, deps: AdminJobsDeps): Promise<void> {
  takeJsonOnly(fastify)
  const admin = { access: 'admin', tag: 'Administration', noStore: true } as const

  addEndpoint(fastify, {
    ...admin,
    route: 'POST /api/admin/selection/count',
    summary: 'How many images a bulk action would be about',
    body: { schema: selection, example: FAILED_IMAGES },
    answers: { 200: one('The number to confirm', selectionCount) },
    handler: async ({ body }) => ({ images: await countSelection(deps, toSelection(body)) }),
  })

  addEndpoint(fastify, {
    ...admin,
    route: 'POST /api/admin/jobs',
    summary: 'Delete or retry many images in the background',
    description: 'Images that are uploaded after it was made are not touched.',
    body: { schema: jobBody, example: { action: 'retry', selection: FAILED_IMAGES, confirmed: 1_000 } },
    answers: { 201: one('The job', job, { example: { ...job.example, state: 'waiting', seen: 0, changed: 0 } }) },
    errors: ['count_changed'],
    async handler(request, reply) {
      const { action, confirmed } = request.body
      const by = await nameOfActor(deps.accounts, request)
      const job = await makeBulkJob(deps, actorOf(request), { by, action, confirmed, selection: toSelection(request.body.selection) })
      reply.header('location', `/api/admin/jobs/${job.id}`)
      return toApiJob(job)
    },
  })

  addEndpoint(fastify, {
    ...admin,
    route: 'GET /api/admin/jobs',
    summary: 'Bulk actions',
    query: jobsQuery,
    examples: { limit: 20 },
    answers: { 200: page('A page, newest first', job) },
    async handler({ query, url }, reply) {
      const { jobs, next } = await deps.jobs.list(defined(query))
      linkNext(reply, url, next)
      return jobs.map(toApiJob)
    },
  })

  addEndpoint(fastify, {
    ...admin,
    route: 'GET /api/admin/jobs/:id',
    summary: 'How far a bulk action is',
    params: byId,
    examples: { id: EXAMPLE_IDS.job },
    answers: { 200: one('The job', job) },
    handler: async ({ params: { id } }) => toApiJob(found(await deps.jobs.get(id))),
  })

  addEndpoint(fastify, {
    ...admin,
    route: 'POST /api/admin/jobs/:id/cancel',
    summary: 'End a bulk action where it is',
    params: byId,
    examples: { id: EXAMPLE_IDS.job },
    answers: {
      200: one('The job', job, { example: { ...job.example, state: 'cancelled', finished_at: job.example.created_at } }),
    },
    handler: async (request) => toApiJob(found(await cancelBulkJob(deps, actorOf(request), request.params.id))),
  })
}
