// The queue for administrators: what waits, and the pause.
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { ApiQueue } from '../../../api-admin.ts'
import type { AccountStore } from '../../../accounts/account-store.ts'
import type { AuditLog } from '../../../accounts/audit/audit-log.ts'
import { pauseQueue, resumeQueue } from '../../../flow/admin/pause-queue.ts'
import type { WorkPause } from '../../../record/work/work-pause.ts'
import type { WorkStore } from '../../../record/work/work-store.ts'
import { ACCOUNT_BODY_LIMIT as bodyLimit, takeJsonOnly } from '../../wire/accounts.ts'
import { nameOfActor } from '../../access/name-of-actor.ts'
import { toApiPause } from '../../wire/admin.ts'
import { actorOf } from '../../access/principal.ts'

export interface AdminQueueDeps {
  work: Pick<WorkStore, 'backlog'>
  pause: WorkPause
  audit: AuditLog
  accounts: AccountStore
}

const MOST_MINUTES = 24 * 60
const pauseBody = z.strictObject({
  minutes: z.number().positive().max(MOST_MINUTES),
  reason: z.string().trim().max(500).default(''),
})

/** Adds `GET /api/admin/queue`, `POST /api/admin/queue/pause` and `POST /api/admin/queue/resume`. */
export async function adminQueueRoutes(fastify: FastifyInstance, deps: AdminQueueDeps): Promise<void> {
  takeJsonOnly(fastify)
  fastify.addHook('onSend', async (_request, reply) => void reply.header('cache-control', 'no-store'))
  const typed = fastify.withTypeProvider<ZodTypeProvider>()
  const config = { access: 'admin' } as const

  async function queue(): Promise<ApiQueue> {
    const [{ oldestPendingMs, ...waiting }, pause] = await Promise.all([deps.work.backlog(), deps.pause.current()])
    return { ...waiting, oldest_pending_ms: oldestPendingMs, pause: toApiPause(pause) }
  }

  fastify.get('/api/admin/queue', { config }, queue)

  typed.post('/api/admin/queue/pause', { bodyLimit, config, schema: { body: pauseBody } }, async (request) => {
    await pauseQueue(deps, actorOf(request), { by: await nameOfActor(deps.accounts, request), ...request.body })
    return queue()
  })

  fastify.post('/api/admin/queue/resume', { bodyLimit, config }, async (request) => {
    await resumeQueue(deps, actorOf(request))
    return queue()
  })
}
