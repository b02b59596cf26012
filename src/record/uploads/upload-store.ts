// The contract of uploads while they arrive: their batch and images in rows, their lease, their Idempotency-Key.
import type { Image } from '../../image.ts'
import type { Recipe } from '../../rendition/presets.ts'
import type { BatchKind } from '../batches/batch-store.ts'
import type { Rejected } from './rejected.ts'

export interface NewBatch {
  id: string
  kind: BatchKind
  /** Whose images they will be; null on an open server. */
  ownerId: string | null
  /** The upload is abandoned when its server has not renewed its lease for so long, in milliseconds. */
  leaseMs: number
}

/** An image that is to be recorded. Its upload time is that of the commit by the database's clock, unless `uploadedAt` is given. */
export interface NewImage extends Pick<Image, 'id' | 'batchId' | 'ownerId' | 'batchIndex' | 'name' | 'format' | 'size' | 'sha256'> {
  recipe: Recipe
  /** Milliseconds since 1970. An image that has it does not count towards today's quota. */
  uploadedAt?: number
}

/** The whole body is in: once this is committed the batch is acknowledged, and survives. */
export interface Acknowledgement {
  batchId: string
  rejected: Rejected[]
  /** Binds an Idempotency-Key that was reserved for this batch to what was sent (`fingerprint`) and to what is answered. */
  idempotency?: { key: string; fingerprint: string; answer: ((recorded: Image[]) => string) | null }
}

/** What one group of files puts into the rows, all in one transaction. */
export interface Entry {
  /** With the first group of a batch. */
  start?: NewBatch
  images: NewImage[]
  /** With the last group of a batch. */
  acknowledgement?: Acknowledgement
}

export type Reservation =
  | { state: 'reserved' }
  /** The first upload with this key is still arriving. */
  | { state: 'arriving' }
  | { state: 'answered'; batchId: string; fingerprint: string; answer: string | null }

export interface UploadStore {
  /**
   * Records a group, durable on return; groups that wait at the same time share statements and a commit. An image whose renditions are
   * all there is completed (or failed) at once. May be delayed by up to `maxDelayMs` (default 0) to share a commit. Rejects with
   * `overloaded` when the bytes of an image are being removed just now (upload them again), with `quota_exceeded`, and with
   * `upload_timeout` when the upload was given up, or a repeat has taken over its key.
   */
  record(entry: Entry, maxDelayMs?: number): Promise<Image[]>
  /** Aborts an upload whose body was cut off. Returns the images it had recorded, now `aborted`; none if it was acknowledged. */
  abort(batchId: string): Promise<Image[]>
  /** Extends the lease of the upload and of its Idempotency-Key to `leaseMs` from now. */
  renewLease(batchId: string, leaseMs: number): Promise<void>
  /** Ids of uploads that still arrive and whose lease has run out; of all that still arrive, if this is the only server. */
  abandoned(isOnlyServer: boolean): Promise<string[]>
  /** Removes the rows of aborted batches. Returns how many images were removed. */
  sweepAborted(): Promise<number>

  /** Reserves an Idempotency-Key for a batch that is about to arrive, for `leaseMs`; or says what became of the batch that has it. */
  reserveKey(key: string, batchId: string, leaseMs: number): Promise<Reservation>
  /** Releases the key of an upload that came to nothing; a key that is bound to an answer stays. */
  releaseKey(key: string, batchId: string): Promise<void>
  /** Deletes keys older than `lifetimeMs`; and those of uploads that were arriving, if this is the only server and has just started. */
  sweepKeys(lifetimeMs: number, isOnlyServer: boolean): Promise<void>
}
