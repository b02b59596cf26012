// Users, for administrators: listed, made, changed, helped to a new password.
import type { FastifyInstance } from 'fastify'
import { changeUserBody, passwordReset, resetPasswordBody, user, userBody, userWithPassword, usersQuery } from '../../../api/accounts.ts'
import { EXAMPLE_IDS } from '../../../api/common.ts'
import type { AccountDeps } from '../../../flow/accounts/account-deps.ts'
import { addUser, changeUser, resetPassword } from '../../../flow/accounts/change-user.ts'
import { actorOf } from '../../access/principal.ts'
import { one, page } from '../../answers.ts'
import { addEndpoint, takeJsonOnly } from '../../endpoint.ts'
import { ACCOUNT_BODY_LIMIT as bodyLimit, toApiUser } from '../../wire/accounts.ts'
import { defined, found, linkNext } from '../../wire/lists.ts'

export async function userRoutes(fastify: FastifyInstance, deps: AccountDeps): Promise<void> {
  takeJsonOnly(fastify)
  const admin = { access: 'admin', tag: 'Administration', noStore: true } as const

  addEndpoint(fastify, {
    ...admin,
    route: 'GET /api/admin/users',
    summary: 'List and find users',
    query: usersQuery,
    examples: { q: 'ada', limit: 100 },
    answers: { 200: page('A page of users', user) },
    async handler({ query, url }, reply) {
      const { items, next } = await deps.accounts.listUsers(defined(query))
      linkNext(reply, url, next)
      return items.map(toApiUser)
    },
  })

  addEndpoint(fastify, {
    ...admin,
    route: 'POST /api/admin/users',
    summary: 'Make a user',
    description: 'Without a password one is made, and shown this once.',
    body: { schema: userBody, example: { email: user.example.email, name: 'Ada', role: 'member' } },
    bodyLimit,
    answers: { 201: one('The user', userWithPassword) },
    errors: ['email_taken', 'overloaded'],
    async handler(request) {
      const { user, password } = await addUser(deps, actorOf(request), request.body)
      return { user: toApiUser(user), password }
    },
  })

  addEndpoint(fastify, {
    ...admin,
    route: 'PATCH /api/admin/users/:id',
    summary: 'Change a user: role, name, quota; disable or enable',
    description: 'A quota of null is the default of the server. Who is disabled is signed out everywhere.',
    examples: { id: EXAMPLE_IDS.user },
    body: { schema: changeUserBody, example: { quota: { bytes: null, images: 2_000 } } },
    bodyLimit,
    answers: { 200: one('The user', user) },
    errors: ['last_admin'],
    handler: async (request) => toApiUser(found(await changeUser(deps, actorOf(request), request.params.id, defined(request.body)))),
  })

  addEndpoint(fastify, {
    ...admin,
    route: 'POST /api/admin/users/:id/reset-password',
    summary: 'Help a user to a new password',
    description:
      'Without a password one is made, and shown this once. The user is signed out everywhere. Their API keys go on working unless `revoke_keys`.',
    examples: { id: EXAMPLE_IDS.user },
    body: { schema: resetPasswordBody, example: { password: 'correct horse battery', revoke_keys: false } },
    bodyLimit,
    answers: { 200: one('The user, and the password that was made', passwordReset) },
    errors: ['overloaded'],
    async handler(request) {
      const { body } = request
      const wish = { password: body?.password, revokeKeys: body?.revoke_keys }
      const { user, password, activeKeys, revokedKeys } = found(await resetPassword(deps, actorOf(request), request.params.id, wish))
      return { user: toApiUser(user), password, active_keys: activeKeys, revoked_keys: revokedKeys }
    },
  })
}
