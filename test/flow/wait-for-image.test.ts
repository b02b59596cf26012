// The wait of a sync upload: what is announced before it listens is not missed, and who waits looks at the rows with the others.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { createWaits } from '../../src/flow/upload/wait-for-image.ts'
import { CalotypeError } from '../../src/errors.ts'
import type { Image } from '../../src/image.ts'
import { createMemoryFeed } from '../../src/publish/memory-feed.ts'
import { createSqlRecords } from '../../src/record/sql-records.ts'
import type { ImageStore } from '../../src/record/images/image-store.ts'
import { develop, upload } from '../contracts/record/records.ts'
import { openOnSqlite } from '../support/engines/databases.ts'

const LONG_MS = 60_000

/** A real store and feed; `looks` has what the rows were asked. */
async function open(t: TestContext, history = 100, isAway = () => false) {
  const { database, close } = await openOnSqlite()
  const feed = createMemoryFeed({ history })
  t.after(async () => {
    await feed.close()
    await close()
  })
  const records = createSqlRecords(database)
  const looks: string[][] = []
  const images: Pick<ImageStore, 'get' | 'getMany'> = {
    async get(id, owner) {
      if (isAway()) throw new CalotypeError('database_unavailable')
      looks.push([id])
      return records.images.get(id, owner)
    },
    async getMany(ids, owner) {
      if (isAway()) throw new CalotypeError('database_unavailable')
      looks.push(ids)
      return records.images.getMany(ids, owner)
    },
  }
  const since = feed.position()
  const sent = async (content: string): Promise<Image> => (await upload(records, content))[0]!
  return { records, feed, looks, since, sent, wait: createWaits({ images, feed }) }
}

test('what is announced, before the wait or later, is known without a look at the rows', async (t) => {
  const { records, feed, looks, since, sent, wait } = await open(t)
  const [before, after] = [await sent('before'), await sent('after')]
  await feed.publish(await develop(records, 'before'))
  assert.equal((await wait(before, since, LONG_MS))?.status, 'completed')
  const waiting = wait(after, since, LONG_MS)
  await feed.publish(await develop(records, 'after'))
  assert.equal((await waiting)?.status, 'completed')
  assert.deepEqual(looks, [])
})

test('where the feed no longer knows what came since, the row says so', async (t) => {
  const { records, feed, looks, since, sent, wait } = await open(t, 1)
  const image = await sent('one')
  await feed.publish(await develop(records, 'one'))
  await feed.publish([await sent('two')])
  assert.equal((await wait(image, since, LONG_MS))?.status, 'completed')
  assert.deepEqual(looks, [[image.id]])
})

test('what nobody announced is found in the rows, in one look for all who wait; so is an image that went', async (t) => {
  const { records, looks, since, sent, wait } = await open(t)
  const images = [await sent('one'), await sent('two'), await sent('gone')]
  const waiting = [...images, images[0]!].map((image) => wait(image, since, LONG_MS))
  await develop(records, 'one')
  await develop(records, 'two')
  await records.images.delete(images[2]!.id, null)
  const ended = await Promise.all(waiting)
  assert.deepEqual(
    ended.map((image) => image?.status),
    ['completed', 'completed', undefined, 'completed'],
  )
  assert.deepEqual(looks, [images.map(({ id }) => id)])
})

test('after its time, and when the server stops, an image is answered as it is', async (t) => {
  const { feed, since, sent, wait } = await open(t)
  const image = await sent('one')
  assert.equal((await wait(image, since, 50))?.status, 'pending')
  const waiting = wait(image, since, LONG_MS)
  await feed.close()
  assert.equal((await waiting)?.status, 'pending')
})

test('while the rows cannot be read, an image that is recorded is answered as it was', async (t) => {
  let isAway = false
  const { feed, since, sent, wait } = await open(t, 1, () => isAway)
  const images = [await sent('one'), await sent('two')]
  // The feed has forgotten what came since, so that the rows are asked.
  await feed.publish(images)
  isAway = true
  assert.equal((await wait(images[0]!, since, 50))?.status, 'pending')
  const waiting = wait(images[1]!, since, LONG_MS)
  await feed.close()
  assert.equal((await waiting)?.status, 'pending')
})
