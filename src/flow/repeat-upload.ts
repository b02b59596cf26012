// Repeats of an upload: the same content under the same Idempotency-Key gets the answer of the first, and is not taken twice.
import { setTimeout as sleep } from 'node:timers/promises'
import { v7 as uuidv7 } from 'uuid'
import { CalotypeError } from '../errors.ts'
import type { BatchKind } from '../record/image-store.ts'
import { fingerprintOf, UPLOAD_LEASE_MS, type IncomingFiles, type Upload, type UploadDeps } from './upload.ts'
import { uploadImages } from './upload-images.ts'

export interface RepeatableOptions {
  kind: BatchKind
  files: IncomingFiles
  key: string | undefined
  /** What a repeat is answered with, word for word; null for a sync upload, whose answer is the outcome of its image. */
  answer: ((upload: Upload) => string) | null
}

/** `upload` when the files were taken now; else what was answered then, and the batch it was about. */
export type Repeatable = { upload: Upload } | { batchId: string; answer: string | null }

const POLL_MS = 50

const MAX_WAIT_MS = 60_000
const UNRESERVE_RETRY_MS = 500

/** Uploads once for each key. Waits while the first upload with this key arrives; rejects with `idempotency_conflict` for other content. */
export async function uploadOnce(deps: UploadDeps, options: RepeatableOptions): Promise<Repeatable> {
  const batchId = uuidv7()
  // However long the body takes: as long as this server lives, nobody gives the upload up.
  const renewing = setInterval(() => void deps.images.renewUpload(batchId, UPLOAD_LEASE_MS).catch(() => undefined), UPLOAD_LEASE_MS / 3)
  try {
    return await (options.key === undefined ? uploadNow(deps, batchId, options) : uploadUnlessDone(deps, batchId, options.key, options))
  } finally {
    clearInterval(renewing)
  }
}

async function uploadNow(deps: UploadDeps, batchId: string, { kind, files }: RepeatableOptions): Promise<Repeatable> {
  return { upload: await uploadImages(deps, { batchId, kind, files }) }
}

async function uploadUnlessDone(deps: UploadDeps, batchId: string, key: string, options: RepeatableOptions): Promise<Repeatable> {
  const { kind, files, answer } = options
  for (const end = Date.now() + MAX_WAIT_MS; ; await sleep(POLL_MS)) {
    const reservation = await deps.images.reserve(key, batchId, UPLOAD_LEASE_MS)
    if (reservation.state === 'reserved') {
      try {
        return { upload: await uploadImages(deps, { batchId, kind, files, idempotency: { key, answer } }) }
      } catch (error) {
        await deps.images.unreserve(key, batchId).catch(() => void unreserveLater(deps, key, batchId))
        throw error
      }
    }
    if (reservation.state === 'answered') {
      if ((await discardAll(deps, kind, files)) !== reservation.fingerprint) throw new CalotypeError('idempotency_conflict')
      return { batchId: reservation.batchId, answer: reservation.answer }
    }
    if (Date.now() > end) {
      const sentence = 'The first upload with this Idempotency-Key is still arriving. Try again when it is done.'
      throw new CalotypeError('idempotency_conflict', sentence, { retryAfterSeconds: 10 })
    }
  }
}

/** The database was away: who repeats the upload once it is back does not wait until the key has run out. */
async function unreserveLater({ images }: UploadDeps, key: string, batchId: string): Promise<void> {
  for (const end = Date.now() + UPLOAD_LEASE_MS; Date.now() < end;) {
    await sleep(UNRESERVE_RETRY_MS, undefined, { ref: false })
    const given = await images.unreserve(key, batchId).then(
      () => true,
      () => false,
    )
    if (given) return
  }
}

async function discardAll({ blobs }: UploadDeps, kind: BatchKind, files: IncomingFiles): Promise<string> {
  const seen = []
  for await (const file of files) {
    seen.push(file)
    if (file.outcome === 'received') await blobs.discard(file.path)
  }
  return fingerprintOf(kind, seen)
}
