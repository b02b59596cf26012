// One's own sessions: where one is signed in, and the end of that.
import type { FastifyInstance } from 'fastify'
import { session } from '../../api/accounts.ts'
import { EXAMPLE_IDS } from '../../api/common.ts'
import { CalotypeError } from '../../errors.ts'
import type { AccountDeps } from '../../flow/accounts/account-deps.ts'
import { actorOf } from '../access/principal.ts'
import { all, nothing } from '../answers.ts'
import { addEndpoint } from '../endpoint.ts'
import { signedIn, toApiSession } from '../wire/accounts.ts'

type Deps = Pick<AccountDeps, 'accounts' | 'audit' | 'accessChanges' | 'sessionLimits'>

export async function sessionRoutes(fastify: FastifyInstance, { accounts, audit, accessChanges, sessionLimits }: Deps): Promise<void> {
  const own = { access: 'session', tag: 'Accounts' } as const

  addEndpoint(fastify, {
    ...own,
    route: 'GET /api/auth/sessions',
    summary: 'Where one is signed in',
    answers: { 200: all('The newest first', session) },
    noStore: true,
    async handler(request) {
      const sessions = await accounts.listSessions(signedIn(request), sessionLimits)
      return sessions.map((session) => toApiSession(session, request.principal.credentialId))
    },
  })

  addEndpoint(fastify, {
    ...own,
    route: 'DELETE /api/auth/sessions/:id',
    summary: 'End a session of one’s own',
    examples: { id: EXAMPLE_IDS.session },
    answers: { 204: nothing('It has ended') },
    async handler(request) {
      const { id } = request.params
      if (!(await accounts.endSession(id, signedIn(request)))) throw new CalotypeError('not_found')
      accessChanges.announce({ ended: [id] })
      await audit.record({ actor: actorOf(request), action: 'session.ended', target: { kind: 'session', id } })
    },
  })
}
