// The live feed by polling, for who can't have a WebSocket: the same changes, from where the last answer ended.
import type { FastifyInstance } from 'fastify'
import { isSeenBy, seesOf, type Owner } from '../../access.ts'
import { events as eventsSent, eventsQuery, MAX_EVENTS, SEQ, type ApiEvents } from '../../api/events.ts'
import { jsonBytes } from '../../file-name.ts'
import type { EventFeed, ImageEvent } from '../../publish/event-feed.ts'
import { one } from '../answers.ts'
import { addEndpoint } from '../endpoint.ts'
import { toNotification } from '../wire/images.ts'

// Of the names in an answer, in JSON: eight times those of a thousand ordinary events.
const MAX_NAMES_BYTES = 512 * 1024

// A feed that grows faster than it is read is left for the next time.
const MAX_READS = 100

/** Tells of the images that who asks sees. `last` goes on over events of others. */
export async function eventRoutes(fastify: FastifyInstance, { feed }: { feed: Pick<EventFeed, 'position' | 'read'> }): Promise<void> {
  /** Up to `limit` that are seen, and how far that is; null when it is no longer known. */
  async function readSeen(since: string, limit: number, sees: Owner): Promise<{ events: ImageEvent[]; last: string } | null> {
    const size = sees === null ? limit : MAX_EVENTS
    const seen: ImageEvent[] = []
    let last = since
    let namesBytes = 0
    for (let reads = 0; reads < MAX_READS; reads++) {
      const events = await feed.read(last, size)
      if (events === null) return null
      for (const event of events) {
        last = event.seq
        if (!isSeenBy(sees, event.image)) continue
        seen.push(event)
        namesBytes += jsonBytes(event.image.name)
        if (seen.length === limit || namesBytes > MAX_NAMES_BYTES) return { events: seen, last }
      }
      if (events.length < size) break
    }
    return { events: seen, last }
  }

  async function eventsAfter(since: string | undefined, limit: number, sees: Owner): Promise<ApiEvents> {
    // Looked at before it is read: what comes meanwhile is left for the next time.
    const position = feed.position()
    if (since === undefined) return { events: [], last: position, resync: false }
    const read = await readSeen(since, limit, sees)
    if (read === null) return { events: [], last: position, resync: true }
    return { events: read.events.map(toNotification), last: read.last, resync: false }
  }

  addEndpoint(fastify, {
    route: 'GET /api/events',
    access: 'read',
    tag: 'Live',
    summary: 'Hear what changed, by polling',
    description:
      'Without `since` it only says where to begin. An answer as long as its limit, or with half a megabyte of names, may have more behind it.',
    query: eventsQuery,
    examples: { since: SEQ, limit: MAX_EVENTS },
    answers: { 200: one('What a watcher would have heard since', eventsSent) },
    noStore: true,
    handler: ({ query, principal }) => eventsAfter(query.since, query.limit, seesOf(principal)),
  })
}
