// API keys over HTTP: one's own, and everyone's for administrators.
import type { FastifyInstance } from 'fastify'
import { key, keyBody, keysQuery, newKey } from '../../api/keys.ts'
import { EXAMPLE_IDS } from '../../api/common.ts'
import { CalotypeError } from '../../errors.ts'
import type { AccountDeps } from '../../flow/accounts/account-deps.ts'
import { makeKey, revokeKey } from '../../flow/accounts/change-keys.ts'
import { actorOf } from '../access/principal.ts'
import { nothing, one, page } from '../answers.ts'
import { addEndpoint, takeJsonOnly } from '../endpoint.ts'
import { ACCOUNT_BODY_LIMIT as bodyLimit, signedIn, toApiKey } from '../wire/accounts.ts'
import { defined, found, linkNext } from '../wire/lists.ts'

export async function keyRoutes(fastify: FastifyInstance, deps: AccountDeps): Promise<void> {
  const { accounts } = deps
  takeJsonOnly(fastify)
  const own = { access: 'session', tag: 'Keys', noStore: true } as const
  const everyones = { access: 'admin', tag: 'Administration', noStore: true } as const

  addEndpoint(fastify, {
    ...own,
    route: 'GET /api/keys',
    summary: 'One’s own keys',
    query: keysQuery,
    examples: { limit: 100, q: 'scanner' },
    answers: { 200: page('A page of keys', key) },
    async handler(request, reply) {
      const { items, next } = await accounts.listKeys(signedIn(request), defined(request.query))
      linkNext(reply, request.url, next)
      return items.map(toApiKey)
    },
  })

  addEndpoint(fastify, {
    ...own,
    route: 'POST /api/keys',
    summary: 'Make a key',
    description: 'The key is in this answer and nowhere else.',
    body: { schema: keyBody, example: { name: key.example.name, scopes: key.example.scopes, expires_at: key.example.expires_at } },
    bodyLimit,
    answers: { 201: one('The key', newKey) },
    async handler(request) {
      const userId = signedIn(request)
      const { name, scopes, expires_at: expiresAt = null } = request.body
      const missing = scopes.find((scope) => !request.principal.scopes.has(scope))
      if (missing !== undefined) throw new CalotypeError('forbidden', `You may not do "${missing}" yourself, so no key of yours may.`)
      if (expiresAt !== null && expiresAt <= Date.now()) throw new CalotypeError('bad_request', '"expires_at" lies in the past.')
      const { key, secret } = await makeKey(deps, actorOf(request), { userId, name, scopes: [...new Set(scopes)], expiresAt })
      return { ...toApiKey(key), key: secret }
    },
  })

  addEndpoint(fastify, {
    ...own,
    route: 'DELETE /api/keys/:id',
    summary: 'Revoke a key of one’s own',
    examples: { id: EXAMPLE_IDS.key },
    answers: { 204: nothing('It is revoked') },
    async handler(request) {
      found(await revokeKey(deps, actorOf(request), request.params.id, signedIn(request)))
    },
  })

  addEndpoint(fastify, {
    ...everyones,
    route: 'GET /api/admin/keys',
    summary: 'Everyone’s keys',
    query: keysQuery,
    examples: { q: 'ada@' },
    answers: { 200: page('A page of keys', key) },
    async handler({ query, url }, reply) {
      const { items, next } = await accounts.listKeys(null, defined(query))
      linkNext(reply, url, next)
      return items.map(toApiKey)
    },
  })

  addEndpoint(fastify, {
    ...everyones,
    route: 'DELETE /api/admin/keys/:id',
    summary: 'Revoke a key',
    examples: { id: EXAMPLE_IDS.key },
    answers: { 204: nothing('It is revoked') },
    async handler(request) {
      found(await revokeKey(deps, actorOf(request), request.params.id, null))
    },
  })
}
