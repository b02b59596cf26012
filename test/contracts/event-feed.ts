// What every event feed must hold to, whatever it is made of.
import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { afterEach, describe, it } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import type { Image } from '../../src/image.ts'
import type { EventFeed, ImageEvent } from '../../src/publish/event-feed.ts'
import { completed, sampleImage } from '../support/inputs/sample-image.ts'

const HEARD_TIMEOUT_MS = 5_000

export const numberOf = (seq: string) => Number(seq.slice(seq.lastIndexOf('.') + 1))
export const epochOf = (seq: string) => seq.slice(0, seq.lastIndexOf('.'))

/** Waits until the condition holds; fails after five seconds. */
export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (const startedAt = Date.now(); !(await condition()); await wait(2))
    assert.ok(Date.now() - startedAt < HEARD_TIMEOUT_MS, `waited in vain: ${what}`)
}

/** Publishes, and waits until the feed has heard it: at once in memory, a moment later elsewhere. */
export async function publish(feed: EventFeed, images: Image[], hearer = feed): Promise<void> {
  const expected = numberOf(hearer.position()) + images.length
  await feed.publish(images)
  await until(() => numberOf(hearer.position()) >= expected, `event ${expected}, at ${hearer.position()}`)
}

/** `open` gives a new, empty feed that keeps at least `history` events, and forgets those far beyond. */
export function eventFeedContract(name: string, open: (options: { history: number }) => Promise<EventFeed>): void {
  describe(`event feed: ${name}`, () => {
    const opened: EventFeed[] = []
    const feedOf = async (history = 100) => {
      const feed = await open({ history })
      opened.push(feed)
      return feed
    }
    afterEach(async () => {
      for (const feed of opened.splice(0)) await feed.close()
    })

    const images = (count: number) => Array.from({ length: count }, (_, index) => sampleImage({ batchIndex: index }))
    const places = (events: ImageEvent[] | null) => events?.map((event) => event.image.batchIndex)

    it('says whose image each event is about', async () => {
      const feed = await feedOf()
      const start = feed.position()
      const owners = ['ann', null, 'ben']
      await publish(
        feed,
        owners.map((ownerId) => sampleImage({ ownerId })),
      )
      assert.deepEqual(
        (await feed.read(start, 10))?.map(({ image }) => image.ownerId),
        owners,
      )
    })

    it('gives events in the order of their publishing, numbered one by one', async () => {
      const feed = await feedOf()
      const start = feed.position()
      const published = images(5)
      await publish(feed, published.slice(0, 2))
      await publish(feed, [])
      await publish(feed, published.slice(2))

      const events = (await feed.read(start, 100))!
      assert.deepEqual(
        events.map((event) => event.image),
        published,
      )
      const first = numberOf(start)
      assert.deepEqual(
        events.map((event) => numberOf(event.seq)),
        [1, 2, 3, 4, 5].map((n) => first + n),
      )
      assert.deepEqual([...new Set(events.map((event) => epochOf(event.seq)))], [epochOf(start)])
      assert.equal(feed.position(), events.at(-1)!.seq)
    })

    it('reads no more than the limit, and goes on from any event', async () => {
      const feed = await feedOf()
      const start = feed.position()
      await publish(feed, images(10))

      const first = (await feed.read(start, 4))!
      assert.deepEqual(places(first), [0, 1, 2, 3])
      assert.deepEqual(places(await feed.read(first[3]!.seq, 100)), [4, 5, 6, 7, 8, 9])
      assert.deepEqual(places(await feed.read(first[1]!.seq, 1)), [2])
    })

    it('gives nothing old from its position', async () => {
      const feed = await feedOf()
      await publish(feed, images(3))
      const now = feed.position()
      assert.deepEqual(await feed.read(now, 10), [])
      await publish(feed, images(1))
      assert.deepEqual(places(await feed.read(now, 10)), [0])
    })

    it('keeps its history, and says where it ends', async () => {
      const feed = await feedOf(10)
      const start = feed.position()
      await publish(feed, images(1))
      const afterFirst = feed.position()
      await publish(feed, images(10))
      assert.equal((await feed.read(afterFirst, 100))?.length, 10)
      for (let i = 0; i < 100; i += 1) await publish(feed, images(10))
      assert.equal(await feed.read(start, 100), null)
      assert.equal(await feed.read(afterFirst, 1), null)
      assert.deepEqual(await feed.read(feed.position(), 100), [])
    })

    it('answers null to positions that never were', async () => {
      const feed = await feedOf()
      await publish(feed, images(3))
      const seq = feed.position()
      const epoch = epochOf(seq)
      const next = numberOf(seq) + 1
      for (const never of [
        '',
        '.',
        '0',
        'x',
        epoch,
        `${epoch}.`,
        `${epoch}.-1`,
        `${epoch}.${next}`,
        `${epoch}.0x1`,
        `${epoch}.1.0`,
        `${epoch}. 1`,
        `other.${numberOf(seq)}`,
        'x'.repeat(5000),
      ])
        assert.equal(await feed.read(never, 10), null, `"${never.slice(0, 40)}"`)
    })

    it('calls back on new events until told not to', async () => {
      const feed = await feedOf()
      const start = feed.position()
      let calls = 0
      let seen = 0
      const ended = feed.onAppend(() => {
        calls += 1
      })
      feed.onAppend(() => {
        seen += 1
      })
      await publish(feed, images(2))
      assert.ok(calls >= 1)
      assert.equal((await feed.read(start, 10))?.length, 2)
      ended()
      const before = calls
      const seenBefore = seen
      await publish(feed, images(1))
      assert.equal(calls, before)
      assert.ok(seen > seenBefore)
    })

    it('resolves all who wait at the next final state of their image, and only then', async () => {
      const feed = await feedOf()
      const [image, other] = images(2) as [ReturnType<typeof sampleImage>, ReturnType<typeof sampleImage>]
      const { signal } = new AbortController()
      const waiting = [feed.whenFinal(image.id, signal), feed.whenFinal(image.id, signal)]
      let settled = false
      void waiting[0]!.then(() => {
        settled = true
      })

      await publish(feed, [image, { ...image, status: 'processing' }, completed(other)])
      await new Promise((resolve) => setTimeout(resolve, 20))
      assert.equal(settled, false)

      await publish(feed, [completed(image)])
      assert.deepEqual(await Promise.all(waiting), [completed(image), completed(image)])
      assert.equal(getEventListeners(signal, 'abort').length, 0)
    })

    it('counts error and aborted as final', async () => {
      const feed = await feedOf()
      const { signal } = new AbortController()
      for (const status of ['error', 'aborted'] as const) {
        const image = sampleImage({ status })
        const waiting = feed.whenFinal(image.id, signal)
        await publish(feed, [image])
        assert.equal((await waiting).status, status)
      }
    })

    it('lets go of who gives up, and of nobody else', async () => {
      const feed = await feedOf()
      const image = sampleImage()
      const [leaving, staying] = [new AbortController(), new AbortController()]
      const gone = feed.whenFinal(image.id, leaving.signal)
      const kept = feed.whenFinal(image.id, staying.signal)
      const reason = new Error('enough')
      leaving.abort(reason)
      await assert.rejects(gone, reason)
      await assert.rejects(feed.whenFinal(image.id, leaving.signal), reason)
      await publish(feed, [completed(image)])
      assert.equal((await kept).status, 'completed')
    })

    it('rejects who still waits when it closes', async () => {
      const feed = await feedOf()
      const { signal } = new AbortController()
      const rejected = assert.rejects(feed.whenFinal('some-image', signal), { code: 'shutting_down' })
      await feed.close()
      await rejected
      assert.equal(getEventListeners(signal, 'abort').length, 0)
    })
  })
}
