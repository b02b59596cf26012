// The contract of work in rows: claimed under a lease, renewed, given back, finished, reclaimed. What resolves here is committed.
import type { Failure, Format, Image, Picture, Rendition } from '../../image.ts'

/** All that is to be made of one original: what one claim takes, and what a child gets. */
export interface Work {
  sha256: string
  format: Format
  /** Canonical (`rendition/operation.ts`). */
  operations: string[]
  /** The fencing token of the claim: an outcome is accepted only under it, and only until the work is claimed by another. */
  token: string
}

/** One output that was made, or the reason why it can't be. */
export type Output = Pick<Rendition, 'operation'> & ({ width: number; height: number; size: number } | { failure: Failure })

/** The outcome of work: a fault of the bytes; or what they show, and what was made of them. */
export type Finished = Pick<Work, 'sha256' | 'token'> & ({ failure: Failure } | { picture: Picture; outputs: Output[] })

/** Who claims, and for how long by the database's clock; renewed while it works. */
export interface Lease {
  ms: number
  /** The process, as it calls itself. */
  worker: string
}

/** An image whose work waits: what the queue is told of it. */
export interface Waiting {
  sha256: string
  batchId: string
  place: number
}

/** Images that are not done. */
export interface Backlog {
  pending: number
  processing: number
  /** How long ago the pending image that waits longest was uploaded, in milliseconds; null if none waits. */
  oldestPendingMs: number | null
}

/** What was done for an image so far, together with all images of the same bytes. */
export interface WorkDone {
  /** For the outcome it has, or since the one before. */
  attempts: number
  /** Milliseconds since 1970, by the database's clock. */
  startedAt: number | null
  finishedAt: number | null
  /** The process that claimed it last. */
  worker: string | null
  /** Of the last outcome, also while there is another attempt. */
  failure: Failure | null
}

export interface WorkStore {
  /**
   * Claims work: of those originals of `hashes` that are still wanted and that nobody has claimed, all pending renditions, whatever recipe
   * asks for them. Returns it, and the images that became `processing`. Nothing while there is a pause. Each claim has a token of its own.
   */
  claim(hashes: string[], lease: Lease): Promise<{ works: Work[]; images: Image[] }>
  /** Extends the lease of what is still held under these tokens to `lease.ms` from now. */
  renew(tokens: string[], lease: Lease): Promise<void>
  /** Claimed work that was not begun is `pending` again, and does not count as an attempt. Returns the images that changed. */
  giveBack(works: Pick<Work, 'sha256' | 'token'>[]): Promise<Image[]>
  /**
   * Records an outcome, for every image that waits for it; nothing, if the work has been claimed by another. Returns the images that
   * changed: one whose renditions were asked for meanwhile is `pending` again. May be delayed by up to `maxDelayMs` (default 0) to share
   * a commit; where every statement is a round trip, by up to a quarter of a second.
   */
  finish(result: Finished, maxDelayMs?: number): Promise<Image[]>
  /**
   * Work whose lease ran out is `pending` again (all that is claimed, if this is the only server); what ended so ten times has failed, as
   * `processing_crashed`. Returns the images that changed.
   */
  reclaim(isOnlyServer: boolean): Promise<Image[]>
  /** Work that waits, oldest first, a page of `limit` at a time; `cursor` is `next` of the page before. */
  pending(limit: number, cursor?: string): Promise<{ jobs: Waiting[]; next: string | null }>
  /** Images that wait or are being developed, from the kept counts. */
  countPending(): Promise<number>
  /** Both, and the age of the oldest that waits, in one query. */
  backlog(): Promise<Backlog>
  /** What was done for those of these images that are there, by their id. */
  doneFor(ids: string[]): Promise<Map<string, WorkDone>>
}
