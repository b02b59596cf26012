// API keys over HTTP: one's own, and everyone's for administrators.
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { ApiKey, ApiNewKey } from '../../api.ts'
import { CalotypeError } from '../../errors.ts'
import type { AccountDeps } from '../../flow/accounts/account-deps.ts'
import { makeKey, revokeKey } from '../../flow/accounts/change-keys.ts'
import { ACCOUNT_BODY_LIMIT as bodyLimit, name, pageQuery, scopes, takeJsonOnly, time, toApiKey } from '../wire/accounts.ts'
import { signedIn } from './auth.ts'
import { defined } from '../wire/image-filter.ts'
import { found, linkNext } from '../wire/keyset.ts'
import { actorOf } from '../access/principal.ts'

const keyBody = z.object({ name, scopes, expires_at: time.nullish() })
const keysQuery = z.object(pageQuery)

export async function keyRoutes(fastify: FastifyInstance, deps: AccountDeps): Promise<void> {
  const { accounts } = deps
  takeJsonOnly(fastify)
  fastify.addHook('onSend', async (_request, reply) => void reply.header('cache-control', 'no-store'))
  const typed = fastify.withTypeProvider<ZodTypeProvider>()
  const own = { access: 'session' } as const
  const admin = { access: 'admin' } as const

  typed.get('/api/keys', { config: own, schema: { querystring: keysQuery } }, async (request, reply) => {
    const { items, next } = await accounts.listKeys(signedIn(request), defined(request.query))
    return linkNext(reply, request.url, next).send(items.map(toApiKey) satisfies ApiKey[])
  })

  typed.post('/api/keys', { bodyLimit, config: own, schema: { body: keyBody } }, async (request, reply) => {
    const userId = signedIn(request)
    const { name, scopes, expires_at: expiresAt = null } = request.body
    const missing = scopes.find((scope) => !request.principal.scopes.has(scope))
    if (missing !== undefined) throw new CalotypeError('forbidden', `You may not do "${missing}" yourself, so no key of yours may.`)
    if (expiresAt !== null && expiresAt <= Date.now()) throw new CalotypeError('bad_request', '"expires_at" lies in the past.')
    const { key, secret } = await makeKey(deps, actorOf(request), { userId, name, scopes: [...new Set(scopes)], expiresAt })
    return reply.code(201).send({ ...toApiKey(key), key: secret } satisfies ApiNewKey)
  })

  fastify.delete<{ Params: { id: string } }>('/api/keys/:id', { config: own }, async (request, reply) => {
    found(await revokeKey(deps, actorOf(request), request.params.id, signedIn(request)))
    return reply.code(204).send()
  })

  typed.get('/api/admin/keys', { config: admin, schema: { querystring: keysQuery } }, async ({ query, url }, reply) => {
    const { items, next } = await accounts.listKeys(null, defined(query))
    return linkNext(reply, url, next).send(items.map(toApiKey) satisfies ApiKey[])
  })

  fastify.delete<{ Params: { id: string } }>('/api/admin/keys/:id', { config: admin }, async (request, reply) => {
    found(await revokeKey(deps, actorOf(request), request.params.id, null))
    return reply.code(204).send()
  })
}
