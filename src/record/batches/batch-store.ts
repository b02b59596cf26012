// The contract of batches: the files that were declared for them, and where each file stands.
import type { Owner } from '../../access.ts'
import type { Failure, FileStatus, Image } from '../../image.ts'
import type { Recipe } from '../../rendition/presets.ts'

export type BatchKind = 'sync' | 'async' | 'batch'

/** The files of a batch by where they stand; the counts add up to `declared` at every moment. */
export interface Batch {
  id: string
  kind: BatchKind
  ownerId: string | null
  createdAt: number
  receivedAt: number | null
  finishedAt: number | null
  /** Null unless it was declared. */
  expiresAt: number | null
  declared: number
  counts: Record<FileStatus, number>
}

export interface BatchFile {
  /** Its place in the declaration, or in what was sent. */
  index: number
  name: string
  size: number
  status: FileStatus
  image: Image | null
  /** Why it has no image, or why that one failed. */
  failure: Failure | null
}

export interface FileToDeclare {
  name: string
  size: number
  sha256: string | null
  /** Why it would not be taken anyway. */
  refusal: Failure | null
}

export interface Declaration {
  batchId: string
  /** Whose images they will be. */
  ownerId: string | null
  files: FileToDeclare[]
  /** Milliseconds until what is missing expires. */
  ttlMs: number
  /**
   * Whose images are looked through for bytes that are here already: the hash of a file must not tell who asks whether somebody else
   * has it.
   */
  sees: Owner
  /** Of the images of files that are known. */
  recipe: Recipe
  /** Binds an Idempotency-Key that was reserved for this batch to what was declared (`fingerprint`) and to what is answered. */
  idempotency?: { key: string; fingerprint: string; answer: (declared: Declared) => string }
}

export interface Declared {
  batchId: string
  expiresAt: number
  /** In the order of the declaration; an image is one made for bytes that were here. */
  files: ({ image: Image } | { failure: Failure } | null)[]
}

/** What its image would be; its name is as it was declared. */
export type ArrivedFile = Pick<Image, 'id' | 'format' | 'size' | 'sha256'> & { recipe: Recipe }

/** A file that was sent to a declared batch, with its place in the declaration: its bytes are stored, or it was refused. */
export type Arrival = { index: number | null } & ({ file: ArrivedFile } | { failure: Failure })

/** The image of an arrival, or why it has none. One that was there before is not new. */
export type Arrived = { image: Image; isNew: boolean } | { failure: Failure }

export interface BatchesQuery {
  /** Batches on a page. */
  limit: number
  /** Opaque: `next` of the page before. */
  cursor?: string
  /** `open`: not all of it is final; `done`: all is; `failed`: of some images the last attempt failed. */
  state?: 'open' | 'done' | 'failed'
  /** Whose, among those that who asks sees. */
  owner?: string
  /** Begun then or later; before then. Milliseconds since 1970. */
  from?: number
  to?: number
}

export interface FilesQuery {
  batchId: string
  status: FileStatus | 'all'
  /** Files on a page. */
  limit: number
  /** Opaque: `next` of the page before. */
  cursor?: string
}

/**
 * All changes of one batch come one after the other, whichever server makes them. What is asked for an owner finds their batches only,
 * as if there were no others; for null, everyone's.
 */
export interface BatchStore {
  /**
   * Declares a batch of files that are yet to come, acknowledged from the start; those whose bytes are here already have their images at
   * once. Counts against the quota of its owner as long as files are awaited. Rejects with `quota_exceeded`, `too_many_open_batches`, and
   * `upload_timeout` when a repeat has taken over its Idempotency-Key.
   */
  declare(declaration: Declaration): Promise<Declared>
  /** Whether there is such a batch, and it was declared. */
  isDeclared(id: string, owner: Owner): Promise<boolean>
  /** Whether there is such a batch, and it was cancelled. */
  isCancelled(id: string): Promise<boolean>
  /**
   * Receives files of a declared batch. Each that the batch needs becomes an image of the batch's owner; one that came before is answered
   * with the image that is there; the others are refused, as are all of a cancelled batch. Results are in the order of `arrivals`. Rejects
   * with `overloaded` when the bytes of one are being removed just now (send them again), and with `quota_exceeded`.
   */
  receive(id: string, arrivals: Arrival[], owner: Owner): Promise<Arrived[]>

  get(id: string, owner: Owner): Promise<Batch | null>
  /** Newest first. Rejects with `bad_request` for a cursor that is not one of this list. */
  list(query: BatchesQuery, owner: Owner): Promise<{ batches: Batch[]; next: string | null }>
  /** By their place. Null if there is no such batch; rejects like `list`. */
  listFiles(query: FilesQuery, owner: Owner): Promise<{ files: BatchFile[]; next: string | null } | null>

  /**
   * What is not done becomes `aborted`, and nothing more comes. Returns the images that did; null if there is no such batch. Rejects with
   * `still_arriving` for an upload whose body is not in yet.
   */
  cancel(id: string, owner: Owner): Promise<Image[] | null>
  /**
   * What failed is `pending` again, with all images of the same bytes, whoever has them. What was refused while it could be declared, and
   * is no larger than `maxFileBytes`, is `needed` again, unless the batch was cancelled. Returns the images that changed; null if there is
   * no such batch.
   */
  retry(id: string, maxFileBytes: number, owner: Owner): Promise<Image[] | null>
  /**
   * What is missing of declared batches whose time is over has `expired`. Returns how many files that were. To be called every few seconds:
   * a batch that is complete counts as an open one until then.
   */
  expireDeclared(): Promise<number>
  /** Removes declared batches that were cancelled or expired at least `ageMs` ago and had no image then. Returns how many. */
  sweepEmpty(ageMs: number): Promise<number>
  /** Removes every declared batch that has no image, whatever is still to come of it. Returns how many. */
  forgetDeclared(): Promise<number>
}
