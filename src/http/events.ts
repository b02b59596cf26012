// The live feed by polling, for who can't have a WebSocket: the same changes, from where the last answer ended.
import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { ApiEvents } from '../api.ts'
import type { EventFeed } from '../publish/event-feed.ts'
import { toNotification } from './wire.ts'

const MAX_EVENTS = 1_000

const eventsQuery = z.object({
  since: z.string().optional(),
  limit: z.coerce.number().int().min(1).max(MAX_EVENTS).default(MAX_EVENTS),
})

/** Adds `GET /api/events`. Without `since` it only says where to begin; an answer as long as its limit may have more behind it. */
export async function eventRoutes(fastify: FastifyInstance, { feed }: { feed: Pick<EventFeed, 'position' | 'read'> }): Promise<void> {
  async function eventsAfter(since: string | undefined, limit: number): Promise<ApiEvents> {
    // Looked at before it is read: what comes meanwhile is left for the next time.
    const position = feed.position()
    const events = since === undefined ? [] : await feed.read(since, limit)
    if (events === null) return { events: [], last: position, resync: true }
    return { events: events.map(toNotification), last: events.at(-1)?.seq ?? since ?? position, resync: false }
  }

  fastify
    .withTypeProvider<ZodTypeProvider>()
    .get('/api/events', { schema: { querystring: eventsQuery } }, async ({ query }, reply) =>
      reply.header('cache-control', 'no-store').send(await eventsAfter(query.since, query.limit)),
    )
}
