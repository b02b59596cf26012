// What the feed says of a declared batch that is cancelled while its files come: the last word about each image is what it is.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { v7 as uuidv7 } from 'uuid'
import { openSqlite } from '../../src/db/sqlite/open-sqlite.ts'
import { cancelBatch } from '../../src/flow/batches/cancel-batch.ts'
import { uploadDeclared } from '../../src/flow/upload/upload-declared.ts'
import { createMemoryFeed } from '../../src/publish/memory-feed.ts'
import { createMemoryQueue } from '../../src/queue/memory-queue.ts'
import { createSqlRecords } from '../../src/record/sql-records.ts'
import { RECIPE } from '../../src/rendition/presets.ts'
import type { BlobStore } from '../../src/store/blob-store.ts'
import { openFilesystemStore } from '../../src/store/filesystem/filesystem.ts'

const HOUR_MS = 60 * 60 * 1000
const CONTENTS = ['one', 'two', 'three']

async function* received(blobs: BlobStore) {
  for (const [index, content] of CONTENTS.entries()) {
    const path = blobs.stage()
    await writeFile(path, content)
    const sha256 = createHash('sha256').update(content).digest('hex')
    const file = {
      index,
      synced: Promise.resolve(),
      declaredIndex: index,
      name: `${content}.jpg`,
      path,
      size: content.length,
      sha256,
      format: 'jpeg' as const,
    }
    yield { outcome: 'received' as const, ...file }
  }
}

test('cancelled between the commit of its files and their announcement, a batch has said aborted last', async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'calotype-test-'))
  const { database } = await openSqlite(join(dataDir, 'calotype.sqlite'))
  const blobs = await openFilesystemStore(dataDir, { isShared: false })
  const [queue, feed] = [createMemoryQueue(), createMemoryFeed({ history: 100 })]
  t.after(async () => {
    await queue.close()
    await feed.close()
    await blobs.close()
    await database.close()
    await rm(dataDir, { recursive: true })
  })
  const records = createSqlRecords(database)
  const { batches } = records
  await records.renditions.addRecipe(RECIPE)
  const deps = { ...records, recipe: RECIPE, blobs, queue, feed }
  const files = CONTENTS.map((content) => ({ name: `${content}.jpg`, size: content.length, sha256: null, refusal: null }))
  const { batchId } = await batches.declare({ batchId: uuidv7(), files, ttlMs: HOUR_MS, ownerId: null, sees: null, recipe: RECIPE })

  // The cancel of another client, at the worst moment.
  async function receive(...given: Parameters<typeof batches.receive>) {
    const arrived = await batches.receive(...given)
    await cancelBatch(deps, batchId, null)
    return arrived
  }
  const start = feed.position()
  const upload = await uploadDeclared({ ...deps, batches: { ...batches, receive } }, batchId, received(blobs), null)
  assert.equal(upload.images.length, CONTENTS.length)

  const events = (await feed.read(start, 100))!
  const last = new Map(events.map(({ image }) => [image.id, image.status]))
  assert.deepEqual(
    upload.images.map(({ id }) => last.get(id)),
    CONTENTS.map(() => 'aborted'),
  )
  assert.equal((await batches.get(batchId, null))?.counts.aborted, CONTENTS.length)
})
