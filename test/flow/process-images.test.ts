// What is being developed, and what only waits for its outcome to be recorded: the second keeps no child from its next image.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { processImages, type ProcessDeps } from '../../src/flow/process-images.ts'
import { toJobs } from '../../src/flow/upload.ts'
import { createLog } from '../../src/log.ts'
import { createMemoryFeed } from '../../src/publish/memory-feed.ts'
import { createMemoryQueue } from '../../src/queue/memory-queue.ts'
import { createSqlImageStore } from '../../src/record/sql-image-store.ts'
import { openFilesystemStore } from '../../src/store/filesystem.ts'
import { upload } from '../contracts/image-store.ts'
import { eventually } from '../support/client.ts'
import { openOnSqlite } from '../support/databases.ts'

const CONTENTS = ['one', 'two', 'three', 'four', 'five', 'six']
/** What a child pool of one child takes. */
const CAPACITY = 2

test('failed images make room for the next ones while their outcomes wait for each other', async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'calotype-test-'))
  const { database, close } = await openOnSqlite()
  const store = await openFilesystemStore(dataDir, { isShared: false })
  const [queue, feed] = [createMemoryQueue(), createMemoryFeed({ history: 100 })]
  const sqlStore = createSqlImageStore(database)

  // Recorded together, and not before all are there.
  const together = Promise.withResolvers<void>()
  let outcomes = 0
  const images: ProcessDeps['images'] = {
    ...sqlStore,
    async finish(...given) {
      if (++outcomes === CONTENTS.length) together.resolve()
      await together.promise
      return sqlStore.finish(...given)
    },
  }
  const blobs: ProcessDeps['blobs'] = { ...store, checkout: async (key) => ({ path: join(dataDir, key), release: async () => {} }) }
  let developing = 0
  const developer: ProcessDeps['developer'] = {
    capacity: CAPACITY,
    async develop() {
      assert.ok(++developing <= CAPACITY, 'no more at once than it takes')
      await new Promise(setImmediate)
      developing--
      return { outcome: 'failed', failure: { code: 'invalid_image', error: 'It is none.' } }
    },
    obstacle: () => null,
    whenAble: async () => {},
    stats: () => ({ children: [], developed: 0, replaced: 0, bytesInFlight: 0 }),
    close: async () => {},
  }
  const log = createLog('silent')
  const processing = processImages({ blobs, images, queue, feed, developer, pause: { current: async () => null }, worker: 'test', log })
  t.after(async () => {
    together.resolve()
    await processing.stop()
    await queue.close()
    await feed.close()
    await store.close()
    await close()
    await rm(dataDir, { recursive: true })
  })

  await queue.add(toJobs(await upload(sqlStore, ...CONTENTS)))
  await eventually(
    'all have failed',
    async () => (await sqlStore.list({ sort: 'newest', limit: 10, status: 'error' }, null)).images.length === CONTENTS.length,
    5_000,
  )
})

test('the outcome of an image that came alone waits for no other', async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'calotype-test-'))
  const { database, close } = await openOnSqlite()
  const store = await openFilesystemStore(dataDir, { isShared: false })
  const [queue, feed] = [createMemoryQueue(), createMemoryFeed({ history: 100 })]
  const sqlStore = createSqlImageStore(database)
  const delays: (number | undefined)[] = []
  const images: ProcessDeps['images'] = {
    ...sqlStore,
    async finish(result, canWaitMs) {
      delays.push(canWaitMs)
      return sqlStore.finish(result, 0)
    },
  }
  const blobs: ProcessDeps['blobs'] = { ...store, checkout: async (key) => ({ path: join(dataDir, key), release: async () => {} }) }
  const developer: ProcessDeps['developer'] = {
    capacity: CAPACITY,
    develop: async () => ({ outcome: 'failed', failure: { code: 'invalid_image', error: 'It is none.' } }),
    stats: () => ({ children: [], developed: 0, replaced: 0, bytesInFlight: 0 }),
    obstacle: () => null,
    whenAble: async () => {},
    close: async () => {},
  }
  const log = createLog('silent')
  const processing = processImages({ blobs, images, queue, feed, developer, pause: { current: async () => null }, worker: 'test', log })
  t.after(async () => {
    await processing.stop()
    await queue.close()
    await feed.close()
    await store.close()
    await close()
    await rm(dataDir, { recursive: true })
  })

  for (const content of CONTENTS) {
    const sent = delays.length
    await queue.add(toJobs(await upload(sqlStore, content)))
    await eventually('its outcome is recorded', async () => delays.length > sent, 5_000)
  }
  assert.deepEqual(
    delays,
    CONTENTS.map(() => 0),
  )
})
