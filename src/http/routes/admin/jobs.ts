// Bulk actions for administrators: counted, confirmed, followed, cancelled.
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { ApiJob, ApiSelectionCount } from '../../../api-admin.ts'
import type { AccountStore } from '../../../accounts/account-store.ts'
import type { AuditLog } from '../../../accounts/audit/audit-log.ts'
import { CalotypeError } from '../../../errors.ts'
import { cancelBulkJob, countSelection, makeBulkJob } from '../../../flow/admin/make-bulk-job.ts'
import type { BulkJobs, ImageSelection } from '../../../record/admin/bulk-jobs.ts'
import type { ImageStore } from '../../../record/images/image-store.ts'
import { takeJsonOnly } from '../../wire/accounts.ts'
import { nameOfActor } from '../../access/name-of-actor.ts'
import { adminFilter, page, toApiJob } from '../../wire/admin.ts'
import { defined } from '../../wire/image-filter.ts'
import { found, linkNext } from '../../wire/keyset.ts'
import { listOf } from '../../wire/list-of.ts'
import { actorOf } from '../../access/principal.ts'

export interface AdminJobsDeps {
  images: Pick<ImageStore, 'count' | 'getMany'>
  jobs: BulkJobs
  audit: AuditLog
  accounts: AccountStore
}

const MAX_IDS = 1_000

const selection = z
  .strictObject({
    ids: listOf(z.uuid('Expected the id of an image'), MAX_IDS, 'Expected an array of ids of images').optional(),
    filter: z.strictObject(adminFilter).optional(),
  })
  // For the API description; `toSelection` says it in a sentence.
  .meta({ minProperties: 1, maxProperties: 1 })
const jobBody = z.strictObject({ action: z.enum(['delete', 'retry']), selection, confirmed: z.int().min(0) })
const params = z.object({ id: z.uuid() })

function toSelection({ ids, filter }: z.output<typeof selection>): ImageSelection {
  if (ids && filter) throw new CalotypeError('bad_request', 'A selection has either "ids" or a "filter".')
  if (ids) return { ids: [...new Set(ids.map((id) => id.toLowerCase()))] }
  // All images are selected by an empty filter, never by leaving it out.
  if (!filter) throw new CalotypeError('bad_request', 'A selection has "ids" or a "filter".')
  return { filter: defined(filter) }
}

/** Adds `POST /api/admin/selection/count` and the routes of `/api/admin/jobs`. */
export async function adminJobRoutes(fastify: FastifyInstance, deps: AdminJobsDeps): Promise<void> {
  takeJsonOnly(fastify)
  fastify.addHook('onSend', async (_request, reply) => void reply.header('cache-control', 'no-store'))
  const typed = fastify.withTypeProvider<ZodTypeProvider>()
  const config = { access: 'admin' } as const

  typed.post('/api/admin/selection/count', { config, schema: { body: selection } }, async ({ body }): Promise<ApiSelectionCount> => {
    return { images: await countSelection(deps, toSelection(body)) }
  })

  typed.post('/api/admin/jobs', { config, schema: { body: jobBody } }, async (request, reply) => {
    const { action, confirmed } = request.body
    const by = await nameOfActor(deps.accounts, request)
    const job = await makeBulkJob(deps, actorOf(request), { by, action, confirmed, selection: toSelection(request.body.selection) })
    return reply.code(201).header('location', `/api/admin/jobs/${job.id}`).send(toApiJob(job))
  })

  typed.get('/api/admin/jobs', { config, schema: { querystring: z.object(page) } }, async ({ query, url }, reply) => {
    const { jobs, next } = await deps.jobs.list(defined(query))
    return linkNext(reply, url, next).send(jobs.map(toApiJob) satisfies ApiJob[])
  })

  typed.get('/api/admin/jobs/:id', { config, schema: { params } }, async ({ params: { id } }) => toApiJob(found(await deps.jobs.get(id))))

  typed.post('/api/admin/jobs/:id/cancel', { config, schema: { params } }, async (request) =>
    toApiJob(found(await cancelBulkJob(deps, actorOf(request), request.params.id))),
  )
}
