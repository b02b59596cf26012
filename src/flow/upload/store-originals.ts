// Stores the bytes of received files: a row announces each original before its bytes are in the store, so that none is ever unknown.
import { failpoint } from '../../failpoints.ts'
import type { ReceivedFile } from '../../receive/receive-files.ts'
import type { OriginalStore } from '../../record/originals/original-store.ts'
import { originalKey } from '../../rendition/keys.ts'
import type { BlobStore } from '../../store/blob-store.ts'
import { releaseUnused } from './release-unused.ts'

export interface StoreDeps {
  blobs: Pick<BlobStore, 'put' | 'discard'>
  originals: Pick<OriginalStore, 'expect' | 'release'>
}

/** Durable on return. Where one can't be stored it rejects, and all of them are left to be collected, unless someone else uses them. */
export async function storeOriginals({ blobs, originals }: StoreDeps, files: ReceivedFile[]): Promise<void> {
  if (files.length === 0) return
  try {
    const [storedAt] = await all([originals.expect(files), ...files.map(({ synced }) => synced)])
    failpoint('originals-expected')
    await all(files.map((file) => blobs.put(file.path, originalKey(file.sha256), { synced: true, storedAt })))
    failpoint('originals-stored')
  } catch (error) {
    await discardFiles({ blobs }, files)
    await releaseUnused(originals, files)
    throw error
  }
}

/** Of a group that is given up before it was stored. */
export async function discardFiles({ blobs }: { blobs: Pick<BlobStore, 'discard'> }, files: ReceivedFile[]): Promise<void> {
  // Nothing may be written any more when they are removed.
  await Promise.allSettled(files.map(({ synced }) => synced))
  await Promise.all(files.map((file) => blobs.discard(file.path)))
}

/** As `Promise.all`, but settled only when none is under way any more. */
async function all<const T extends readonly unknown[]>(promises: T): Promise<{ -readonly [P in keyof T]: Awaited<T[P]> }> {
  await Promise.allSettled(promises)
  return Promise.all(promises)
}
