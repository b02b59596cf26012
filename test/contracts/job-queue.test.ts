// The queues in memory and on Redis, held to the contract.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { pino } from 'pino'
import { createBullmqQueue } from '../../src/queue/bullmq.ts'
import { createMemoryQueue } from '../../src/queue/memory-queue.ts'
import { startRedis, type RedisServer } from '../support/engines/redis.ts'
import { batchOf, jobQueueContract, named } from './job-queue.ts'

describe('job queue in memory', () => {
  jobQueueContract(async () => createMemoryQueue(), { chunk: 1 })

  it('forgets a dropped batch', async () => {
    const queue = createMemoryQueue()
    await queue.add([...batchOf('a', 10), ...batchOf('b', 2)])
    await queue.drop('a')
    assert.equal(await queue.depth(), 2)
    assert.deepEqual(named([...(await queue.take(1)), ...(await queue.take(1))]), named(batchOf('b', 2)))
    await queue.close()
  })
})

describe('job queue of BullMQ on Redis', () => {
  let redis: RedisServer
  before(async () => {
    redis = await startRedis()
  })
  after(() => redis[Symbol.asyncDispose]())

  const create = async () => {
    await redis.flush()
    return createBullmqQueue({ url: redis.url, log: pino({ level: 'silent' }) })
  }
  jobQueueContract(create, { chunk: 16 })
})
