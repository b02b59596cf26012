// The feed of a cluster, heard by several servers, while its Redis comes, goes, forgets and hangs.
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { pino } from 'pino'
import { openRedis } from '../../src/db/redis/redis.ts'
import type { EventFeed, ImageEvent } from '../../src/publish/event-feed.ts'
import { createRedisFeed } from '../../src/publish/redis-feed.ts'
import { epochOf, numberOf, publish, until } from '../contracts/event-feed.ts'
import { startRedis } from '../support/engines/redis.ts'
import { completed, sampleImage } from '../support/inputs/sample-image.ts'

/** Longest a caller waits for a Redis that does not answer: a second, and what a busy machine adds. */
const GIVEN_UP_MS = 2_000

describe('feed of a cluster', () => {
  let opened: AsyncDisposableStack
  beforeEach(() => void (opened = new AsyncDisposableStack()))
  afterEach(() => opened.disposeAsync())

  const redisOf = async (options: Parameters<typeof startRedis>[0] = {}) => opened.use(await startRedis(options))
  async function feedOf(url: string, options: { reader?: boolean; history?: number; lines?: string[] } = {}): Promise<EventFeed> {
    const { lines = [], ...given } = options
    const log = pino({ level: 'info' }, { write: (line: string) => void lines.push((JSON.parse(line) as { msg: string }).msg) })
    const feed = await createRedisFeed({ url, log, history: 1_000, ...given })
    opened.defer(() => feed.close())
    return feed
  }

  const images = (count: number, from = 0) => Array.from({ length: count }, (_, index) => sampleImage({ batchIndex: from + index }))
  const places = (events: ImageEvent[] | null) => events?.map((event) => event.image.batchIndex)
  const upTo = (count: number) => Array.from({ length: count }, (_, index) => index)

  async function promptly(action: Promise<unknown>) {
    const startedAt = performance.now()
    await action
    assert.ok(performance.now() - startedAt < GIVEN_UP_MS, `took ${Math.round(performance.now() - startedAt)} ms`)
  }

  /** A watcher as the server has them: reads on when called, and counts how often it was told to read the list again. */
  function watch(feed: EventFeed) {
    const heard: ImageEvent[] = []
    const watcher = { heard, resyncs: 0 }
    let seq = feed.position()
    let reading = Promise.resolve()
    const read = async () => {
      for (;;) {
        const events = await feed.read(seq, 100)
        if (events?.length === 0) return
        if (!events) watcher.resyncs += 1
        heard.push(...(events ?? []))
        seq = events?.at(-1)!.seq ?? feed.position()
      }
    }
    feed.onAppend(() => {
      reading = reading.then(read)
    })
    return watcher
  }

  /** Whatever was missed or begun anew meanwhile: sooner or later a watcher hears what is published, and not only that it missed it. */
  async function hearsAgain(publisher: EventFeed, ...watchers: ReturnType<typeof watch>[]) {
    await until(async () => {
      await publisher.publish(images(1, 7))
      await wait(20)
      return watchers.every(({ heard }) => heard.at(-1)?.image.batchIndex === 7)
    }, 'what came after')
  }

  it('is heard by every server, in order, under the same positions', async () => {
    const { url } = await redisOf()
    const [a, b, worker] = [await feedOf(url), await feedOf(url), await feedOf(url, { reader: false })]
    const watchers = [watch(a), watch(b)]
    const publishing = [a, b, worker].map(async (feed, publisher) => {
      for (let i = 0; i < 100; i += 1) await feed.publish([sampleImage({ batchId: `publisher ${publisher}`, batchIndex: i })])
    })
    await Promise.all(publishing)
    for (const { heard } of watchers) await until(() => heard.length === 300, 'all of them')
    assert.deepEqual(watchers[0]!.heard, watchers[1]!.heard)
    for (const publisher of [0, 1, 2]) {
      const own = watchers[1]!.heard.filter((event) => event.image.batchId === `publisher ${publisher}`)
      assert.deepEqual(places(own), upTo(100))
    }
    assert.deepEqual(
      watchers.map(({ resyncs }) => resyncs),
      [0, 0],
    )
  })

  it('keeps the order of what is published without waiting, a thousand at a time', async () => {
    const { url } = await redisOf()
    const [a, b] = [await feedOf(url, { history: 5_000 }), await feedOf(url, { history: 5_000 })]
    const watcher = watch(b)
    await Promise.all(Array.from({ length: 300 }, (_, i) => a.publish(images(10, i * 10))))
    await until(() => watcher.heard.length === 3_000, 'all of them')
    assert.deepEqual(places(watcher.heard), upTo(3_000))
  })

  it('tells who waits on one server of an image that was finished by another', async () => {
    const { url } = await redisOf()
    const [a, worker] = [await feedOf(url), await feedOf(url, { reader: false })]
    const image = sampleImage()
    const waiting = a.whenFinal(image.id, AbortSignal.timeout(5_000))
    await worker.publish([completed(image)])
    assert.deepEqual(await waiting, completed(image))
  })

  it('replays what a server that started later has not heard itself', async () => {
    const { url } = await redisOf()
    const a = await feedOf(url)
    const start = a.position()
    await publish(a, images(50))
    const late = await feedOf(url)
    assert.equal(late.position(), a.position())
    assert.deepEqual(places(await late.read(start, 20)), upTo(20))
    assert.deepEqual(places(await late.read(`${epochOf(start)}.${numberOf(start) + 20}`, 100)), upTo(50).slice(20))
    await publish(a, images(10, 50), late)
    assert.deepEqual(places(await late.read(start, 100)), upTo(60))
  })

  it('tells watchers to read the list again where another version wrote what this one can not read', async () => {
    const redis = await redisOf()
    const [server, worker] = [await feedOf(redis.url), await feedOf(redis.url, { reader: false })]
    const watcher = watch(server)
    const start = server.position()
    await worker.publish(images(1))
    await until(() => watcher.heard.length === 1, 'the first')
    const other = JSON.stringify({ ...sampleImage(), outcome: { imageKey: 'developed/ab', width: 3 }, status: 'completed' })
    await redis.call('XADD', 'calotype:{events}', `${epochOf(start)}-2`, 'image', other)
    await until(() => watcher.resyncs === 1, 'a resync')
    await hearsAgain(worker, watcher)
    const late = await feedOf(redis.url)
    assert.equal(await late.read(start, 100), null)
  })

  it('knows positions that another server has heard a moment earlier', async () => {
    const redis = await redisOf()
    const [server, worker] = [await feedOf(redis.url), await feedOf(redis.url, { reader: false })]
    const start = server.position()
    for (let n = 1; n <= 5; n += 1) {
      // Cut off, it hears nothing for a moment.
      const clients = ((await redis.call('CLIENT', 'LIST')) as string).split('\n').filter((line) => line.includes('cmd=xread'))
      for (const client of clients) await redis.call('CLIENT', 'KILL', 'ID', /id=(\d+)/.exec(client)![1]!)
      await worker.publish(images(1))
      assert.deepEqual(await server.read(`${epochOf(start)}.${n}`, 10), [])
      await until(() => numberOf(server.position()) === n, 'heard here, too')
      await wait(20)
    }
  })

  it('goes on behind a gap when more is published at once than is kept', async () => {
    const { url } = await redisOf()
    const feed = await feedOf(url, { history: 10 })
    const start = feed.position()
    await publish(feed, images(900))
    assert.equal(numberOf(feed.position()), numberOf(start) + 900)
    assert.equal(await feed.read(start, 10), null)
    assert.deepEqual(places(await feed.read(`${epochOf(start)}.${numberOf(start) + 890}`, 10)), upTo(900).slice(890))
  })

  it('begins an epoch when Redis has lost everything, also if nothing more is published', async () => {
    const redis = await redisOf()
    const [a, b] = [await feedOf(redis.url), await feedOf(redis.url)]
    const watchers = [watch(a), watch(b)]
    await publish(a, images(3))
    const before = a.position()
    await redis.flush()
    await until(() => watchers.every(({ resyncs }) => resyncs === 1), 'a resync on both servers')
    assert.equal(await b.read(before, 10), null)
    assert.equal(a.position(), b.position())
    await publish(b, images(1, 7), a)
    await until(() => watchers.every(({ heard }) => heard.at(-1)?.image.batchIndex === 7), 'what came after')
    assert.deepEqual(
      watchers.map(({ resyncs }) => resyncs),
      [1, 1],
    )
  })

  for (const appendonly of [false, true])
    it(`begins an epoch after a restart of Redis, ${appendonly ? 'which may have lost the last second' : 'which lost all'}`, async () => {
      const redis = await redisOf({ appendonly })
      const lines: string[] = []
      const [a, b] = [await feedOf(redis.url, { lines }), await feedOf(redis.url)]
      const watchers = [watch(a), watch(b)]
      await publish(a, images(3), b)
      const before = a.position()
      await redis.stop()
      assert.equal(a.position(), before)
      assert.deepEqual(await a.read(before, 10), [], 'no news, and no resync at every look')
      await redis.start()
      await until(() => watchers.every(({ resyncs }) => resyncs === 1), 'a resync on both servers')
      assert.ok(Number(epochOf(a.position())) > Number(epochOf(before)))
      await publish(a, images(1, 7), b)
      await until(() => watchers.every(({ heard }) => heard.at(-1)?.image.batchIndex === 7), 'what came after')
      assert.deepEqual(
        watchers.map(({ resyncs }) => resyncs),
        [1, 1],
      )
      assert.deepEqual(lines.sort(), [
        'Redis is away (events)',
        'Redis is away (hearing of events)',
        'Redis is back (events)',
        'Redis is back (hearing of events)',
      ])
    })

  it('begins an epoch when something could not be announced, also if nothing more is published', async () => {
    const redis = await redisOf()
    const [server, worker] = [await feedOf(redis.url), await feedOf(redis.url, { reader: false })]
    const watcher = watch(server)
    await publish(worker, images(3), server)
    redis.pause()
    const hung = wait(3_000).then(redis.resume)
    await promptly(Promise.all([worker.publish(images(1)), worker.publish(images(1)), wait(100).then(() => worker.publish(images(1)))]))
    await promptly(worker.publish(images(1)))
    await hung
    await until(() => watcher.resyncs > 0, 'a resync')
    // One more may begin, for what was given up and is heard late.
    await hearsAgain(worker, watcher)
    const { resyncs } = watcher
    await publish(worker, images(1, 8), server)
    await until(() => watcher.heard.at(-1)?.image.batchIndex === 8, 'what came after')
    assert.equal(watcher.resyncs, resyncs)
  })

  it('starts before Redis does, or beside one that hangs', async () => {
    const [down, hanging] = [await redisOf({ started: false }), await redisOf()]
    hanging.pause()
    const opening = [down, hanging].map(({ url }) => feedOf(url))
    await promptly(Promise.all(opening))
    const feeds = await Promise.all(opening)
    const watchers = feeds.map(watch)
    const before = feeds.map((feed) => feed.position())
    await Promise.all(feeds.map((feed) => promptly(feed.publish(images(1)))))
    for (const [i, feed] of feeds.entries()) assert.deepEqual(await feed.read(before[i]!, 10), [])
    await down.start()
    hanging.resume()
    for (const [i, feed] of feeds.entries()) {
      await until(() => watchers[i]!.resyncs > 0 && feed.position() !== before[i], 'an epoch')
      await hearsAgain(feed, watchers[i]!)
    }
  })

  it('hears of an epoch behind its own, as after a failover to a machine whose clock is late', async () => {
    const redis = await redisOf()
    const [a, b] = [await feedOf(redis.url), await feedOf(redis.url)]
    const watcher = watch(b)
    await publish(a, images(3), b)
    const run = /run_id:(\w+)/.exec((await redis.call('INFO', 'server')) as string)![1]!
    await redis.call('SET', 'calotype:{events}:run', run)
    await redis.call('EVAL', "redis.call('DEL', KEYS[1]) redis.call('XADD', KEYS[1], '5-0', 'begun', 'earlier')", 1, 'calotype:{events}')
    await a.publish(images(1))
    await until(() => watcher.resyncs > 0, 'a resync')
    await publish(a, images(1, 7), b)
    await until(() => watcher.heard.at(-1)?.image.batchIndex === 7, 'what came after')
    assert.equal(b.position(), '5.2')
  })

  it('closes promptly, whatever Redis does; a process that only publishes has one connection', async () => {
    const redis = await redisOf()
    const ofOurs = async () => ((await redis.call('CLIENT', 'LIST')) as string).trim().split('\n').length - 1
    const worker = await feedOf(redis.url, { reader: false })
    await worker.publish(images(1))
    assert.equal(await ofOurs(), 1)
    await promptly(worker.close())
    await until(async () => (await ofOurs()) === 0, 'no connection left')
    for (const trouble of [async () => {}, async () => redis.pause(), () => redis.stop()]) {
      const feed = await feedOf(redis.url)
      await trouble()
      await wait(300)
      const rejected = assert.rejects(feed.whenFinal('some-image', new AbortController().signal), { code: 'shutting_down' })
      await promptly(feed.close())
      await rejected
      await promptly(feed.publish(images(1)))
      redis.resume()
    }
  })

  it('keeps fewer events where names are long', async () => {
    const redis = await redisOf()
    const feed = await feedOf(redis.url)
    const named = (count: number, name: string) => Array.from({ length: count }, (_, batchIndex) => sampleImage({ batchIndex, name }))
    const first = feed.position()
    for (let i = 0; i < 6; i += 1) await publish(feed, named(500, '\u0001'.repeat(1_000)))
    const client = openRedis({ url: redis.url, purpose: 'the test', log: pino({ level: 'silent' }) })
    opened.defer(() => client.close())
    const bytes = await client.ask(() => client.client.memory('USAGE', 'calotype:{events}', 'SAMPLES', 0))
    // As much as is added between two looks comes on top.
    assert.ok(Number(bytes) < 1_000 * 1_024 + 500 * 7_000, `${bytes} bytes`)
    assert.equal(await feed.read(first, 10), null)
    const last = feed.position()
    await publish(feed, named(900, 'short.jpg'))
    assert.equal((await feed.read(last, 1_000))?.length, 900)
  })
})
