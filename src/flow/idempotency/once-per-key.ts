// Does a thing once for each Idempotency-Key: who repeats it waits while it is being done, and is told what was answered then.
import { setTimeout as sleep } from 'node:timers/promises'
import { CalotypeError } from '../../errors.ts'
import type { UploadStore } from '../../record/uploads/upload-store.ts'
import { UPLOAD_LEASE_MS } from '../upload/upload-lease.ts'

export interface KeyDeps {
  uploads: Pick<UploadStore, 'reserveKey' | 'releaseKey'>
}

export interface OncePerKey<T> {
  key: string
  /** What the key is reserved for. */
  batchId: string
  /** Does it, and keeps the answer with the key in the same transaction. */
  take: () => Promise<T>
  /** Of what was sent now, to be compared with what was sent then. */
  fingerprint: () => Promise<string>
}

const POLL_MS = 50
const MAX_WAIT_MS = 60_000
const RELEASE_RETRY_MS = 500

/** `taken` when it was done now; else what was answered then, and the batch it was about. Rejects with `idempotency_conflict` for other content. */
export async function oncePerKey<T>(
  { uploads }: KeyDeps,
  { key, batchId, take, fingerprint }: OncePerKey<T>,
): Promise<{ taken: T } | { batchId: string; answer: string | null }> {
  for (const end = Date.now() + MAX_WAIT_MS; ; await sleep(POLL_MS)) {
    const reservation = await uploads.reserveKey(key, batchId, UPLOAD_LEASE_MS)
    if (reservation.state === 'reserved') {
      try {
        return { taken: await take() }
      } catch (error) {
        await uploads.releaseKey(key, batchId).catch(() => void releaseKeyLater({ uploads }, key, batchId))
        throw error
      }
    }
    if (reservation.state === 'answered') {
      if ((await fingerprint()) !== reservation.fingerprint) throw new CalotypeError('idempotency_conflict')
      return { batchId: reservation.batchId, answer: reservation.answer }
    }
    if (Date.now() > end) {
      const sentence = 'The first upload with this Idempotency-Key is still arriving. Try again when it is done.'
      throw new CalotypeError('idempotency_conflict', sentence, { retryAfterSeconds: 10 })
    }
  }
}

/** The database was away: who repeats it once it is back does not wait until the key has run out. */
async function releaseKeyLater({ uploads }: KeyDeps, key: string, batchId: string): Promise<void> {
  for (const end = Date.now() + UPLOAD_LEASE_MS; Date.now() < end;) {
    await sleep(RELEASE_RETRY_MS, undefined, { ref: false })
    const isReleased = await uploads.releaseKey(key, batchId).then(
      () => true,
      () => false,
    )
    if (isReleased) return
  }
}
