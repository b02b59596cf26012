// The queue of a cluster while its Redis comes, goes, forgets and hangs; and several workers at one queue.
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { Worker } from 'bullmq'
import { pino } from 'pino'
import { createBullmqQueue } from '../../src/queue/bullmq.ts'
import type { JobQueue } from '../../src/queue/job-queue.ts'
import { batchOf, named } from '../contracts/job-queue.ts'
import { startRedis } from '../support/engines/redis.ts'

const CHUNK = 16
/** Longest a caller waits for a Redis that does not answer: a second, and what a busy machine adds. */
const GIVEN_UP_MS = 2_000
/** After Redis is back: reconnecting takes up to a second. */
const BACK_MS = 4_000

describe('queue of a cluster', () => {
  let opened: AsyncDisposableStack
  beforeEach(() => void (opened = new AsyncDisposableStack()))
  afterEach(() => opened.disposeAsync())

  const redisOf = async (options: Parameters<typeof startRedis>[0] = {}) => opened.use(await startRedis(options))
  function queueOf(url: string, lines: string[] = []): JobQueue {
    const log = pino({ level: 'info' }, { write: (line: string) => void lines.push((JSON.parse(line) as { msg: string }).msg) })
    const queue = createBullmqQueue({ url, log })
    opened.defer(() => queue.close())
    return queue
  }
  async function within<T>(ms: number, action: Promise<T>): Promise<T> {
    const late = new AbortController()
    try {
      return await Promise.race([action, wait(ms, undefined, late).then(() => assert.fail(`not within ${ms} ms`))])
    } finally {
      late.abort()
    }
  }
  /** Adds a single upload, again and again as the sweep would, until the taker has it. */
  async function addUntilTaken(queue: JobQueue, taking: Promise<unknown>) {
    let taken = false
    void taking.then(() => (taken = true))
    for (let i = 0; !taken; i += 1) {
      await queue.add(batchOf(`again${i}`, 1))
      await wait(50)
    }
  }

  it('shares chunks between workers: none twice, none left, each some', async () => {
    const redis = await redisOf()
    const [server, ...workers] = [queueOf(redis.url), queueOf(redis.url), queueOf(redis.url)]
    const taken: string[][] = [[], []]
    const working = workers.map(async (worker, i) => {
      for (let jobs = await worker.take(1); jobs.length > 0; jobs = await worker.take(1)) {
        taken[i]!.push(...named(jobs))
        await wait(1)
      }
    })
    const jobs = batchOf('shared', 100 * CHUNK)
    for (let at = 0; at < jobs.length; at += 20) await server.add(jobs.slice(at, at + 20))
    while (taken.flat().length < jobs.length) await wait(5)
    await wait(100)
    await Promise.all(workers.map((worker) => worker.close()))
    await Promise.all(working)
    assert.deepEqual(taken.flat().sort(), named(jobs).sort())
    for (const part of taken) assert.ok(part.length >= 10 * CHUNK, `one worker had only ${part.length}`)
  })

  it('leaves nothing in Redis of what was taken', async () => {
    const redis = await redisOf()
    const queue = queueOf(redis.url)
    await queue.add(batchOf('a', 10 * CHUNK))
    for (let i = 0; i < 10; i += 1) await queue.take(1)
    assert.equal(await redis.call('LLEN', 'calotype:chunks:active'), 0)
    const keys = (await redis.call('KEYS', '*')) as string[]
    assert.deepEqual(
      keys.filter((key) => /:\d+/.test(key)),
      [],
    )
  })

  it('gives a chunk to another worker when one dies while taking it', async () => {
    const { url } = await redisOf()
    const queue = queueOf(url)
    await queue.add(batchOf('a', CHUNK))
    const dying = new Worker('chunks', null, { connection: { url }, prefix: 'calotype', lockDuration: 500 })
    assert.ok(await dying.getNextJob('token', { block: false }))
    await dying.close(true)
    assert.deepEqual(named(await within(15_000, queue.take(1))), named(batchOf('a', CHUNK)))
  })

  it('takes a batch of any length', async () => {
    const queue = queueOf((await redisOf()).url)
    const last = { batchId: 'endless', place: 2 ** 40, sha256: 'last' }
    await queue.add([last, ...batchOf('single', 1)])
    assert.deepEqual(named([...(await queue.take(1)), ...(await queue.take(1))]), ['single/single0', 'endless/last'])
  })

  it('wakes a waiting worker at once, not at its next look', async () => {
    const redis = await redisOf()
    const [server, worker] = [queueOf(redis.url), queueOf(redis.url)]
    await server.depth()
    const taking = worker.take(1)
    await wait(300)
    await server.add(batchOf('a', 1))
    await within(1_000, taking)
  })

  it('goes on after FLUSHALL, which a worker waits through', async () => {
    const redis = await redisOf()
    const [server, worker] = [queueOf(redis.url), queueOf(redis.url)]
    await server.add(batchOf('before', 1))
    assert.equal((await worker.take(1)).length, 1)
    const taking = worker.take(1)
    await wait(100)
    await redis.flush()
    await server.add(batchOf('after', 1))
    assert.deepEqual(named(await within(1_000, taking)), ['after/after0'])
    await server.add(batchOf('lost', 40 * CHUNK))
    await redis.flush()
    assert.equal(await server.depth(), 0)
  })

  it('goes on after a restart of Redis, which a worker waits through; says so once', async () => {
    const redis = await redisOf()
    const lines: string[] = []
    const [server, worker] = [queueOf(redis.url, lines), queueOf(redis.url)]
    await server.add(batchOf('before', 1))
    assert.equal((await worker.take(1)).length, 1)
    const taking = worker.take(1)
    await wait(100)
    await redis.stop()
    for (let i = 0; i < 5; i += 1) {
      await within(GIVEN_UP_MS, server.add(batchOf('meanwhile', 1)))
      assert.equal(await server.depth(), null)
    }
    await redis.start()
    await within(BACK_MS, Promise.all([taking, addUntilTaken(server, taking)]))
    assert.deepEqual(lines, ['Redis is away (queue)', 'Redis is back (queue)'])
  })

  it('keeps what was added before a restart, where Redis does', async () => {
    const redis = await redisOf({ appendonly: true })
    const queue = queueOf(redis.url)
    await queue.add(batchOf('kept', 2 * CHUNK))
    await redis.stop()
    await redis.start()
    const taken = await within(BACK_MS, queue.take(1))
    assert.deepEqual(named(taken), named(batchOf('kept', CHUNK)))
  })

  it('survives a Redis that hangs for three seconds', async () => {
    const redis = await redisOf()
    const [server, worker] = [queueOf(redis.url), queueOf(redis.url)]
    await server.add(batchOf('before', 1))
    assert.equal((await worker.take(1)).length, 1)
    const taking = worker.take(1)
    await wait(100)
    redis.pause()
    const hung = wait(3_000).then(redis.resume)
    await within(GIVEN_UP_MS, server.add(batchOf('meanwhile', 1)))
    assert.equal(await within(GIVEN_UP_MS, server.depth()), null)
    await hung
    await within(BACK_MS, Promise.all([taking, addUntilTaken(server, taking)]))
  })

  it('starts before Redis does, or beside one that hangs', async () => {
    const down = await redisOf({ started: false })
    const hanging = await redisOf()
    hanging.pause()
    const queues = [queueOf(down.url), queueOf(hanging.url)]
    const taking = queues.map((queue) => queue.take(1))
    await Promise.all(queues.map((queue) => within(GIVEN_UP_MS, queue.add(batchOf('early', 1)))))
    await wait(1_500)
    await down.start()
    hanging.resume()
    await within(BACK_MS, Promise.all(queues.map((queue, i) => addUntilTaken(queue, taking[i]!))))
  })

  it('closes promptly, whatever Redis does, and then gives and takes nothing', async () => {
    const redis = await redisOf()
    for (const trouble of [async () => {}, async () => redis.pause(), () => redis.stop()]) {
      const queue = queueOf(redis.url)
      assert.equal(await Promise.race([queue.take(1), wait(300, 'waiting')]), 'waiting')
      await trouble()
      await wait(300)
      await within(GIVEN_UP_MS, queue.close())
      assert.deepEqual(await within(GIVEN_UP_MS, queue.take(1)), [])
      await queue.add(batchOf('late', 1))
    }
  })
})
