// Repeats of an upload: the same content under the same Idempotency-Key gets the answer of the first, and is not taken twice.
import { newId } from '../../new-id.ts'
import type { BatchKind } from '../../record/batches/batch-store.ts'
import { fingerprintOfUpload } from '../idempotency/fingerprint.ts'
import type { IncomingFiles } from './group-files.ts'
import { oncePerKey, type KeyDeps } from '../idempotency/once-per-key.ts'
import { discardFiles } from './store-originals.ts'
import type { Upload } from './taken-upload.ts'
import { uploadImages, type UploadImagesDeps } from './upload-images.ts'
import { renewing } from './upload-lease.ts'

export type UploadOnceDeps = UploadImagesDeps & KeyDeps

export interface RepeatableOptions {
  kind: BatchKind
  /** Whose images they will be. */
  ownerId: string | null
  files: IncomingFiles
  key: string | undefined
  /** What a repeat is answered with, word for word; null for a sync upload, whose answer is the outcome of its image. */
  answer: ((upload: Upload) => string) | null
}

/** `upload` when the files were taken now; else what was answered then, and the batch it was about. */
export type Repeatable = { upload: Upload } | { batchId: string; answer: string | null }

/** Uploads once for each key. Waits while the first upload with this key arrives; rejects with `idempotency_conflict` for other content. */
export async function uploadOnce(deps: UploadOnceDeps, options: RepeatableOptions): Promise<Repeatable> {
  const batchId = newId()
  const { key } = options
  if (key === undefined) return uploadNow(deps, batchId, options)
  return renewing(deps, batchId, () => uploadUnlessDone(deps, batchId, key, options))
}

async function uploadNow(deps: UploadOnceDeps, batchId: string, { kind, ownerId, files }: RepeatableOptions): Promise<Repeatable> {
  return { upload: await uploadImages(deps, { batchId, kind, ownerId, files }) }
}

async function uploadUnlessDone(deps: UploadOnceDeps, batchId: string, key: string, options: RepeatableOptions): Promise<Repeatable> {
  const { kind, ownerId, files, answer } = options
  const upload = () => uploadImages(deps, { batchId, kind, ownerId, files, idempotency: { key, answer } })
  const repeated = await oncePerKey(deps, { key, batchId, take: upload, fingerprint: () => discardAll(deps, kind, files) })
  return 'taken' in repeated ? { upload: repeated.taken } : repeated
}

async function discardAll(deps: UploadOnceDeps, kind: BatchKind, files: IncomingFiles): Promise<string> {
  const seen = []
  for await (const file of files) {
    seen.push(file)
    if (file.outcome === 'received') await discardFiles(deps, [file])
  }
  return fingerprintOfUpload(kind, seen)
}
