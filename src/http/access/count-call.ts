// Rate limits: each call is counted once it is known whose it is, and before anything of its body is read.
import type { FastifyRequest } from 'fastify'
import type { RequestLimiter } from '../../accounts/limits/request-limiter.ts'
import type { RateLimits } from '../../config.ts'
import { CalotypeError } from '../../errors.ts'
import { networkOf } from '../../flow/accounts/guess-password.ts'
import type { Access } from './route-access.ts'

export interface CallLimits {
  limiter: RequestLimiter
  rateLimits: RateLimits
}

/** Throws `too_many_requests`. Media are not counted: one page of a gallery shows hundreds. */
export async function countCall({ limiter, rateLimits }: CallLimits, { principal, ip }: FastifyRequest, access: Access): Promise<void> {
  if (access === 'media') return
  const { via, userId, credentialId } = principal
  const isKnown = via === 'key' || via === 'session'
  const limit = isKnown ? rateLimits.perCaller : rateLimits.perAddress
  if (limit === null) return
  const subject = via === 'key' ? `key:${credentialId}` : via === 'session' ? `user:${userId}` : `address:${networkOf(ip)}`
  const waitSeconds = await limiter.count(subject, limit)
  if (waitSeconds !== null) throw new CalotypeError('too_many_requests', undefined, { retryAfterSeconds: waitSeconds })
}
