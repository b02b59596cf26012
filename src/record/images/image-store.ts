// The contract of the record step: the rows are the truth. What resolves here is committed and synced.
import type { Owner } from '../../access.ts'
import type { Failure, Format, Image, Picture, Rendition, Status } from '../../image.ts'
import type { Recipe } from '../../rendition/presets.ts'
import type { ErrorCode } from '../../errors.ts'
import type { BatchKind, BatchLedger } from '../batches/batch-store.ts'

export interface Rejected {
  /** Its place in what was sent. */
  index?: number
  name: string
  code: ErrorCode
  error: string
}

/**
 * An upload whose server has not said for so long that it still arrives is given up; so long a repeat under the same Idempotency-Key
 * may have to wait for the end of a server that was killed. With the sweep, what it left is undone within 30 s.
 */
export interface NewBatch {
  id: string
  kind: BatchKind
  /** Whose images they will be. */
  ownerId: string | null
  /** Given up when its server has not said for so long that it still arrives. */
  leaseMs: number
}

/** Uploaded when the database's clock says as it is recorded, unless it is known to have been before. */
export interface NewImage extends Pick<Image, 'id' | 'batchId' | 'ownerId' | 'batchIndex' | 'name' | 'format' | 'size' | 'sha256'> {
  recipe: Recipe
  /** Milliseconds since 1970; not counted as an upload of today. */
  uploadedAt?: number
}

/** The body is in: from here on the batch is acknowledged, and survives. */
export interface Received {
  batchId: string
  rejected: Rejected[]
  /** Binds an idempotency key that was reserved for this batch to what was sent and to what was answered. */
  idempotency?: { key: string; fingerprint: string; answer: ((recorded: Image[]) => string) | null }
}

/** What becomes of the rows of one group of files; all of it in one transaction. */
export interface Entry {
  /** With the first group of a batch. */
  start?: NewBatch
  images: NewImage[]
  /** With the last group of a batch. */
  received?: Received
}

/** All that is to be made of one original: what one claim takes, and what a child gets. */
export interface Work {
  sha256: string
  format: Format
  /** Canonical (`rendition/operation.ts`). */
  operations: string[]
  /** Of the claim: an outcome is taken only under it, and only until the work has passed into other hands. */
  token: string
}

/** One output that was made, or the reason why it can't be. */
export type Output = Pick<Rendition, 'operation'> & ({ width: number; height: number; size: number } | { failure: Failure })

/** What became of work: a fault of the bytes, or what they show and what was made of them. */
export type Finished = Pick<Work, 'sha256' | 'token'> & ({ failure: Failure } | { picture: Picture; outputs: Output[] })

/** Who claims, and for how long, by the database's clock; renewed while it works. */
export interface Lease {
  ms: number
  /** The process, as it calls itself. */
  worker: string
}

/** An original that is to be deleted, with all that was made of it. */
export interface Collectable {
  sha256: string
  size: number
  /** Milliseconds since 1970, by the database's clock. Bytes that were stored after it are not to be deleted. */
  releasedAt: number
  /** Operations of its renditions. */
  operations: string[]
}

/** Where work is found again: what the queue is told. */
export interface Waiting {
  sha256: string
  batchId: string
  place: number
}

export type Sort = 'newest' | 'oldest' | 'name' | 'size' | '-name' | '-size'

export interface ImageFilter {
  /** Part of a name, any case. */
  q?: string
  status?: Status
  format?: Format
  batch?: string
  /** Whose, among those that who asks sees. */
  owner?: string
  /** Why they failed. */
  code?: ErrorCode
  /** Uploaded then or later; before then. Milliseconds since 1970. */
  from?: number
  to?: number
}

/** What was done for an image so far, together with all images of the same bytes. */
export interface WorkDone {
  /** For the outcome it has, or since the one before. */
  attempts: number
  startedAt: number | null
  finishedAt: number | null
  /** The process that had it last. */
  worker: string | null
  /** Of the last outcome, also while there is another attempt. */
  failure: Failure | null
}

export interface ListQuery extends ImageFilter {
  sort: Sort
  /** Images on a page. */
  limit: number
  /** Opaque: `next` of the page before. */
  cursor?: string
}

/** A kept count that is not what the rows say. */
export interface CountDifference {
  /** For a person. */
  of: string
  kept: number
  counted: number
}

export interface Page {
  /**
   * Fewer than asked for only at the end, where names are long, or in a search that has looked at so many names that it goes on in another
   * page; of that there may be none.
   */
  images: Image[]
  /** Null on the last page. */
  next: string | null
}

export type Reservation =
  | { state: 'reserved' }
  /** The first upload with this key is still arriving. */
  | { state: 'arriving' }
  | { state: 'answered'; batchId: string; fingerprint: string; answer: string | null }

/**
 * Images and their work here; batches, and what is declared, in the ledger. What is asked for an owner finds theirs only, as if there
 * were no others; for null, everyone's.
 */
export interface ImageStore extends BatchLedger {
  /**
   * Records a group; groups that wait at the same time share statements and commit. An image whose renditions are all there
   * is completed (or failed) at once. Rejects with `overloaded` when the bytes of one are just being removed: upload again. One that can
   * wait for others is recorded together with them, up to `canWaitMs` after those before.
   */
  record(entry: Entry, canWaitMs?: number): Promise<Image[]>
  /** A body was cut off: whatever its batch recorded becomes `aborted`. Returns those images. */
  abort(batchId: string): Promise<Image[]>
  /** Says that an upload is still arriving here, for so much longer; of its key, too. */
  renewUpload(batchId: string, leaseMs: number): Promise<void>
  /** Batches whose server no longer says that they are arriving; all that arrive, if this is the only server. */
  abandoned(isOnlyServer: boolean): Promise<string[]>
  /** Removes the rows of aborted batches. Returns how many images went. */
  sweepAborted(): Promise<number>

  /** Its outputs have rows from now on, so that images can be recorded with it. */
  addRecipe(recipe: Recipe): Promise<void>

  /**
   * Takes work: of those of `hashes` that are still wanted and not in other hands, all pending renditions, whatever recipe asks for them.
   * Returns it, and the images that became `processing`. Nothing while there is a pause. Each claim has a token of its own.
   */
  claim(hashes: string[], lease: Lease): Promise<{ works: Work[]; images: Image[] }>
  /** Whatever is still held under these tokens is held for so much longer. */
  renew(tokens: string[], lease: Lease): Promise<void>
  /** Claimed work that was not begun is `pending` again. Returns the images that changed. */
  giveBack(works: Pick<Work, 'sha256' | 'token'>[]): Promise<Image[]>
  /**
   * Records an outcome, for every image that waits for it; nothing, if the work has passed into other hands. Returns the images that
   * changed: one whose renditions were asked for meanwhile is `pending` again. May be delayed by up to `canWaitMs` to share a commit;
   * where every statement is a round trip, by up to a quarter of a second.
   */
  finish(result: Finished, canWaitMs?: number): Promise<Image[]>
  /**
   * Work whose lease ran out is `pending` again (all that is in hand, if this is the only server); what ended so ten times has failed,
   * as `processing_crashed`. Returns the images that changed.
   */
  reclaim(isOnlyServer: boolean): Promise<Image[]>
  /** Work that waits, oldest first, a page at a time. */
  pending(limit: number, cursor?: string): Promise<{ jobs: Waiting[]; next: string | null }>
  /** Images that wait or are in hand. */
  countPending(): Promise<number>
  /** Those that wait, those in hand, and for how long the one that waits longest has been here, in milliseconds; one query. */
  backlog(): Promise<{ pending: number; processing: number; oldestPendingMs: number }>

  get(id: string, owner: Owner): Promise<Image | null>
  /** An image that is completed, with what was made for one of its presets; null where either is not there. */
  findRendition(id: string, preset: string, owner: Owner): Promise<{ image: Image; rendition: Rendition } | null>
  /** The image at this place of a batch. */
  getInBatch(batchId: string, index: number, owner: Owner): Promise<Image | null>
  /** Those of `ids` that are there, in this order. */
  getMany(ids: string[], owner: Owner): Promise<Image[]>
  list(query: ListQuery, owner: Owner): Promise<Page>
  /** Of those of `ids` that are there, by their id. */
  workOf(ids: string[]): Promise<Map<string, WorkDone>>
  /** How many the list has with this filter. */
  count(filter: ImageFilter, owner: Owner): Promise<number>
  /** Adds up what was counted since: a sweep's work, so that asking stays quick. The counts are right before and after. */
  foldCounts(): Promise<void>
  /** Where the kept counts are not what the rows say: nowhere, unless someone changed them by hand. */
  differingCounts(): Promise<CountDifference[]>
  /** Counts anew where they differ; nobody changes rows meanwhile. Returns what differed. */
  recount(): Promise<CountDifference[]>
  /**
   * Failed images of the same bytes are `pending` again, whoever has them: they share their renditions. Returns them, to be announced;
   * null if there is no such image; rejects with `not_retryable`.
   */
  retry(id: string, owner: Owner): Promise<Image[] | null>
  /** As `retry`, of those of `ids` that failed; the others are passed over. Returns all that are `pending` again. */
  retryMany(ids: string[], owner: Owner): Promise<Image[]>
  /** Returns the image that went, or null. Its bytes are released, for `collectable`. */
  delete(id: string, owner: Owner): Promise<Image | null>
  /** As `delete`, of those of `ids` that are there. Returns the images that went. */
  deleteMany(ids: string[], owner: Owner): Promise<Image[]>

  /**
   * Bytes are about to be stored: rows precede them, so that bytes without a row are known to be another database's. Each original has a
   * row on return: one that nobody uses is released after an hour, should its server be killed before it records an image, and those that
   * wait to be collected stay. Returns when that was, by the database's clock, for the bytes to be stored with. Rejects with `overloaded`
   * when some are just being removed.
   */
  expect(originals: { sha256: string; size: number }[]): Promise<number>
  /** What was expected and never came is released: at the start of the only server, when nothing is on its way. */
  giveUpExpected(): Promise<void>
  /** Bytes that were stored and then not recorded: a row that nobody uses, unless there is one, so that they are collected. */
  release(originals: { sha256: string; size: number }[]): Promise<void>
  /**
   * Originals released at least `graceMs` ago that nothing uses: marked, so that nobody counts on their bytes. Delete them
   * (`flow/originals/delete-originals.ts`), then `forget`; or `keep`. None while deletion is halted (`known-store.ts`).
   */
  collectable(graceMs: number, limit: number): Promise<Collectable[]>
  /** Their bytes stay: they are as they were before `collectable` marked them. */
  keep(hashes: string[]): Promise<void>
  /** Their bytes are gone: so are their rows. */
  forget(hashes: string[]): Promise<void>
  /** Of these hashes, those that have a row: when they were released, in milliseconds since 1970; null while an image uses them. */
  known(hashes: string[]): Promise<Map<string, number | null>>

  /** Takes an idempotency key for a batch that is about to arrive, or tells what became of the one that has it. */
  reserve(key: string, batchId: string, leaseMs: number): Promise<Reservation>
  /** Gives a key back whose upload came to nothing. */
  unreserve(key: string, batchId: string): Promise<void>
  /** Forgets keys older than `lifetimeMs`; and those of uploads that were arriving, if this is the only server and has just started. */
  sweepKeys(lifetimeMs: number, isOnlyServer: boolean): Promise<void>
}
