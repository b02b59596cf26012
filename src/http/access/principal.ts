// Who a request comes from, and whether the route is for them: decided before anything of its body is read.
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { NOBODY, OPEN, type Principal } from '../../access.ts'
import type { AccountStore } from '../../accounts/account-store.ts'
import type { SessionLimits } from '../../accounts/sessions/session-store.ts'
import type { Actor } from '../../accounts/audit/audit-log.ts'
import type { RequestLimiter } from '../../accounts/limits/request-limiter.ts'
import { hashToken } from '../../accounts/tokens.ts'
import type { RateLimits } from '../../config.ts'
import { CalotypeError } from '../../errors.ts'
import { countCall } from './count-call.ts'
import { asksForLiveFeed } from '../live/live.ts'
import { isOwnPage } from './origin.ts'
import { accessOf, isSafe, type Access } from './route-access.ts'
import { sessionTokenOf } from './session-cookie.ts'

/** The id of who a page of ours is for. */
const PAGE_OF = 'calotype-user'

declare module 'fastify' {
  interface FastifyRequest {
    principal: Principal
  }
}

/** Adds the hook that sets `request.principal`. On the root instance, before hooks and routes that look at it. */
export type Identify = (fastify: FastifyInstance) => void

export interface PrincipalDeps {
  auth: 'open' | 'required'
  accounts: Pick<AccountStore, 'whoseSession' | 'whoseKey'>
  sessionLimits: SessionLimits
  limiter: RequestLimiter
  rateLimits: RateLimits
}

/**
 * Sets `request.principal` and refuses who may not: `too_many_requests` beyond the limits, `unauthorized` where nobody said who they are, `forbidden` where the scope lacks.
 * Call on the root instance, after cookies are parsed and before routes are added.
 */
export function addPrincipal(fastify: FastifyInstance, deps: PrincipalDeps): void {
  const { auth, accounts, sessionLimits } = deps
  fastify.decorateRequest('principal')

  async function identify(request: FastifyRequest): Promise<Principal> {
    const key = bearerOf(request.headers.authorization)
    if (key !== null) {
      const principal = await accounts.whoseKey(hashToken(key))
      if (principal === null) throw new CalotypeError('unauthorized', 'This API key is not known, has expired, or was revoked.')
      return principal
    }
    const token = sessionTokenOf(request)
    if (token === null) return NOBODY
    // A browser sends the cookie whatever page asks it to.
    if ((!isSafe(request) || asksForLiveFeed(request.raw)) && !isOwnPage(request)) throw new CalotypeError('origin_not_allowed')
    const principal = (await accounts.whoseSession(hashToken(token), sessionLimits)) ?? NOBODY
    // All tabs of a browser have one cookie: what somebody began must not go on as somebody else, who signed in in another tab.
    const { [PAGE_OF]: user } = request.headers
    if (user !== undefined && user !== principal.userId) throw new CalotypeError('unauthorized', 'Somebody else uses this browser by now.')
    return principal
  }

  fastify.addHook('onRequest', async (request) => {
    request.principal = auth === 'open' ? OPEN : NOBODY
    const access = accessOf(request)
    if (access === 'public' && !request.routeOptions.config.identifies) return
    if (auth === 'open') return countCall(deps, request, access)
    try {
      request.principal = await identify(request)
    } finally {
      // Also who had a key that is none: that is how one guesses.
      await countCall(deps, request, access)
    }
    refuse(access, request.principal)
  })
}

function refuse(access: Access, { via, scopes }: Principal): void {
  if (access === 'public' || access === 'media') return
  if (via === 'nobody') throw new CalotypeError('unauthorized')
  if (access === 'session') {
    if (via !== 'session') throw new CalotypeError('forbidden', 'This is for people who are signed in, not for keys.')
  } else if (!scopes.has(access)) throw new CalotypeError('forbidden', `This needs the scope "${access}".`)
}

/** Null where there is none; other schemes are for proxies on the way here. */
function bearerOf(authorization: string | undefined): string | null {
  return /^bearer +(\S+) *$/i.exec(authorization ?? '')?.[1] ?? null
}

/** Of a request, for the audit log. */
export const actorOf = ({ principal: { via, userId, credentialId }, ip }: FastifyRequest): Actor & { address: string } => ({
  via,
  userId,
  credentialId,
  address: ip,
})
