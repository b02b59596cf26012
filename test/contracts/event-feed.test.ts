// The feeds in memory and on Redis, held to the contract.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { pino } from 'pino'
import { createMemoryFeed } from '../../src/publish/memory-feed.ts'
import { createRedisFeed } from '../../src/publish/redis-feed.ts'
import { startRedis, type RedisServer } from '../support/redis.ts'
import { sampleImage } from '../support/sample-image.ts'
import { eventFeedContract } from './event-feed.ts'

eventFeedContract('memory', async (options) => createMemoryFeed(options))

describe('on Redis', () => {
  let redis: RedisServer
  before(async () => {
    redis = await startRedis()
  })
  after(() => redis[Symbol.asyncDispose]())

  eventFeedContract('Redis stream', async (options) => {
    await redis.flush()
    return createRedisFeed({ url: redis.url, log: pino({ level: 'silent' }), ...options })
  })
})

it('does not take a position of an earlier run for one of its own', async () => {
  const [before, after] = [createMemoryFeed({ history: 10 }), createMemoryFeed({ history: 10 })]
  await before.publish([sampleImage()])
  await after.publish([sampleImage()])
  assert.equal(await after.read(before.position(), 10), null)
})

it('keeps exactly its history', async () => {
  const feed = createMemoryFeed({ history: 3 })
  const positions = [feed.position()]
  for (let i = 0; i < 5; i += 1) {
    await feed.publish([sampleImage({ batchIndex: i })])
    positions.push(feed.position())
  }
  assert.equal(await feed.read(positions[1]!, 10), null)
  assert.deepEqual(
    (await feed.read(positions[2]!, 10))?.map((event) => event.image.batchIndex),
    [2, 3, 4],
  )
})
