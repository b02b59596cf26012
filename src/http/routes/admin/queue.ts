// The queue for administrators: what waits, and the pause.
import type { FastifyInstance } from 'fastify'
import type { AccountStore } from '../../../accounts/account-store.ts'
import type { AuditLog } from '../../../accounts/audit/audit-log.ts'
import { pause, pauseBody, queue, type ApiQueue } from '../../../api/admin.ts'
import { pauseQueue, resumeQueue } from '../../../flow/admin/pause-queue.ts'
import type { WorkPause } from '../../../record/work/work-pause.ts'
import type { WorkStore } from '../../../record/work/work-store.ts'
import { nameOfActor } from '../../access/name-of-actor.ts'
import { actorOf } from '../../access/principal.ts'
import { one } from '../../answers.ts'
import { addEndpoint, takeJsonOnly } from '../../endpoint.ts'
import { ACCOUNT_BODY_LIMIT as bodyLimit } from '../../wire/accounts.ts'
import { toApiPause } from '../../wire/admin.ts'

export interface AdminQueueDeps {
  work: Pick<WorkStore, 'backlog'>
  pause: WorkPause
  audit: AuditLog
  accounts: AccountStore
}

export async function adminQueueRoutes(fastify: FastifyInstance, deps: AdminQueueDeps): Promise<void> {
  takeJsonOnly(fastify)
  const admin = { access: 'admin', tag: 'Administration', noStore: true } as const

  async function queueNow(): Promise<ApiQueue> {
    const [{ oldestPendingMs, ...waiting }, pause] = await Promise.all([deps.work.backlog(), deps.pause.current()])
    return { ...waiting, oldest_pending_ms: oldestPendingMs, pause: toApiPause(pause) }
  }

  addEndpoint(fastify, {
    ...admin,
    route: 'GET /api/admin/queue',
    summary: 'What waits, and whether it may go on',
    answers: { 200: one('Now', queue) },
    handler: queueNow,
  })

  addEndpoint(fastify, {
    ...admin,
    route: 'POST /api/admin/queue/pause',
    summary: 'Begin nothing new for some minutes',
    description: 'What is in hand is finished. It ends by itself.',
    body: { schema: pauseBody, example: { minutes: 60, reason: pause.example.reason } },
    bodyLimit,
    answers: { 200: one('Paused', queue) },
    async handler(request) {
      await pauseQueue(deps, actorOf(request), { by: await nameOfActor(deps.accounts, request), ...request.body })
      return queueNow()
    },
  })

  addEndpoint(fastify, {
    ...admin,
    route: 'POST /api/admin/queue/resume',
    summary: 'Go on',
    bodyLimit,
    answers: { 200: one('It goes on', queue, { example: { ...queue.example, pause: null } }) },
    async handler(request) {
      await resumeQueue(deps, actorOf(request))
      return queueNow()
    },
  })
}
