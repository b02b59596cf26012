// The feed of a cluster, on a Redis stream: every server hears what any server or worker has published, and serves its own watchers.
import { setTimeout as sleep } from 'node:timers/promises'
import { BLOCK_MS, openRedis } from '../db/redis/redis.ts'
import type { Logger } from '../log.ts'
import type { EventFeed, ImageEvent } from './event-feed.ts'
import { createRecentEvents } from './recent-events.ts'
import { createAnnouncer } from './redis-announcer.ts'
import { append, isBefore, readEntries, waitForEntries, type Entry, type Position } from './redis-stream.ts'

const ENTRIES_PER_READ = 1_000
const RETRY_MS = 100
const NOWHERE: Position = { epoch: 0, n: 0 }

export interface RedisFeedOptions {
  url: string
  /** Events kept, unless they are large, in Redis for all and in this process for its own watchers. */
  history: number
  /** False in a process that only publishes: it hears nothing. */
  reader?: boolean
  log: Logger
}

/**
 * Knows where the feed stands when it resolves; if Redis is away then, after a second and without knowing. A server hears of events
 * within milliseconds of their publishing, its own ones included. When Redis was started again, lost its data, or could not be told
 * something, the next epoch begins within about two seconds of its being back.
 */
export async function createRedisFeed({ url, history, reader = true, log }: RedisFeedOptions): Promise<EventFeed> {
  const redis = openRedis({ url, purpose: 'events', log })
  const announcer = createAnnouncer(redis, history)
  const recent = createRecentEvents(history)
  const stopHearing = reader ? await startHearing() : null

  /** Fills `recent` from now on. */
  async function startHearing() {
    const blocking = openRedis({ url, purpose: 'hearing of events', log })
    const ending = new AbortController()
    const ended = new Promise<Entry[]>((resolve) => ending.signal.addEventListener('abort', () => resolve([])))
    let heard = await append(redis, history, false, []).catch(() => NOWHERE)
    recent.begin(String(heard.epoch), heard.n)

    function hear(entries: Entry[]) {
      const next: Entry[] = []
      const appendNext = () => recent.append(next.splice(0).map((entry) => entry.image!))
      for (const entry of entries) {
        const follows = entry.image && entry.epoch === heard.epoch && entry.n === heard.n + 1
        if (!follows) {
          appendNext()
          // A new epoch, or a gap: trimmed before it was heard here.
          recent.begin(String(entry.epoch), entry.image ? entry.n - 1 : entry.n)
        }
        if (entry.image) next.push(entry)
        heard = entry
      }
      appendNext()
    }

    async function hearAll() {
      let isSure = true
      while (!ending.signal.aborted) {
        try {
          if (!isSure) {
            // Silence may also be a stream that is gone, or that a Redis with less of it has begun again behind us.
            const newest = await append(redis, history, false, [])
            if (isBefore(newest, heard)) heard = NOWHERE
          }
          isSure = false
          // A Redis that hangs does not let go of the read for seconds.
          const entries = await Promise.race([waitForEntries(blocking, heard, ENTRIES_PER_READ, BLOCK_MS), ended])
          isSure = entries.length > 0
          hear(entries)
        } catch {
          await sleep(RETRY_MS, undefined, ending).catch(() => {})
        }
      }
    }

    const hearing = hearAll()
    return async () => {
      ending.abort()
      await hearing
      blocking.close()
    }
  }

  return {
    publish: announcer.publish,
    position: recent.position,

    async read(seq, limit) {
      const events = recent.read(seq, limit)
      if (events) return events
      // Before this server's time, or just ahead of it: Redis knows.
      const after = parse(seq)
      if (!after) return null
      const entries = await readEntries(redis, after, limit).catch(() => null)
      return entries && entries.map(toEvent)
    },

    onAppend: recent.onAppend,
    whenFinal: recent.whenFinal,

    async close() {
      recent.close()
      await announcer.close()
      await stopHearing?.()
      redis.close()
    },
  }
}

function toEvent({ epoch, n, image }: Entry): ImageEvent {
  return { seq: `${epoch}.${n}`, image: image! }
}

/** Only what we would write ourselves. */
function parse(seq: string): Position | null {
  const parts = /^(\d{1,15})\.(\d{1,15})$/.exec(seq)
  const position = { epoch: Number(parts?.[1]), n: Number(parts?.[2]) }
  return seq === `${position.epoch}.${position.n}` ? position : null
}
