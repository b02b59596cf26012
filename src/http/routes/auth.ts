// Signing in and out, one's own password, and the first administrator.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { scopesOf } from '../../access.ts'
import { loginBody, me, passwordBody, passwordChanged, setupBody, user, type ApiMe } from '../../api/accounts.ts'
import { CalotypeError } from '../../errors.ts'
import type { AccountDeps } from '../../flow/accounts/account-deps.ts'
import { changePassword } from '../../flow/accounts/change-user.ts'
import { setUpServer } from '../../flow/accounts/set-up-server.ts'
import { signIn, signOut, type Client, type SignedIn } from '../../flow/accounts/sign-in.ts'
import { isOwnPage } from '../access/origin.ts'
import { actorOf } from '../access/principal.ts'
import { clearSessionCookie, deviceTokenOf, setDeviceCookie, setSessionCookie } from '../access/session-cookie.ts'
import { nothing, one } from '../answers.ts'
import { addEndpoint, takeJsonOnly } from '../endpoint.ts'
import { ACCOUNT_BODY_LIMIT as bodyLimit, sessionOf, toApiUser } from '../wire/accounts.ts'

const MAX_USER_AGENT_LENGTH = 300
const PASSWORD = 'correct horse battery'

const clientOf = ({ ip, headers }: FastifyRequest): Client => ({
  address: ip,
  userAgent: (headers['user-agent'] ?? '').slice(0, MAX_USER_AGENT_LENGTH),
})

export async function authRoutes(fastify: FastifyInstance, deps: AccountDeps & { auth: 'open' | 'required' }): Promise<void> {
  const { auth, accounts, sessionLimits } = deps
  takeJsonOnly(fastify)
  const known = { access: 'public', identifies: true, tag: 'Accounts', noStore: true } as const

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

  const entering = { ...known, bodyLimit, onRequest: async (request: FastifyRequest) => refuseStrangers(request) }
  const cookies = { 'Set-Cookie': 'The session, and the known device' }

  addEndpoint(fastify, {
    ...entering,
    route: 'POST /api/auth/login',
    summary: 'Sign in',
    description:
      'Sets the cookie of the session, and one by which this browser is known: wrong guesses made elsewhere don’t keep it out. Only for pages of this server, and programs that send no Origin.',
    body: { schema: loginBody, example: { email: user.example.email, password: PASSWORD } },
    answers: { 200: one('Who is signed in', me, { headers: cookies }) },
    errors: ['wrong_password', 'too_many_attempts', 'overloaded', 'forbidden'],
    async handler(request, reply) {
      const attempt = { ...request.body, client: clientOf(request), before: request.principal, deviceTokenOf: deviceTokenOf(request) }
      return welcome(request, reply, await signIn(deps, attempt))
    },
  })

  addEndpoint(fastify, {
    ...entering,
    route: 'POST /api/auth/setup',
    summary: 'Make the first administrator, by the link of the log',
    body: { schema: setupBody, example: { token: 'c2V0LXVwIGxpbms', email: 'root@example.org', password: PASSWORD, name: 'Root' } },
    answers: {
      201: one('Who is signed in', me, {
        example: { ...me.example, user: { ...user.example, role: 'admin' }, scopes: ['upload', 'read', 'delete', 'admin'] },
        headers: cookies,
      }),
    },
    errors: ['setup_link_invalid', 'email_taken', 'overloaded', 'forbidden'],
    handler: async (request, reply) => welcome(request, reply, await setUpServer(deps, { ...request.body, client: clientOf(request) })),
  })

  addEndpoint(fastify, {
    ...known,
    route: 'POST /api/auth/logout',
    summary: 'Sign out',
    bodyLimit,
    answers: { 204: nothing('Nobody is signed in') },
    async handler(request, reply) {
      await signOut(deps, request.principal, clientOf(request))
      clearSessionCookie(request, reply)
    },
  })

  addEndpoint(fastify, {
    ...known,
    route: 'GET /api/auth/me',
    summary: 'Who asks, and what they may do',
    answers: { 200: one('Also for who has not signed in', me) },
    async handler({ principal }) {
      const { via, userId, scopes } = principal
      const user = userId === null ? null : await accounts.getUser(userId)
      return { auth, via, user: user && toApiUser(user), scopes: [...scopes] }
    },
  })

  addEndpoint(fastify, {
    route: 'POST /api/auth/password',
    access: 'session',
    tag: 'Accounts',
    summary: 'Change one’s own password',
    description: 'Every other session ends, and every browser that was known but this one. API keys go on working unless `revoke_keys`.',
    body: { schema: passwordBody, example: { current: PASSWORD, password: 'another long one', revoke_keys: true } },
    bodyLimit,
    noStore: true,
    answers: { 200: one('It is changed', passwordChanged) },
    errors: ['wrong_password', 'too_many_attempts', 'overloaded'],
    async handler(request, reply) {
      const { current, password: next, revoke_keys: revokeKeys } = request.body
      const actor = { ...actorOf(request), ...sessionOf(request) }
      const { device, activeKeys, revokedKeys } = await changePassword(deps, actor, { current, next, revokeKeys })
      setDeviceCookie(request, reply, actor.userId, device)
      return { active_keys: activeKeys, revoked_keys: revokedKeys }
    },
  })
}
