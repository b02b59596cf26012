// What processing needs, for tests of the flow: rows on SQLite, a store in a folder, queue and feed in memory, and an image processor that is told.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { processImages, type ProcessDeps, type Processing } from '../../src/flow/develop/process-images.ts'
import { createLog } from '../../src/log.ts'
import type { ImageTask, TaskResult } from '../../src/process/image-processor.ts'
import { createMemoryFeed } from '../../src/publish/memory-feed.ts'
import { createMemoryQueue } from '../../src/queue/memory-queue.ts'
import { createSqlRecords } from '../../src/record/sql-records.ts'
import { RECIPE } from '../../src/rendition/presets.ts'
import type { BlobStore } from '../../src/store/blob-store.ts'
import { openFilesystemStore } from '../../src/store/filesystem/filesystem.ts'
import { openOnSqlite } from '../support/engines/databases.ts'
import { sampleOutput, samplePicture } from '../support/inputs/sample-image.ts'

/** A store in a folder of its own. Every original seems to be there. */
export async function openBlobs(t: TestContext): Promise<BlobStore> {
  const folder = await mkdtemp(join(tmpdir(), 'calotype-test-'))
  const store = await openFilesystemStore(folder, { isShared: false })
  t.after(async () => {
    await store.close()
    await rm(folder, { recursive: true })
  })
  return { ...store, checkout: async (key) => ({ path: join(folder, key), release: async () => {} }) }
}

export async function openProcessing(t: TestContext) {
  const { database, close } = await openOnSqlite()
  const records = createSqlRecords(database)
  await records.renditions.addRecipe(RECIPE)
  const [queue, feed] = [createMemoryQueue(), createMemoryFeed({ history: 100 })]
  const running: Processing[] = []
  t.after(async () => {
    for (const processing of running) await processing.stop()
    await queue.close()
    await feed.close()
    await close()
  })
  const blobs = await openBlobs(t)
  return {
    records,
    queue,
    feed,
    blobs,
    /** Until the test is over. */
    start(processor: ProcessDeps['processor'], deps: Partial<ProcessDeps> = {}) {
      const pause = { current: async () => null }
      const { work } = records
      running.push(processImages({ blobs, work, queue, feed, processor, pause, worker: 'test', log: createLog('silent'), ...deps }))
    },
  }
}

/** Does what it is told to, and has no children. */
export const processorOf = (
  develop: (job: ImageTask) => Promise<TaskResult>,
  more: Partial<ProcessDeps['processor']> = {},
): ProcessDeps['processor'] => ({
  // What a child pool of one child takes.
  capacity: 2,
  develop,
  obstacle: () => null,
  whenAble: async () => {},
  stats: () => ({ children: [], developed: 0, replaced: 0, bytesInFlight: 0 }),
  close: async () => {},
  ...more,
})

export const noImage = async (): Promise<TaskResult> => ({
  outcome: 'failed',
  failure: { code: 'invalid_image', error: 'It is none.' },
})

/** Writes something for every output, and says so. */
export async function pretend({ outputs }: ImageTask, contentOf = (operation: string) => operation): Promise<TaskResult> {
  const made = await Promise.all(
    outputs.map(async ({ operation, path }) => {
      const content = contentOf(operation)
      await writeFile(path, content)
      return { ...sampleOutput(operation), size: content.length }
    }),
  )
  return { outcome: 'developed', picture: samplePicture, outputs: made }
}
