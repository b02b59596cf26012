// The feed of one server, in its memory: what it publishes is what it hears.
import { randomBytes } from 'node:crypto'
import type { EventFeed } from './event-feed.ts'
import { createRecentEvents } from './recent-events.ts'

/** `history`: how many events are kept for watchers that come back, unless they are large. What is older is answered with null. */
export function createMemoryFeed({ history }: { history: number }): EventFeed {
  const recent = createRecentEvents(history)
  // A new one each start: a position of an earlier run must not be taken for one of this run.
  recent.begin(randomBytes(8).toString('hex'), 0)
  return {
    publish: async (images) => recent.append(images),
    position: recent.position,
    read: async (seq, limit) => recent.read(seq, limit),
    onAppend: recent.onAppend,
    whenFinal: recent.whenFinal,
    close: async () => recent.close(),
  }
}
