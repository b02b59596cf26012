// Stores the bytes of received files: a row announces each original before its bytes are in the store, so that none is ever unknown.
import { failpoint } from '../failpoints.ts'
import type { ReceivedFile } from '../receive/receive-files.ts'
import { originalKey } from '../rendition/keys.ts'
import { releaseUnused } from './release-unused.ts'
import type { UploadDeps } from './upload.ts'

/** Durable on return. Where one can't be stored it rejects, and all of them are left to be collected, unless someone else uses them. */
export async function storeOriginals({ blobs, images }: Pick<UploadDeps, 'blobs' | 'images'>, files: ReceivedFile[]): Promise<void> {
  if (files.length === 0) return
  try {
    const storedAt = await images.expect(files)
    failpoint('originals-expected')
    const put = await Promise.allSettled(files.map((file) => blobs.put(file.path, originalKey(file.sha256), { synced: true, storedAt })))
    const failed = put.find((result) => result.status === 'rejected')
    if (failed) throw failed.reason
    failpoint('originals-stored')
  } catch (error) {
    await discardFiles({ blobs }, files)
    await releaseUnused(images, files)
    throw error
  }
}

/** Of a group that is given up before it was stored. */
export const discardFiles = ({ blobs }: Pick<UploadDeps, 'blobs'>, files: ReceivedFile[]) =>
  Promise.all(files.map((file) => blobs.discard(file.path)))
