// The tables and views of the journey of images. Times are milliseconds since 1970, UTC.
import type { Generated } from 'kysely'
import type { ErrorCode } from '../../error-codes.ts'
import type { FileStatus, Format, Status } from '../../image.ts'

/** One upload request, or one declaration of files that come in any number of requests. */
export interface BatchesTable {
  id: string
  kind: 'sync' | 'async' | 'batch'
  /** Who sends it; null on an open server. Its images are theirs. */
  owner_id: string | null
  created_at: number
  /** When the whole body was durable and acknowledged; null while it arrives. */
  received_at: number | null
  /** When its body was cut off; its images are swept. */
  aborted_at: number | null
  /** JSON: the files that were not taken. */
  rejected: string
  /** How many those are; null where a server of an earlier version wrote them. */
  rejected_files: number | null
  /** While it arrives: when the server that receives it is given up. */
  lease_until: number | null
  /** How many files were declared, deleted ones not counted; null unless it was declared. */
  declared: number | null
  /** When what is missing of a declared batch expires. */
  expires_at: number | null
  /** When that was done. */
  expired_at: number | null
  /** When it was cancelled first. */
  cancelled_at: number | null
  /** 1 while files of it are needed that may still come; else null or 0. */
  awaits_files: number | null
  /** When it ended, cancelled or expired, without an image: none will ever come, and it is removed some time after. */
  empty_since: number | null
}

/** One file of a declared batch. Each that is `received` has an image in its place, and its state is that of the image. */
export interface DeclaredFilesTable {
  batch_id: string
  file_index: number
  name: string
  size: number
  sha256: string | null
  status: 'needed' | 'received' | 'rejected' | 'aborted' | 'expired'
  /** Why it is rejected. */
  code: ErrorCode | null
  error: string | null
  /** When it was rejected, aborted or expired. */
  finished_at: number | null
}

/** One uploaded file. */
export interface ImagesTable {
  id: string
  batch_id: string
  /** As of its batch. */
  owner_id: string | null
  batch_index: number
  name: string
  format: Format
  size: number
  sha256: string
  /** Of `recipe_outputs`. */
  recipe: string
  status: Status
  uploaded_at: number
  finished_at: number | null
  /** Why it failed, while its status is `error`; beside that of its original or rendition, so that it can be counted by the row alone. */
  code: ErrorCode | null
}

/**
 * The bytes of an original in the blob store, what processing found in them, and the work on them: all pending renditions of one original
 * are claimed together.
 */
export interface OriginalsTable {
  sha256: string
  size: number
  /**
   * When the last image that used it went; null while one does. Its bytes are collected a grace period later. In the future: its
   * bytes are about to be stored, and have no image yet.
   */
  released_at: number | null
  /** Set while its bytes are being removed: who uploads them again now has to wait. */
  collecting_at: number | null
  /** By signature; null until an image uses it. */
  format: Format | null
  /** `idle`: no rendition is pending. `failed`: by a fault of its bytes, whatever is made of them. */
  status: Generated<'idle' | 'pending' | 'processing' | 'failed'>
  /** Of its pixels, upright; null until it was processed by a version that records them. */
  width: number | null
  height: number | null
  thumbhash: string | null
  /** Why it failed. Stays while it is tried again, until there is another outcome. */
  code: ErrorCode | null
  error: string | null
  /** Who claimed it last. A result is taken only under the token of the claim, while it is `processing`. */
  lease_token: string | null
  lease_until: number | null
  /** How often it was claimed, for the outcome it has or since the one before. */
  attempts: Generated<number>
  /** When it was claimed last, and by which process; and when the outcome came. */
  started_at: number | null
  worker: string | null
  finished_at: number | null
}

/** One output of an original, shared by all images with the same bytes. */
export interface RenditionsTable {
  sha256: string
  /** Canonical (`rendition/operation.ts`): its format, its key in the blob store and its pixels follow from it. */
  operation: string
  status: 'pending' | 'completed' | 'error'
  /** Pixels; of one frame, if animated. */
  width: number | null
  height: number | null
  bytes: number | null
  /** A fault of this operation. Stays while it is tried again. */
  code: ErrorCode | null
  error: string | null
}

/** What images are to become: rows of one recipe are written together, and never changed. */
export interface RecipeOutputsTable {
  recipe: string
  /** Of the original. */
  format: Format
  preset: string
  /** Of the preset. */
  generation: string
  operation: string
}

/** Repeats of an upload get the answer of the first. */
export interface IdempotencyKeysTable {
  key: string
  batch_id: string
  created_at: number
  /** Of what was sent; null while the first upload is still arriving. */
  fingerprint: string | null
  /** JSON, word for word; null for a sync upload, whose answer is the outcome of its image. */
  answer: string | null
  /** While the first upload arrives: when the server that receives it is given up. */
  lease_until: number | null
}

/** How many images there are, kept by the database; several rows may have to be added up. A view. */
export interface KeptImagesView {
  /** Empty: without an owner. */
  owner_id: string
  status: Status
  /** Empty: none. */
  code: ErrorCode | ''
  images: number
  /** Of originals; one that several images share is counted for each. */
  bytes: number
}

/** Where the files of a batch stand, likewise; those without an image too. A view. */
export interface KeptFilesView {
  batch_id: string
  status: FileStatus
  files: number
  /** When the last of them was finished, if one was; else 0. */
  last_at: number
}
