// The feeds in memory and on Redis, held to the contract.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { pino } from 'pino'
import { createMemoryFeed } from '../../src/publish/memory-feed.ts'
import { createRedisFeed } from '../../src/publish/redis-feed.ts'
import { startRedis, type RedisServer } from '../support/engines/redis.ts'
import { sampleImage } from '../support/inputs/sample-image.ts'
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

it('keeps fewer events where names are long', async () => {
  const feed = createMemoryFeed({ history: 1_000 })
  const positions = [feed.position()]
  for (let i = 0; i < 2_000; i += 1) {
    await feed.publish([sampleImage({ batchIndex: i, name: '\u0001'.repeat(1_000) })])
    positions.push(feed.position())
  }
  const known = await Promise.all(positions.map((position) => feed.read(position, 1)))
  const kept = known.findIndex((events) => events !== null)
  assert.ok(2_000 - kept >= 100 && 2_000 - kept < 400, `${2_000 - kept}`)
  for (let i = 0; i < 1_000; i += 1) await feed.publish([sampleImage()])
  assert.equal((await feed.read(positions.at(-1)!, 10_000))?.length, 1_000)
})
