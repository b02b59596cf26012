// The job queue and the event feed: in memory, or on Redis for all servers and workers of a cluster.
import type { Config } from '../config.ts'
import type { Logger } from '../log.ts'
import { observeFeed } from '../observe/observe-steps.ts'
import type { Observer } from '../observe/observer.ts'
import type { EventFeed } from '../publish/event-feed.ts'
import { createMemoryFeed } from '../publish/memory-feed.ts'
import type { JobQueue } from '../queue/job-queue.ts'
import { createMemoryQueue } from '../queue/memory-queue.ts'
import { isCluster } from './topology.ts'

export interface Messaging {
  queue: JobQueue
  feed: EventFeed
  /** Closes both; one that is closed already stays so. */
  close(): Promise<void>
}

/** A worker only publishes. Redis need not be there yet. */
export async function openMessaging(config: Config, log: Logger, role: 'server' | 'worker', observer?: Observer): Promise<Messaging> {
  await using opening = new AsyncDisposableStack()
  const queue = opening.adopt(await openQueue(config, log), (one) => one.close())
  const feed = opening.adopt(await openFeed(config, log, role), (one) => one.close())
  observer?.watch({ hints: queue.depth })
  const opened = opening.move()
  return {
    queue,
    feed: observer ? observeFeed(feed, observer, { hears: role === 'server' }) : feed,
    close: () => opened.disposeAsync(),
  }
}

async function openQueue(config: Config, log: Logger): Promise<JobQueue> {
  if (!isCluster(config)) return createMemoryQueue()
  const { createBullmqQueue } = await import('../queue/bullmq.ts')
  return createBullmqQueue({ url: config.redisUrl, log })
}

async function openFeed(config: Config, log: Logger, role: 'server' | 'worker'): Promise<EventFeed> {
  const { redisUrl: url, eventHistory: history } = config
  if (!isCluster(config)) return createMemoryFeed({ history })
  const { createRedisFeed } = await import('../publish/redis-feed.ts')
  return createRedisFeed({ url, history, log, reader: role === 'server' })
}
