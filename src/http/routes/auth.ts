// Signing in and out, one's own password, and the first administrator.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { scopesOf } from '../../access.ts'
import type { ApiMe, ApiPasswordChanged } from '../../api.ts'
import { CalotypeError } from '../../errors.ts'
import type { AccountDeps } from '../../flow/accounts/account-deps.ts'
import { changePassword } from '../../flow/accounts/change-user.ts'
import { setUpServer } from '../../flow/accounts/set-up-server.ts'
import { signIn, signOut, type Client, type SignedIn } from '../../flow/accounts/sign-in.ts'
import { ACCOUNT_BODY_LIMIT as bodyLimit, email, name, newPassword, takeJsonOnly, toApiUser, typedPassword } from '../wire/accounts.ts'
import { isOwnPage } from '../access/origin.ts'
import { actorOf } from '../access/principal.ts'
import { clearSessionCookie, deviceTokenOf, setDeviceCookie, setSessionCookie } from '../access/session-cookie.ts'

const MAX_USER_AGENT_LENGTH = 300

const loginBody = z.object({ email, password: typedPassword })
const passwordBody = z.object({ current: typedPassword, password: newPassword, revoke_keys: z.boolean().optional() })
const setupBody = z.object({ token: z.string().min(1).max(100), email, password: newPassword, name })

const clientOf = ({ ip, headers }: FastifyRequest): Client => ({
  address: ip,
  userAgent: (headers['user-agent'] ?? '').slice(0, MAX_USER_AGENT_LENGTH),
})

export async function authRoutes(fastify: FastifyInstance, deps: AccountDeps & { auth: 'open' | 'required' }): Promise<void> {
  const { auth, accounts, sessionLimits } = deps
  takeJsonOnly(fastify)
  const typed = fastify.withTypeProvider<ZodTypeProvider>()
  const known = { access: 'public', identifies: true } as const
  fastify.addHook('onSend', async (_request, reply) => void reply.header('cache-control', 'no-store'))

  /** Of a server without accounts, or of a page elsewhere that would sign people in as somebody they are not. */
  function refuseStrangers(request: FastifyRequest): void {
    if (auth === 'open') throw new CalotypeError('forbidden', 'This server is open (AUTH=open): there is nothing to sign in to.')
    if (request.headers.origin !== undefined && !isOwnPage(request)) throw new CalotypeError('origin_not_allowed')
    const site = request.headers['sec-fetch-site']
    if (site !== undefined && site !== 'same-origin' && site !== 'none') throw new CalotypeError('origin_not_allowed')
  }

  function welcome(request: FastifyRequest, reply: FastifyReply, { user, token, device }: SignedIn): ApiMe {
    setDeviceCookie(request, reply, user.id, device)
    setSessionCookie(request, reply, token, sessionLimits.maxMs)
    return { auth, via: 'session', user: toApiUser(user), scopes: [...scopesOf(user.role)] }
  }

  const entering = { bodyLimit, config: known, onRequest: async (request: FastifyRequest) => refuseStrangers(request) }

  typed.post('/api/auth/login', { ...entering, schema: { body: loginBody } }, async (request, reply) =>
    welcome(
      request,
      reply,
      await signIn(deps, {
        ...request.body,
        client: clientOf(request),
        before: request.principal,
        deviceTokenOf: deviceTokenOf(request),
      }),
    ),
  )

  typed.post('/api/auth/setup', { ...entering, schema: { body: setupBody } }, async (request, reply) => {
    reply.code(201)
    return welcome(request, reply, await setUpServer(deps, { ...request.body, client: clientOf(request) }))
  })

  fastify.post('/api/auth/logout', { bodyLimit, config: known }, async (request, reply) => {
    await signOut(deps, request.principal, clientOf(request))
    clearSessionCookie(request, reply)
    return reply.code(204).send()
  })

  fastify.get('/api/auth/me', { config: known }, async ({ principal }): Promise<ApiMe> => {
    const { via, userId, scopes } = principal
    const user = userId === null ? null : await accounts.getUser(userId)
    return { auth, via, user: user && toApiUser(user), scopes: [...scopes] }
  })

  typed.post('/api/auth/password', { bodyLimit, config: { access: 'session' }, schema: { body: passwordBody } }, async (request, reply) => {
    const { current, password: next, revoke_keys: revokeKeys } = request.body
    const actor = { ...actorOf(request), ...sessionOf(request) }
    const { device, activeKeys, revokedKeys } = await changePassword(deps, actor, { current, next, revokeKeys })
    setDeviceCookie(request, reply, actor.userId, device)
    return { active_keys: activeKeys, revoked_keys: revokedKeys } satisfies ApiPasswordChanged
  })
}

/** The user of a route for who is signed in; an open server has none. */
export const signedIn = (request: FastifyRequest): string => sessionOf(request).userId

function sessionOf({ principal: { userId, credentialId } }: FastifyRequest): { userId: string; credentialId: string } {
  if (userId === null || credentialId === null)
    throw new CalotypeError('forbidden', 'This server is open (AUTH=open): nobody has an account here.')
  return { userId, credentialId }
}
