// Opens connections to a Redis for queue and feed: each comes back by itself, and what it is asked is answered soon or given up.
import { Redis } from 'ioredis'
import type { Logger } from '../../log.ts'

/** Longest an `ask` takes. */
const ANSWER_MS = 1_000
const CONNECT_TIMEOUT_MS = 2_000
const MAX_RECONNECT_MS = 1_000
// A server that owes an answer and says nothing for so long is taken for dead. Above BLOCK_MS, or waiting would be taken for dying.
const MAX_SILENCE_MS = 5_000
/** What a blocking read asks the server to wait at most. */
export const BLOCK_MS = 2_000

export interface RedisConnection {
  /** For blocking reads, and for packages that take a client. While Redis is away its commands reject at once. */
  client: Redis
  /**
   * The answer, or a rejection after at most a second. Waits for a connection that is just coming; in an outage that lasts longer than
   * that, rejects at once. A question given up may still be heard by a server that was only slow. Each outage is logged once.
   */
  ask<T>(question: () => Promise<T>): Promise<T>
  /** At once; what is under way rejects. */
  close(): void
}

/** Returns at once, also when there is no Redis yet. `purpose` is for the log. */
export function openRedis({ url, purpose, log }: { url: string; purpose: string; log: Logger }): RedisConnection {
  const client = new Redis(url, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    connectTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: MAX_SILENCE_MS,
    retryStrategy: (attempt) => Math.min(25 * 2 ** attempt, MAX_RECONNECT_MS),
    // After a failover, the old master answers as a replica.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
  })
  let ready = Promise.withResolvers<void>()
  let isReady = false
  let awaySince: number | null = null
  let closed = false

  function went(error: unknown) {
    if (awaySince !== null || closed) return
    awaySince = performance.now()
    log.warn({ err: error }, `Redis is away (${purpose})`)
  }
  function came() {
    if (awaySince === null) return
    log.info({ awayMs: Math.round(performance.now() - awaySince) }, `Redis is back (${purpose})`)
    awaySince = null
  }

  client.on('error', went)
  client.on('ready', () => {
    isReady = true
    ready.resolve()
    came()
  })
  client.on('close', () => {
    if (isReady) ready = Promise.withResolvers()
    isReady = false
    went(new Error('the connection was closed'))
  })

  return {
    client,

    async ask(question) {
      if (closed) throw new Error('the connection was closed')
      if (!isReady && awaySince !== null && performance.now() - awaySince > ANSWER_MS) throw new Error('Redis is away')
      const late = Promise.withResolvers<never>()
      const timer = setTimeout(() => late.reject(new Error(`Redis did not answer within ${ANSWER_MS} ms`)), ANSWER_MS)
      try {
        await Promise.race([ready.promise, late.promise])
        const answer = await Promise.race([question(), late.promise])
        came()
        return answer
      } catch (error) {
        went(error)
        throw error
      } finally {
        clearTimeout(timer)
      }
    },

    close() {
      closed = true
      client.disconnect()
    },
  }
}
