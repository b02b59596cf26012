// The contract of looking after the rows: what they say of the bytes, what in them is stuck, and how both are put right.
import type { ErrorCode } from '../../error-codes.ts'
import type { Failure, Image } from '../../image.ts'

export interface HeldRendition {
  operation: string
  status: 'pending' | 'completed' | 'error'
  /** Bytes; null until it is completed. */
  size: number | null
}

/** An original that images use, and its renditions. */
export interface HeldOriginal {
  sha256: string
  /** Bytes. */
  size: number
  status: 'idle' | 'pending' | 'processing' | 'failed'
  /** Why it failed. */
  code: ErrorCode | null
  renditions: HeldRendition[]
}

/** Names a rendition. */
export interface RenditionId {
  sha256: string
  operation: string
}

/** A rendition that was completed. */
export interface Recent extends RenditionId {
  /** Bytes. */
  size: number
}

/** Rows of one kind that should have gone on long ago. */
export interface Stuck {
  count: number
  /** How long the oldest is overdue, in milliseconds. */
  longestMs: number
}

export interface StuckRows {
  /** Claimed by a worker whose lease is over. */
  leaseGone: Stuck
  /** Uploads whose server no longer says that they arrive. */
  arriving: Stuck
  /** Images that say something else than follows from their original and renditions. */
  disagreeing: Stuck
  /** Declared batches that could be completed until then, and have not expired. */
  unexpired: Stuck
  /** Bytes whose removal was begun and not ended. */
  removing: Stuck
  /** Images that wait, although nothing at all has been developed for so long. */
  waiting: Stuck
}

/** Times are by the database's clock. Every change is a transaction that others may run beside. */
export interface RowSurvey {
  countOriginals(): Promise<number>
  /** Those whose hash begins with `prefix` and comes after `after`, in order. */
  originals(prefix: string, after: string, limit: number): Promise<HeldOriginal[]>
  /** Hashes of originals that images use and that are not known to be lost: the first by hash, as hashes are random. */
  sampleOriginals(limit: number): Promise<string[]>
  /** The one with this hash as it is now; null if no image uses it any more. */
  original(sha256: string): Promise<HeldOriginal | null>
  /** Those of originals that were processed within `withinMs` of the last that was, by their key, from behind `after`. */
  recentlyCompleted(withinMs: number, after: RenditionId | null, limit: number): Promise<Recent[]>
  /** Overdue for so long at least. */
  stuck(overdueMs: number): Promise<StuckRows>
  /** Gives images the status that follows from their originals and renditions. Returns those that changed. */
  reconcileStatuses(): Promise<Image[]>
  /**
   * These renditions, if they were completed, are `pending` again, with the images that show them: whoever looks for work finds them.
   * Returns the images that changed.
   */
  remake(renditions: RenditionId[]): Promise<Image[]>
  /** Originals that failed because they were lost are `pending` again, with their images. Returns the images that changed. */
  takeBack(hashes: string[]): Promise<Image[]>
  /** Originals that are used and whose bytes are lost: all their images have failed, for this reason. Returns the images that changed. */
  giveUp(hashes: string[], failure: Failure): Promise<Image[]>
  /**
   * Unknown originals (`known-store.ts`) that a person wants removed: they have a row from now on that says they are being removed, so
   * that an upload of the same bytes waits; delete them, then `forget`. Returns the hashes of those that no image uses or expects.
   */
  markForDeletion(originals: { sha256: string; size: number }[]): Promise<string[]>
}
