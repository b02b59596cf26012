// What is claimed while no child process can be started: it is pending again at once, counts as no attempt, and is done once one can.
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { processImages, type ProcessDeps } from '../../src/flow/process-images.ts'
import { toJobs } from '../../src/flow/upload.ts'
import { createLog } from '../../src/log.ts'
import type { DevelopResult } from '../../src/process/developer.ts'
import { createMemoryFeed } from '../../src/publish/memory-feed.ts'
import { createMemoryQueue } from '../../src/queue/memory-queue.ts'
import { createSqlImageStore } from '../../src/record/sql-image-store.ts'
import { openFilesystemStore } from '../../src/store/filesystem.ts'
import { upload } from '../contracts/image-store.ts'
import { eventually } from '../support/client.ts'
import { openOnSqlite } from '../support/databases.ts'

const CONTENTS = ['one', 'two', 'three', 'four', 'five', 'six']

test('work waits as pending while no child can be started, without being claimed over and over', async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'calotype-test-'))
  const { database, close } = await openOnSqlite()
  const store = await openFilesystemStore(dataDir, { isShared: false })
  const [queue, feed] = [createMemoryQueue(), createMemoryFeed({ history: 100 })]
  const sqlStore = createSqlImageStore(database)
  let claims = 0
  const images: ProcessDeps['images'] = {
    ...sqlStore,
    claim: (...what) => {
      claims++
      return sqlStore.claim(...what)
    },
  }
  const blobs: ProcessDeps['blobs'] = { ...store, checkout: async (key) => ({ path: join(dataDir, key), release: async () => {} }) }
  let obstacle: string | null = null
  const able = Promise.withResolvers<void>()
  const taken = Promise.withResolvers<void>()
  const interrupting = Promise.withResolvers<DevelopResult>()
  const developer: ProcessDeps['developer'] = {
    capacity: 2,
    async develop() {
      if (!interrupted) {
        taken.resolve()
        return interrupting.promise
      }
      return { outcome: 'failed', failure: { code: 'invalid_image', error: 'It is none.' } }
    },
    obstacle: () => obstacle,
    whenAble: () => able.promise,
    stats: () => ({ children: [], developed: 0, replaced: 0, bytesInFlight: 0 }),
    close: async () => {},
  }
  let interrupted = false
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
  const count = async (status: 'pending' | 'error') => (await sqlStore.list({ sort: 'newest', limit: 10, status }, null)).images.length

  const recorded = await upload(sqlStore, ...CONTENTS)
  await queue.add(toJobs(recorded))
  await taken.promise
  obstacle = 'No child process can be started.'
  interrupted = true
  interrupting.resolve({ outcome: 'interrupted' })
  await eventually('all are pending again', async () => (await count('pending')) === CONTENTS.length)
  const claimsBefore = claims
  await sleep(500)
  assert.deepEqual([await count('pending'), claims], [CONTENTS.length, claimsBefore])
  const attempts = async () => [...(await sqlStore.workOf(recorded.map(({ id }) => id))).values()].map((work) => work.attempts)
  assert.deepEqual(
    (await attempts()).filter((each) => each !== 0),
    [],
  )

  obstacle = null
  able.resolve()
  await eventually('all are done', async () => (await count('error')) === CONTENTS.length)
  assert.deepEqual(
    (await attempts()).filter((each) => each !== 1),
    [],
  )
})
