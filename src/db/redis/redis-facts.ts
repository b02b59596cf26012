// What a Redis tells of its settings and its clock.
import type { Logger } from '../../log.ts'
import { openRedis } from './redis.ts'

export interface RedisFacts {
  /** Of its clock to ours, in milliseconds; and by how much that may be wrong. */
  clockOffsetMs: number
  clockErrorMs: number
  /** `noeviction`, `allkeys-lru`, … */
  evictionPolicy: string
  appendOnly: boolean
}

/** Rejects when it can not be reached. By INFO, which hosted ones answer, too. */
export async function redisFacts(url: string, log: Logger): Promise<RedisFacts> {
  const redis = openRedis({ url, purpose: 'examination', log })
  try {
    const info = await redis.ask(() => redis.client.info())
    const field = (name: string) => new RegExp(`^${name}:(\\S+)`, 'm').exec(info)?.[1]
    const askedAt = Date.now()
    const [seconds, microseconds] = await redis.ask(() => redis.client.time())
    const answeredAt = Date.now()
    return {
      clockOffsetMs: Number(seconds) * 1_000 + Number(microseconds) / 1_000 - (askedAt + answeredAt) / 2,
      clockErrorMs: (answeredAt - askedAt) / 2 + 1,
      evictionPolicy: field('maxmemory_policy') ?? 'unknown',
      appendOnly: field('aof_enabled') === '1',
    }
  } finally {
    redis.close()
  }
}
