// Rate limits, held to their contract in memory and in Redis; and a Redis that goes away stops nobody.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { createMemoryRequestLimiter } from '../../../src/accounts/limits/memory-request-limiter.ts'
import { createRedisRequestLimiter } from '../../../src/accounts/limits/redis-request-limiter.ts'
import type { RequestLimiter } from '../../../src/accounts/limits/request-limiter.ts'
import { createLog } from '../../../src/log.ts'
import { startRedis, type RedisServer } from '../../support/engines/redis.ts'

function requestLimiterContract(open: () => RequestLimiter) {
  test('lets so many through in a minute, each subject by itself, then says how long to wait', async () => {
    const limiter = open()
    const all = []
    for (let i = 0; i < 5; i++) all.push(await limiter.count('key:a', 3))
    assert.deepEqual(all.slice(0, 3), [null, null, null])
    for (const seconds of all.slice(3)) assert.ok(seconds !== null && seconds >= 1 && seconds <= 60, `${seconds} s`)
    assert.equal(await limiter.count('key:b', 3), null)
    assert.equal(await limiter.count('key:a', 100), null, 'another limit counts by itself')
    limiter.close()
  })

  test('many at once are no more than the limit', async () => {
    const limiter = open()
    const all = await Promise.all(Array.from({ length: 50 }, () => limiter.count('user:c', 10)))
    assert.equal(all.filter((seconds) => seconds === null).length, 10)
    limiter.close()
  })
}

describe('in memory', () => requestLimiterContract(createMemoryRequestLimiter))

describe('in Redis', () => {
  let redis: RedisServer
  const log = createLog('silent')
  before(async () => {
    redis = await startRedis()
  })
  after(() => redis[Symbol.asyncDispose]())

  requestLimiterContract(() => createRedisRequestLimiter({ url: redis.url, log }))

  test('servers count together', async () => {
    const servers = [1, 2].map(() => createRedisRequestLimiter({ url: redis.url, log }))
    const all = []
    for (let i = 0; i < 8; i++) all.push(await servers[i % 2]!.count('key:shared', 5))
    assert.equal(all.filter((seconds) => seconds === null).length, 5)
    for (const server of servers) server.close()
  })

  test('while it is away each server counts by itself, soon', async () => {
    const limiter = createRedisRequestLimiter({ url: 'redis://127.0.0.1:1', log })
    assert.equal(await limiter.count('key:x', 2), null)
    assert.equal(await limiter.count('key:x', 2), null)
    const startedAt = performance.now()
    assert.notEqual(await limiter.count('key:x', 2), null)
    assert.ok(performance.now() - startedAt < 5_000)
    limiter.close()
  })
})
