// Rate limits of one server, in memory.
import { RateLimiterMemory, RateLimiterRes, type RateLimiterAbstract } from 'rate-limiter-flexible'
import type { RequestLimiter } from './request-limiter.ts'

export const WINDOW_SECONDS = 60

export function createMemoryRequestLimiter(): RequestLimiter {
  const limiterOf = limiters((perMinute) => new RateLimiterMemory({ points: perMinute, duration: WINDOW_SECONDS }))
  return { count: (subject, perMinute) => consume(limiterOf(perMinute), subject), close: () => undefined }
}

/** One for each limit there is: a handful. */
export function limiters(make: (perMinute: number) => RateLimiterAbstract): (perMinute: number) => RateLimiterAbstract {
  const made = new Map<number, RateLimiterAbstract>()
  return (perMinute) => {
    const limiter = made.get(perMinute) ?? make(perMinute)
    made.set(perMinute, limiter)
    return limiter
  }
}

/** The seconds to wait, or null. Rejects when there is no counting. */
export async function consume(limiter: RateLimiterAbstract, subject: string): Promise<number | null> {
  try {
    await limiter.consume(subject)
    return null
  } catch (refused) {
    if (refused instanceof RateLimiterRes) return Math.max(1, Math.ceil(refused.msBeforeNext / 1000))
    throw refused
  }
}
