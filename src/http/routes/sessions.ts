// One's own sessions: where one is signed in, and the end of that.
import type { FastifyInstance } from 'fastify'
import type { ApiSession } from '../../api.ts'
import { CalotypeError } from '../../errors.ts'
import type { AccountDeps } from '../../flow/accounts/account-deps.ts'
import { toApiSession } from '../wire/accounts.ts'
import { signedIn } from './auth.ts'
import { actorOf } from '../access/principal.ts'

type Deps = Pick<AccountDeps, 'accounts' | 'audit' | 'accessChanges' | 'sessionLimits'>

export async function sessionRoutes(fastify: FastifyInstance, { accounts, audit, accessChanges, sessionLimits }: Deps): Promise<void> {
  fastify.get('/api/auth/sessions', { config: { access: 'session' } }, async (request, reply) => {
    const sessions = await accounts.listSessions(signedIn(request), sessionLimits)
    reply.header('cache-control', 'no-store')
    return sessions.map((session) => toApiSession(session, request.principal.credentialId)) satisfies ApiSession[]
  })

  fastify.delete<{ Params: { id: string } }>('/api/auth/sessions/:id', { config: { access: 'session' } }, async (request, reply) => {
    const { id } = request.params
    if (!(await accounts.endSession(id, signedIn(request)))) throw new CalotypeError('not_found')
    accessChanges.announce({ ended: [id] })
    await audit.record({ actor: actorOf(request), action: 'session.ended', target: { kind: 'session', id } })
    return reply.code(204).send()
  })
}
