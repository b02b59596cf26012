// The journey's first half: received files are stored and recorded group by group, queued at once, acknowledged at the end.
import { toCalotypeError, CalotypeError } from '../errors.ts'
import type { Image } from '../image.ts'
import type { ReceivedFile, RefusedFile } from '../receive/receive-files.ts'
import type { BatchKind } from '../record/image-store.ts'
import { abortUpload } from './abort-upload.ts'
import { FileGroups } from './file-groups.ts'
import { fingerprintOf, UPLOAD_LEASE_MS, type IncomingFiles, type Upload, type UploadDeps } from './upload.ts'

export interface UploadOptions {
  batchId: string
  kind: BatchKind
  files: IncomingFiles
  /** A key reserved for this batch; `answer` is kept for repeats, null if the outcome of the image is the answer. */
  idempotency?: { key: string; answer: ((upload: Upload) => string) | null }
}

/**
 * Takes an upload in. Resolves once every file that was taken is durable, bytes and row: that is the acknowledgement. Rejects with
 * the reason of the first refused file if none was taken, with `no_file` if none came, and with the reason of a body that could not
 * be read: what was recorded of it is aborted and swept.
 */
export async function uploadImages(deps: UploadDeps, { batchId, kind, files, idempotency }: UploadOptions): Promise<Upload> {
  const groups = new FileGroups(deps, { id: batchId, kind, leaseMs: UPLOAD_LEASE_MS })
  const seen: (ReceivedFile | RefusedFile)[] = []
  try {
    for await (const file of files) {
      seen.push(file)
      if (file.outcome === 'received') groups.add(file)
    }
    const rejected = seen
      .filter((file) => file.outcome === 'refused')
      .sort((a, b) => a.index - b.index)
      .map(({ name, code, error }) => ({ name, code, error }))
    if (rejected.length === seen.length)
      throw rejected[0] ? new CalotypeError(rejected[0].code, rejected[0].error) : new CalotypeError('no_file')
    const upload = (images: Image[]): Upload => ({ batchId, images: images.sort((a, b) => a.batchIndex - b.batchIndex), rejected })
    const images = await groups.finish((recorded) => ({
      batchId,
      rejected,
      ...(idempotency && {
        idempotency: {
          key: idempotency.key,
          fingerprint: fingerprintOf(kind, seen),
          answer: idempotency.answer && ((last) => idempotency.answer!(upload([...recorded, ...last]))),
        },
      }),
    }))
    return upload(images)
  } catch (error) {
    if (await groups.abandon()) await abortUpload(deps, batchId)
    throw toCalotypeError(error)
  }
}
