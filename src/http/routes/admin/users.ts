// Users, for administrators: listed, made, changed, helped to a new password.
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { ApiPasswordReset, ApiUser, ApiUserWithPassword } from '../../../api.ts'
import type { AccountDeps } from '../../../flow/accounts/account-deps.ts'
import { addUser, changeUser, resetPassword } from '../../../flow/accounts/change-user.ts'
import {
  ACCOUNT_BODY_LIMIT as bodyLimit,
  email,
  name,
  newPassword,
  pageQuery,
  quota,
  role,
  takeJsonOnly,
  toApiUser,
} from '../../wire/accounts.ts'
import { defined } from '../../wire/image-filter.ts'
import { found, linkNext } from '../../wire/keyset.ts'
import { actorOf } from '../../access/principal.ts'

const usersQuery = z.object(pageQuery)
const userParams = z.object({ id: z.string() })
const userBody = z.object({ email, name, role, password: newPassword.optional() })
const changeBody = z.strictObject({
  role: role.optional(),
  name: name.optional(),
  disabled: z.boolean().optional(),
  quota: quota.optional(),
})
const resetBody = z.object({ password: newPassword.optional(), revoke_keys: z.boolean().optional() }).nullish()

export async function adminRoutes(fastify: FastifyInstance, deps: AccountDeps): Promise<void> {
  takeJsonOnly(fastify)
  fastify.addHook('onSend', async (_request, reply) => void reply.header('cache-control', 'no-store'))
  const typed = fastify.withTypeProvider<ZodTypeProvider>()
  const config = { access: 'admin' } as const

  typed.get('/api/admin/users', { config, schema: { querystring: usersQuery } }, async ({ query, url }, reply) => {
    const { items, next } = await deps.accounts.listUsers(defined(query))
    return linkNext(reply, url, next).send(items.map(toApiUser) satisfies ApiUser[])
  })

  typed.post('/api/admin/users', { bodyLimit, config, schema: { body: userBody } }, async (request, reply) => {
    const { user, password } = await addUser(deps, actorOf(request), request.body)
    return reply.code(201).send({ user: toApiUser(user), password } satisfies ApiUserWithPassword)
  })

  typed.patch('/api/admin/users/:id', { bodyLimit, config, schema: { params: userParams, body: changeBody } }, async (request) =>
    toApiUser(found(await changeUser(deps, actorOf(request), request.params.id, defined(request.body)))),
  )

  typed.post(
    '/api/admin/users/:id/reset-password',
    { bodyLimit, config, schema: { params: userParams, body: resetBody } },
    async (request): Promise<ApiPasswordReset> => {
      const { body } = request
      const wish = { password: body?.password, revokeKeys: body?.revoke_keys }
      const { user, password, activeKeys, revokedKeys } = found(await resetPassword(deps, actorOf(request), request.params.id, wish))
      return { user: toApiUser(user), password, active_keys: activeKeys, revoked_keys: revokedKeys }
    },
  )
}
