// Announces changes on the stream of a cluster: in order, one round trip at a time, and never without saying so if some were missed.
import type { RedisConnection } from '../db/redis/redis.ts'
import type { Image } from '../image.ts'
import type { EventFeed } from './event-feed.ts'
import { append } from './redis-stream.ts'

// A script of so many holds up Redis for a few milliseconds.
const IMAGES_PER_TRIP = 1_000
const MEND_MS = 500

interface Announcement {
  images: string[]
  done(): void
}

/** While one round trip is under way, what comes next waits and goes together: it stays in order, however many publish. */
export function createAnnouncer(redis: RedisConnection, history: number): Pick<EventFeed, 'publish' | 'close'> {
  const waiting: Announcement[] = []
  let working: Promise<void> | null = null
  /** Something was not announced: a new epoch tells the watchers. */
  let missed = false
  let mending: NodeJS.Timeout | undefined
  let closed = false

  function nextGroup(): Announcement[] {
    let images = 0
    const group = waiting.findIndex((announcement) => (images += announcement.images.length) >= IMAGES_PER_TRIP)
    return waiting.splice(0, group === -1 ? waiting.length : group + 1)
  }

  async function work() {
    while (waiting.length > 0) {
      let group = nextGroup()
      const begin = missed
      try {
        await append(
          redis,
          history,
          begin,
          group.flatMap(({ images }) => images),
        )
        if (begin) missed = false
      } catch {
        missed = true
        // Nobody waits longer for an answer than the first of them.
        group = [...group, ...waiting.splice(0)]
      }
      for (const { done } of group) done()
    }
    working = null
    clearTimeout(mending)
    if (missed && !closed) mending = setTimeout(() => void announce([]), MEND_MS)
  }

  function announce(images: Image[]): Promise<void> {
    return new Promise((done) => {
      waiting.push({ images: images.map((image) => JSON.stringify(image)), done })
      working ??= work()
    })
  }

  return {
    async publish(images) {
      if (images.length > 0) await announce(images)
    },

    async close() {
      closed = true
      await working
      clearTimeout(mending)
    },
  }
}
