// Rate limits of a cluster, in Redis: all servers count together, and each by itself while Redis is away.
import { RateLimiterRedis } from 'rate-limiter-flexible'
import { openRedis } from '../../db/redis/redis.ts'
import type { Logger } from '../../log.ts'
import { consume, createMemoryRequestLimiter, limiters, WINDOW_SECONDS } from './memory-request-limiter.ts'
import type { RequestLimiter } from './request-limiter.ts'

/** Each outage is logged once. */
export function createRedisRequestLimiter({ url, log }: { url: string; log: Logger }): RequestLimiter {
  const redis = openRedis({ url, purpose: 'rate limits', log })
  const alone = createMemoryRequestLimiter()
  const limiterOf = limiters(
    (points) =>
      new RateLimiterRedis({
        storeClient: redis.client,
        keyPrefix: `calotype:rate:${points}`,
        points,
        duration: WINDOW_SECONDS,
        // Who has had enough is told so without asking Redis.
        inMemoryBlockOnConsumed: points + 1,
      }),
  )
  return {
    async count(subject, perMinute) {
      try {
        return await redis.ask(() => consume(limiterOf(perMinute), subject))
      } catch {
        return alone.count(subject, perMinute)
      }
    },
    close: () => redis.close(),
  }
}
